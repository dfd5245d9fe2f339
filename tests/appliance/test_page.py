"""The local page in the booted appliance, as a person sees it: a real browser, the real units, the first password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.appliance.conftest import LIVE
from tests.appliance.container import Container
from tests.appliance.demo import first_password, wait_for_flow
from tests.appliance.plant import ADAPTER, KAFKA, PLANT_TOML, SIM, SINK, UNITS, WEB, Plant
from tests.web import peers
from tests.web.chromium import CHROMIUM, NARROW, WIDTHS, first_paint_ms, hidden_width, launched

pytestmark = [
    pytest.mark.appliance,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium"),
]
PAGES = {"Now": "/", "Devices": "/devices", "Data out": "/data-out", "Log": "/log", "Account": "/account"}
RSS_MIB = 48.0
SEEN_MS = 45_000


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    """A booted appliance with the simulated plant, up to its first clean reading."""
    with Container(live=LIVE) as container:
        wait_for_flow(container)
        yield Plant(container)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(plant: Plant) -> str:
    return f"https://{plant.container.address}"


@pytest.fixture(scope="module")
def cookies(chromium: Browser, plant: Plant, url: str) -> list[dict[str, object]]:
    """The session of somebody who logged in with the first password of the console."""
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": NARROW, "height": 800})
    page = context.new_page()
    page.goto(f"{url}/devices")
    log_in(page, "wrong-wrong-wrong")
    expect(page.get_by_role("alert")).to_contain_text("User or password is not right.")
    page.wait_for_timeout(1100)
    log_in(page, first_password(plant.container))
    expect(page.locator("h1").first).to_have_text("3 devices")
    kept = [dict(cookie) for cookie in context.cookies()]
    context.close()
    return kept


def log_in(page: Page, password: str) -> None:
    page.fill("#password", password)
    page.click("button")


def context_of(
    chromium: Browser, cookies: list[dict[str, object]], *, width: int, has_script: bool = True
) -> BrowserContext:
    """A window of somebody who is logged in; every answer is waited for as long as an operator would."""
    context = chromium.new_context(
        ignore_https_errors=True, viewport={"width": width, "height": 800}, java_script_enabled=has_script
    )
    context.add_cookies(cookies)  # type: ignore[arg-type]
    context.set_default_timeout(SEEN_MS)
    return context


@pytest.fixture
def now(chromium: Browser, cookies: list[dict[str, object]], url: str) -> Iterator[Page]:
    """The page Now on a phone; it follows by itself what happens. Begins with a gateway that is well again."""
    context = context_of(chromium, cookies, width=NARROW)
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


def says(page: Page, block: str, text: str) -> None:
    """Wait until that part of the page says the text, without reading the page anew."""
    expect(page.locator(f'[data-live="{block}"]')).to_contain_text(text, timeout=SEEN_MS)


@pytest.mark.parametrize("has_script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_shows_fits_and_stays_at_home(
    chromium: Browser, cookies: list[dict[str, object]], url: str, width: int, has_script: bool
) -> None:
    context = context_of(chromium, cookies, width=width, has_script=has_script)
    page = context.new_page()
    complaints: list[str] = []
    elsewhere: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(f"{url}/") else elsewhere.append(asked.url))
    page.goto(url)
    for name, path in PAGES.items():
        page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"**{path}")
        expect(page.locator("nav [aria-current]")).to_have_text(name)
        if has_script:
            assert hidden_width(page) == 0, name
        box = page.locator("main").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width
    assert complaints == []
    assert elsewhere == []
    context.close()


@pytest.mark.parametrize("has_script", [True, False], ids=["in place", "by reading the page again"])
def test_live_values_change(chromium: Browser, cookies: list[dict[str, object]], url: str, has_script: bool) -> None:
    context = context_of(chromium, cookies, width=NARROW, has_script=has_script)
    page = context.new_page()
    page.goto(f"{url}/devices?asset=boiler")
    flow = page.locator("tr", has_text="steam_temperature").locator("td.v")
    before = flow.inner_text()
    expect(flow).not_to_have_text(before, timeout=SEEN_MS)
    assert ("again=1" in page.url) is not has_script
    context.close()


def test_the_units_are_shown_as_systemd_has_them_and_the_log_can_be_read(now: Page, url: str) -> None:
    says(now, "state", "Normal: all 3 devices answer")
    says(now, "services", "Simulated plant")  # has no socket of ours: only systemd knows it
    says(now, "ledger", "delivered")
    now.goto(f"{url}/log?unit={KAFKA}")
    expect(now.locator("table.log")).to_contain_text("Started kafka.service")


def test_every_page_paints(chromium: Browser, cookies: list[dict[str, object]], url: str) -> None:
    context = context_of(chromium, cookies, width=NARROW)
    page = context.new_page()
    seen = []
    for path in PAGES.values():
        page.goto(url + path)
        seen.append(first_paint_ms(page))
    print(f"first paint, ms: {', '.join(f'{one:.0f}' for one in seen)}")
    assert all(one > 0 for one in seen)
    context.close()


def test_the_page_stays_small_while_somebody_looks(now: Page, plant: Plant) -> None:
    says(now, "state", "Normal")
    status = Path(f"/proc/{plant.main_process(WEB)}/status").read_text(encoding="ascii")
    mib = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    print(f"RSS of the page: {mib:.1f} MiB")
    assert mib <= RSS_MIB


@pytest.fixture(scope="module")
def machine(plant: Plant) -> peers.Browser:
    """A client without a login."""
    return peers.Browser(443, plant.container.address)


def test_metrics_join_all_units_for_who_brings_the_token(plant: Plant, machine: peers.Browser) -> None:
    token = plant.shell("cat /var/lib/streamforge/credentials/metrics-token").strip()
    answer = machine.get("/metrics", Authorization=f"Bearer {token}")
    assert answer.status == 200
    for unit in UNITS:
        assert f'streamforge_unit_answers{{unit="{unit}"}} 1' in answer.text
    samples = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    assert all('unit="' in line for line in samples)
    assert machine.get("/metrics").status == 401
    assert machine.get("/metrics", Authorization=f"Bearer x{token}").status == 401


@pytest.mark.parametrize("what", ["live", "ready"])
def test_health_needs_no_login(machine: peers.Browser, what: str) -> None:
    assert machine.get(f"/health/{what}").status == 200


def test_an_unplugged_plant_is_one_thing_to_do_with_the_next_hand_movement(now: Page, plant: Plant) -> None:
    plant.shell(f"systemctl stop {SIM}")
    says(now, "state", "Degraded: 3 of 3 devices do not answer")
    says(now, "todo", "Nothing answers at 127.0.0.1:15020: pump_station, boiler and packaging_line are silent")
    says(now, "todo", "Check the network cable")
    assert now.locator(".todo > .high").count() == 1
    plant.shell(f"systemctl start {SIM}")
    says(now, "state", "Normal: all 3 devices answer")


def test_a_fault_drill_shows_the_backlog_of_a_stopped_sink_grow_and_drain(now: Page, plant: Plant) -> None:
    plant.shell(f"systemctl stop '{SINK}'")
    says(now, "state", "Degraded: sink file/export does not run")
    says(now, "state", "Everything read is kept. For file/export it waits in the log until that runs again.")
    says(now, "todo", f"systemctl start {SINK}")
    says(now, "ledger", "growing by")
    says(now, "figures", "readings to deliver")
    before = on_screen(now, "waiting")
    expect(figure(now, "waiting")).not_to_have_text(figure(now, "waiting").inner_text(), timeout=SEEN_MS)
    assert on_screen(now, "waiting") > before > 0
    says(now, "ledger", "Adds up: every reading is accounted for.")
    plant.shell(f"systemctl start '{SINK}'; systemctl stop {SIM}")  # nothing new, so that the end of it can be seen
    says(now, "ledger", "file/export nothing waits")
    says(now, "ledger", "Adds up: every reading is accounted for.")
    assert on_screen(now, "read") == on_screen(now, "delivered") + on_screen(now, "rejected")
    plant.shell(f"systemctl start {SIM}")
    says(now, "state", "Normal: all 3 devices answer")
    plant.assert_balanced()


def figure(page: Page, name: str) -> Locator:
    """One figure of the ledger of the one way out."""
    return page.locator('[data-live="ledger"] .legend li').filter(has_text=re.compile(rf"{name}\s*$"))


def on_screen(page: Page, name: str) -> int:
    """The figure as it stands on the screen."""
    return int(re.sub(r"[^0-9]", "", figure(page, name).inner_text()))


def test_without_the_log_the_page_stays_and_says_so(now: Page, plant: Plant, url: str) -> None:
    plant.shell(f"systemctl stop {KAFKA}")
    says(now, "state", "Unhealthy: the log (Kafka) does not run")
    says(now, "state", "New readings wait in memory")
    says(now, "todo", f"systemctl start {KAFKA}")
    says(now, "services", "waits for the log (Kafka)")
    assert "Kafka" not in now.locator('[data-live="services"]').inner_text().replace("(Kafka)", "")
    now.goto(f"{url}/devices")
    says(now, "intro", "Values are not up to date")
    plant.shell(f"systemctl start {KAFKA}")
    now.goto(url)
    says(now, "state", "Normal: all 3 devices answer")


def test_a_bad_configuration_shows_file_line_and_key(now: Page, plant: Plant) -> None:
    file = f"/etc/streamforge/{PLANT_TOML}"
    plant.shell(f"cp {file} /run/kept.toml && sed -i 's/^poll_interval_ms/poll_intervall_ms/' {file}")
    plant.shell(f"systemctl restart '{ADAPTER}'", code=None)
    says(now, "todo", "Adapter modbus-tcp/plant: its configuration is not valid")
    says(now, "todo", "plant.toml, line 6: poll_intervall_ms")
    plant.shell(f"cp /run/kept.toml {file}; systemctl reset-failed '{ADAPTER}'; systemctl start '{ADAPTER}'")
    says(now, "state", "Normal: all 3 devices answer")


def test_a_unit_that_was_given_up_is_shown_with_what_starts_it(now: Page, plant: Plant) -> None:
    plant.shell(f"for i in 1 2 3 4 5 6; do systemctl kill --signal=KILL '{SINK}'; sleep 1.5; done", code=None)
    plant.wait("systemd to give up", lambda: plant.show(SINK, "ActiveState") == "failed")
    says(now, "state", "Unhealthy: sink file/export has failed")
    says(now, "todo", "It was started 5 times within 5 minutes; the last time it was killed.")
    says(now, "todo", f"systemctl reset-failed {SINK}; systemctl start {SINK}")
    plant.shell(f"systemctl reset-failed '{SINK}'; systemctl start '{SINK}'")
    says(now, "state", "Normal: all 3 devices answer")
