"""Pictures of a running gateway's page for docs/images: `python -m tests.web.screenshots URL PASSWORD DIRECTORY`.

Logs in as a person does, at 360 px and 1280 px, light and dark, and once without JavaScript.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
PAGES = {"now": "/", "devices": "/devices", "data-out": "/data-out", "log": "/log"}
NARROW, WIDE = 360, 1280
_SETTLE_MS = 2500


def take(url: str, password: str, directory: Path) -> list[Path]:
    """All pictures; AssertionError where a page does not show or a value does not change."""
    directory.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        try:
            found = [
                path
                for width in (NARROW, WIDE)
                for is_dark in (False, True)
                for path in _tour(browser, url, password, directory, width=width, is_dark=is_dark, has_script=True)
            ]
            for width in (NARROW, WIDE):
                found += _tour(browser, url, password, directory, width=width, is_dark=False, has_script=False)
            return found
        finally:
            browser.close()


def _tour(
    browser: Browser, url: str, password: str, directory: Path, *, width: int, is_dark: bool, has_script: bool
) -> list[Path]:
    context = browser.new_context(
        ignore_https_errors=True,
        viewport=ViewportSize(width=width, height=800),
        color_scheme="dark" if is_dark else "light",
        java_script_enabled=has_script,
    )
    page = context.new_page()
    page.goto(url)
    page.fill("#password", password)
    page.click("button")
    expect(page.locator("h1")).not_to_have_text("Log in")
    clock = page.locator("header time")
    before = clock.inner_text()
    expect(clock).not_to_have_text(before, timeout=20_000)
    taken = []
    suffix = f"{width}{'-dark' if is_dark else ''}{'' if has_script else '-no-script'}"
    for name, path in PAGES.items():
        page.goto(url.rstrip("/") + path)
        page.wait_for_timeout(_SETTLE_MS)
        taken.append(directory / f"{name}-{suffix}.png")
        page.screenshot(path=taken[-1], full_page=True)
    context.close()
    return taken


if __name__ == "__main__":
    for picture in take(sys.argv[1], sys.argv[2], Path(sys.argv[3])):
        print(picture)
