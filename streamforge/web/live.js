// Puts fresh numbers into elements that carry data-live. Without it the page refreshes itself every 10 s.
"use strict";
(() => {
  const stale = document.querySelector(".stale");
  const RELOAD_MS = 10000;
  let source = null, heard = Date.now();

  const clock = () => document.querySelector("header time")?.textContent ?? "";
  const isHeld = (element) => {
    const selection = getSelection();
    return element.contains(document.activeElement) ||
      (selection && !selection.isCollapsed && selection.containsNode(element, true));
  };
  const show = (parts) => {
    for (const [name, html] of Object.entries(parts)) {
      const element = document.querySelector(`[data-live="${CSS.escape(name)}"]`);
      if (element && !isHeld(element)) element.innerHTML = html;
    }
    heard = Date.now();
    stale.hidden = true;
  };
  const again = () => {
    const url = new URL(location.href);
    url.searchParams.set("again", "1");
    location.replace(url);
  };
  const open = () => {
    source = new EventSource(document.body.dataset.stream);
    source.onmessage = (message) => show(JSON.parse(message.data));
    // A refused stream (all seats taken, logged out) is not tried again by the browser: read the page anew.
    source.onerror = () => { if (source && source.readyState === EventSource.CLOSED) setTimeout(again, RELOAD_MS); };
  };
  const close = () => { source?.close(); source = null; };

  document.addEventListener("visibilitychange", () => {
    close();
    if (!document.hidden) open();
  });
  addEventListener("pagehide", close);
  setInterval(() => {
    if (Date.now() - heard < RELOAD_MS || document.hidden) return;
    stale.textContent = `The gateway has not answered since ${clock()}: what you see is of that time. Trying again.`;
    stale.hidden = false;
  }, 2000);
  open();
})();
