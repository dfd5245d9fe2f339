"""The headless browser of the tests and the pictures, and the checks of accessibility that run in it."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("STREAMFORGE_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
NARROW, WIDE = 360, 1280
WIDTHS = (NARROW, WIDE)
_CACHE = Path(__file__).resolve().parents[2] / ".cache"
_AXE, _AXE_SHA256 = "axe-core-4.14.1.tgz", "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_PAINT = """() => new Promise(done => new PerformanceObserver(list => {
  for (const one of list.getEntriesByName("first-contentful-paint")) done(one.startTime);
}).observe({type: "paint", buffered: true}))"""


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless Chromium that talks to nobody by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def first_paint_ms(page: Page) -> float:
    """When the page that was just loaded first showed something, from the start of the request on."""
    return float(page.evaluate(_PAINT))


def hidden_width(page: Page) -> int:
    """How many pixels of the page lie beyond the right edge of the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@cache
def axe() -> str:
    """The script of axe-core, from npm once; "" where it cannot be had. AssertionError where it is another."""
    packed = _CACHE / _AXE
    if not packed.exists() and shutil.which("npm"):
        name = _AXE.removesuffix(".tgz").replace("core-", "core@")
        _CACHE.mkdir(exist_ok=True)
        subprocess.run(["npm", "pack", "--silent", name], cwd=_CACHE, check=False, timeout=60, capture_output=True)
    if not packed.exists():
        return ""
    assert hashlib.sha256(packed.read_bytes()).hexdigest() == _AXE_SHA256, f"{packed}: another axe-core"
    with tarfile.open(packed) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page at WCAG 2.2 level AA: rule and element."""
    page.evaluate(axe())
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", _RULES)
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found["violations"] for node in rule["nodes"]]
