"""A real browser, at 360 px and 1280 px, with and without JavaScript: the operator's way through the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web import peers
from tests.web.chromium import CHROMIUM, WIDTHS, axe, hidden_width, launched, violations

expect.set_options(timeout=20_000)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Gateway]:
    directory: Path = tmp_path_factory.mktemp("lively")
    with peers.gateway(directory, peers.troubled()) as made, peers.feeding(made, silent="boiler-1"):
        yield made


def page_of(chromium: Browser, gateway: peers.Gateway, *, width: int, has_script: bool, scheme: str = "light") -> Page:
    """A page that is logged in."""
    context = chromium.new_context(
        ignore_https_errors=True,
        viewport={"width": width, "height": 800},
        java_script_enabled=has_script,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    name, _, value = gateway.session().partition("=")
    url = f"https://127.0.0.1:{gateway.port}"
    context.add_cookies([{"name": name, "value": value, "url": url, "secure": True, "httpOnly": True}])
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{url}/")
    return page


def test_an_operator_logs_in_and_out(chromium: Browser, lively: peers.Gateway) -> None:
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"https://127.0.0.1:{lively.port}/devices")
    page.fill("#password", peers.PASSWORD)
    page.click("button")
    expect(page.locator("h1").first).to_have_text("3 devices")
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("alert")).to_have_text("You are logged out.")
    page.goto(f"https://127.0.0.1:{lively.port}/")
    expect(page.locator("h1")).to_have_text("Log in")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_its_screen(
    chromium: Browser, lively: peers.Gateway, width: int, has_script: bool, scheme: str
) -> None:
    page = page_of(chromium, lively, width=width, has_script=has_script, scheme=scheme)
    for link in ("Now", "Devices", "Data out", "Log", "Account"):
        page.get_by_role("navigation").get_by_role("link", name=link, exact=True).click()
        expect(page.locator("nav [aria-current]")).to_have_text(link)
        assert hidden_width(page) == 0
        for part in page.locator("main .card, main .button, main td").all():
            area = part.bounding_box()
            assert area is None or area["x"] + area["width"] <= width + 0.5, part.inner_text()
        for button in page.locator(".button, nav a, select, main input:not([type=hidden])").all():
            area = button.bounding_box()
            assert area is None or area["height"] >= 48
    page.context.close()


@pytest.mark.skipif(not axe(), reason="no axe-core here and no npm to fetch it; test_contrast.py stands in")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(chromium: Browser, lively: peers.Gateway, width: int, scheme: str) -> None:
    page = page_of(chromium, lively, width=width, has_script=True, scheme=scheme)
    for path in ("/", "/devices", "/data-out", "/log", "/account", "/nowhere"):
        page.goto(f"https://127.0.0.1:{lively.port}{path}")
        assert violations(page) == [], path
    page.context.clear_cookies()
    page.goto(f"https://127.0.0.1:{lively.port}/login")
    assert violations(page) == []
    page.context.close()


def test_values_change_in_place(chromium: Browser, lively: peers.Gateway) -> None:
    page = page_of(chromium, lively, width=1280, has_script=True)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(f"https://127.0.0.1:{lively.port}/devices")
    page.evaluate("window.isSamePage = true")
    cell = page.locator("#pump-station td.v").first
    before = cell.inner_text()
    expect(cell).not_to_have_text(before)
    assert page.evaluate("window.isSamePage")
    assert not faults
    page.context.close()


def test_values_change_without_javascript_by_reading_the_page_again(chromium: Browser, lively: peers.Gateway) -> None:
    page = page_of(chromium, lively, width=360, has_script=False)
    clock = page.locator("header time")
    before = clock.inner_text()
    expect(clock).not_to_have_text(before)
    assert "again=1" in page.url
    page.context.close()


def test_a_page_that_hears_nothing_says_so(chromium: Browser, tmp_path: Path) -> None:
    with peers.gateway(tmp_path, peers.healthy()) as made:
        made.feed(1)
        page = page_of(chromium, made, width=360, has_script=True)
        expect(page.locator(".stale")).to_be_hidden()
        made.web.close()
        expect(page.locator(".stale")).to_contain_text("The gateway has not answered since")
        page.context.close()


def test_nothing_is_asked_of_anybody_else(chromium: Browser, lively: peers.Gateway) -> None:
    page = page_of(chromium, lively, width=1280, has_script=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"https://127.0.0.1:{lively.port}/")
    assert all(url.startswith(f"https://127.0.0.1:{lively.port}/") for url in asked)
    page.context.close()


def test_the_page_works_by_keyboard(chromium: Browser, lively: peers.Gateway) -> None:
    page = page_of(chromium, lively, width=1280, has_script=True)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the content")
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Devices")
    page.keyboard.press("Enter")
    expect(page.locator("nav [aria-current]")).to_have_text("Devices")
    page.context.close()
