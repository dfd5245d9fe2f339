"""The routes, over real TLS: who may see what, what every page says, and what every answer carries."""

import json
import re
import tomllib
from dataclasses import replace

import pytest

from streamforge.web.view import FOLDER
from tests.web import peers

PAGES = ["/", "/devices", "/data-out", "/log", "/account"]
MOST_BYTES = 60_000


@pytest.mark.parametrize("path", [*PAGES, "/devices?asset=boiler-1"])
def test_a_stranger_is_sent_to_the_login(stranger: peers.Browser, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status == 303
    assert answer.headers["Location"].startswith("/login")
    assert "boiler" not in answer.text


@pytest.mark.parametrize("path", ["/live/now", "/metrics"])
def test_a_stranger_gets_no_stream_and_no_metrics(stranger: peers.Browser, path: str) -> None:
    assert stranger.get(path).status == 401


@pytest.mark.parametrize("what", ["live", "ready"])
def test_health_is_open_and_says_nothing_else(stranger: peers.Browser, what: str) -> None:
    answer = stranger.get(f"/health/{what}")
    assert (answer.status, json.loads(answer.text)) == (200, {what: True})


@pytest.mark.parametrize("path", ["/login", "/", "/page.css", "/live.js", "/health/live", "/nowhere", "/metrics"])
def test_every_answer_carries_the_security_headers(stranger: peers.Browser, path: str) -> None:
    headers = stranger.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Cache-Control" in headers
    assert "Python" not in headers.get("Server", "")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_light_and_has_no_inline_script_or_style(browser: peers.Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status == 200
    assert len(answer.text.encode()) <= MOST_BYTES
    assert not re.search(r"<script(?! src=)|<style| style=| on[a-z]+=", answer.text)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES[:4])
def test_a_live_page_refreshes_itself_without_javascript(browser: peers.Browser, path: str) -> None:
    assert '<noscript><meta http-equiv="refresh" content="10;' in browser.get(path).text


def test_now_says_state_what_to_do_and_figures(browser: peers.Browser) -> None:
    text = browser.get("/").text
    assert "Degraded: 1 of 3 devices does not answer" in text
    assert "Everything read is kept." in text
    assert "boiler-1 is silent" in text
    assert "pump-station and packaging-line answer: check this device" in text
    assert "timescaledb/plant takes no data" in text
    assert "connection to 10.0.0.9:5432 refused" in text
    assert 'aria-label="high"' in text
    assert "generation 42" in text


def test_devices_show_value_unit_quality_and_age(browser: peers.Browser) -> None:
    text = browser.get("/devices").text
    assert "steam_<wbr>pressure" in text
    assert ">bar<" in text
    assert "suspect: stands still" in text
    assert "Silent." in text
    assert "RUNNING" in text
    alone = browser.get("/devices?asset=boiler-1").text
    assert "steam_<wbr>pressure" in alone
    assert "film_<wbr>tension" not in alone


def test_data_out_says_lag_and_last_error(browser: peers.Browser) -> None:
    text = browser.get("/data-out").text
    assert "file/export" in text
    assert "30,114 records" in text
    assert "connection to 10.0.0.9:5432 refused" in text


def test_what_comes_from_outside_is_escaped(browser: peers.Browser) -> None:
    text = browser.get("/devices?asset=%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text
    assert '"><b>' not in browser.get('/log?x="><b>').text


def test_an_asset_may_be_called_as_people_speak(gateway: peers.Gateway, browser: peers.Browser) -> None:
    asset = "K\u00e4lte & W\u00e4rme #1"
    batch = peers.batch("boiler-1", 1, peers.now_us())
    gateway.web.values.take(replace(batch, source=replace(batch.source, asset_id=asset)), seen_us=peers.now_us())
    link = re.search(r'href="(/devices\?asset=K[^"]+)"', browser.get("/devices").text)
    assert link is not None
    assert "steam_<wbr>pressure" in browser.get(link[1]).text


def test_an_unknown_address_is_a_designed_page(browser: peers.Browser) -> None:
    answer = browser.get("/nowhere")
    assert answer.status == 404
    assert "There is no such page" in answer.text
    assert "page.css" in answer.text


def test_metrics_join_all_units_for_who_has_the_token(stranger: peers.Browser) -> None:
    assert stranger.get("/metrics", Authorization="Bearer wrong").status == 401
    answer = stranger.get("/metrics", Authorization=f"Bearer {peers.METRICS_TOKEN}")
    assert answer.status == 200
    assert f'streamforge_records_in_total{{unit="{peers.ADAPTER}"}} 57.0' in answer.text
    assert f'streamforge_unit_answers{{unit="{peers.VALIDATOR}"}} 1' in answer.text
    assert answer.text.count("# TYPE streamforge_records_in_total counter") == 1


def test_a_unit_that_refused_its_configuration_is_shown_with_file_line_and_key(healthy: peers.Gateway) -> None:
    unit = "streamforge-adapter-modbus-tcp@broken"
    fault = {"file": "adapters/modbus-tcp/broken.toml", "line": 12, "key": "registr", "message": "unknown key"}
    faults = [{**fault, "hint": 'did you mean "registers"?'}]
    (healthy.run / f"{unit}.faults.json").write_text(json.dumps(faults))
    client = peers.Browser(healthy.port)
    client.login()
    text = client.get("/").text
    assert "Adapter modbus-tcp/broken: its configuration is not valid" in text
    assert "adapters/modbus-tcp/broken.toml, line 12: registr: unknown key" in text
    assert "Did you mean &quot;registers&quot;?" in text


def test_a_healthy_gateway_has_nothing_to_do_but_the_first_password(healthy: peers.Gateway) -> None:
    client = peers.Browser(healthy.port)
    client.login()
    text = client.get("/").text
    assert "Normal: all 3 devices answer" in text
    assert 'class="mark high"' not in text
    assert "The first password is still in use" in text


def test_every_button_of_what_to_do_leads_somewhere(browser: peers.Browser) -> None:
    links = re.findall(r'<a class="button" href="([^"#]+)', browser.get("/").text)
    assert "/account" in links
    assert [browser.get(link).status for link in links] == [200] * len(links)


def test_a_fault_in_a_page_is_one_journal_line_and_a_designed_page(
    browser: peers.Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object) -> None:
        raise KeyError("points")

    monkeypatch.setattr("streamforge.web.pages.data_out.word", fault)
    answer = browser.get("/data-out")
    assert answer.status == 500
    assert "This page has a fault" in answer.text
    assert "KeyError" not in answer.text
    assert [record.getMessage() for record in caplog.records] == ["page_fault"]


def test_everything_that_the_page_reads_is_in_the_package() -> None:
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["package-data"]["streamforge"]
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} - {".py"} <= {pattern.removeprefix("**/*") for pattern in shipped}
