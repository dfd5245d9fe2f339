"""Pictures of a gateway's page for docs/images: `python -m tests.web.screenshots URL PASSWORD DIRECTORY [STATE]`.

STATE is a word in front of the names of the pictures, for a gateway in which something is wrong: then only the page
Now is taken.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, StorageState, ViewportSize, expect

from tests.web.chromium import NARROW, WIDE, launched

PATHS = {"now": "/", "devices": "/devices", "data-out": "/data-out", "log": "/log"}
# Page, width, whether dark: what docs/images shows.
WELL = (
    ("now", WIDE, False), ("now", NARROW, True), ("devices", WIDE, False), ("devices", NARROW, False),
    ("data-out", WIDE, True), ("log", WIDE, False),
)  # fmt: skip
ILL = (("now", WIDE, False), ("now", NARROW, True))
MOST_HEIGHT = {NARROW: 1300, WIDE: 780}
_SETTLE_MS = 2500


def take(url: str, password: str, directory: Path, state: str = "") -> list[Path]:
    """The pictures; AssertionError where a page does not show or nothing changes on it."""
    directory.mkdir(parents=True, exist_ok=True)
    taken = []
    with launched() as browser:
        session = _logged_in(browser, url, password)
        for name, width, is_dark in ILL if state else WELL:
            context = _window(browser, width, is_dark=is_dark, session=session)
            words = (state, name, str(width), "dark" if is_dark else "light")
            taken.append(directory / f"{'-'.join(filter(None, words))}.png")
            _picture(context, url.rstrip("/") + PATHS[name], taken[-1])
            context.close()
    return taken


def _window(browser: Browser, width: int, *, is_dark: bool, session: StorageState | None = None) -> BrowserContext:
    return browser.new_context(
        ignore_https_errors=True,
        viewport=ViewportSize(width=width, height=800),
        color_scheme="dark" if is_dark else "light",
        storage_state=session,
    )


def _logged_in(browser: Browser, url: str, password: str) -> StorageState:
    context = _window(browser, NARROW, is_dark=False)
    page = context.new_page()
    page.goto(url)
    page.fill("#password", password)
    page.click("button")
    expect(page.locator("h1")).not_to_have_text("Log in")
    clock = page.locator("header time")
    before = clock.inner_text()
    expect(clock).not_to_have_text(before, timeout=20_000)
    session = context.storage_state()
    context.close()
    return session


def _picture(context: BrowserContext, url: str, path: Path) -> None:
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(_SETTLE_MS)
    width = int(page.evaluate("innerWidth"))
    height = min(MOST_HEIGHT[width], int(page.evaluate("document.documentElement.scrollHeight")))
    page.screenshot(path=path, full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})


if __name__ == "__main__":
    for picture in take(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:5]):
        print(picture)
