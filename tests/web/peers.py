"""A gateway for the page to look at: real unit sockets with fixed health, real certificate, values that move."""

import http.client
import math
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlencode

from streamforge.gateway.certificate import Certificate, self_signed
from streamforge.gateway.passwords import make_hash
from streamforge.health import Asked, Health, HealthServer, State
from streamforge.metrics import Metrics
from streamforge.model import Kind, Quality, ReadingBatch, Source, TimeQuality, Value, names
from streamforge.web.main import Places, Web
from streamforge.web.sessions import COOKIE

PASSWORD = "7k2p-x9qm-4hde-w3tz"
METRICS_TOKEN = "metrics-token-of-this-test"
ADAPTER, VALIDATOR, SINK = "streamforge-adapter-modbus-tcp@plant", "streamforge-transform-validator", "sink"
_PLANT = {
    "pump-station": (
        ("inlet_pressure", "bar", 2.4), ("outlet_pressure", "bar", 6.1), ("flow", "m\u00b3/h", 118.0),
        ("motor_current", "A", 41.5), ("motor_temperature", "\u00b0C", 63.0), ("speed", "1/min", 1480.0),
        ("running", "", True), ("start_count", "", 1204), ("state", "", "RUNNING"),
    ),
    "boiler-1": (
        ("steam_pressure", "bar", 10.8), ("water_level", "%", 61.0), ("feed_temperature", "\u00b0C", 104.0),
        ("burner_power", "kW", 820.0), ("flame", "", True), ("operating_hours", "h", 21877),
    ),
    "packaging-line": (
        ("speed", "1/min", 42.0), ("good_count", "", 182204), ("reject_count", "", 317), ("oee", "%", 81.4),
        ("film_tension", "N", 12.6), ("state", "", "STARVED"),
    ),
}  # fmt: skip


def now_us() -> int:
    """Wall-clock microseconds."""
    return time.time_ns() // 1000


@cache
def _made() -> tuple[Certificate, str]:
    """Half a second of work, once."""
    return self_signed("pump-house-2", (ip_address("127.0.0.1"),), datetime.now(UTC)), make_hash(PASSWORD)


def credentials(directory: Path) -> Path:
    """What `streamforge firstboot` makes for the page."""
    directory.mkdir(parents=True, exist_ok=True)
    made, password_hash = _made()
    (directory / "page-certificate.pem").write_bytes(made.certificate_pem)
    (directory / "page-key.pem").write_bytes(made.key_pem)
    (directory / "admin-password-hash").write_text(password_hash)
    (directory / "metrics-token").write_text(METRICS_TOKEN)
    return directory


def adapter_health(*, silent: str = "") -> Health:
    """An adapter with the simulated plant; `silent` names an asset that does not answer."""
    devices = [
        {
            "key": asset, "asset_id": asset, "address": f"192.168.10.20:502 unit {number}",
            "state": "OFFLINE" if asset == silent else "ONLINE",
            "last_success_us": now_us() - (282_000_000 if asset == silent else 400_000),
            "last_error": "no answer within 1.0 s" if asset == silent else "",
            "interval_seconds": 1.0, "points": len(parameters), "requests": 4100, "errors": 3 if asset == silent else 0,
        }
        for number, (asset, parameters) in enumerate(_PLANT.items(), start=1)
    ]  # fmt: skip
    state = State.DEGRADED if silent else State.HEALTHY
    answering = len(devices) - bool(silent)
    details = {
        "kind": "adapter", "protocol": "modbus-tcp", "adapter_id": "plant", "devices": devices,
        "ledger": [{"epoch": 1, "read": 57_214_080, "dropped": 0, "incarnation": 1}], "waiting_bytes": 0,
    }  # fmt: skip
    return Health(state=state, status=f"{answering} of {len(devices)} devices answer", details=details)


def sink_health(*, is_broken: bool = False, lag_records: int = 12, target: str = "file") -> Health:
    """A sink that delivers, or one whose target is away."""
    details = {
        "kind": "sink", "target": target, "topics": ["telemetry.clean", "telemetry.1min"],
        "lag_records": 30_114 if is_broken else lag_records, "breaker": "open" if is_broken else "closed",
        "last_error": "connection to 10.0.0.9:5432 refused" if is_broken else "",
        "last_success_us": now_us() - (1_320_000_000 if is_broken else 1_100_000),
        "progress": {"positions": [], "counts": [["plant", 1, 55_571_322, 12_644, 0, 55_583_966]]},
    }  # fmt: skip
    state = State.DEGRADED if is_broken else State.HEALTHY
    return Health(state=state, status="waits for its target" if is_broken else "delivers", details=details)


def validator_health() -> Health:
    """A transform that keeps up."""
    stage = {
        "input": "telemetry.raw",
        "output": "telemetry.clean",
        "next_offset": 9,
        "end_offset": 12,
        "lag_records": 3,
    }
    return Health(state=State.HEALTHY, status="keeps up", details={"kind": "transform", "stages": [stage]})


def healthy() -> dict[str, Health]:
    """Unit -> health of a gateway in which nothing is wrong."""
    return {
        ADAPTER: adapter_health(),
        VALIDATOR: validator_health(),
        "streamforge-transform-aggregator": validator_health(),
        "streamforge-sink-file@export": sink_health(),
    }


def troubled() -> dict[str, Health]:
    """The same gateway with a silent boiler and a database that is away."""
    broken = {"streamforge-sink-timescaledb@plant": sink_health(is_broken=True, target="timescaledb")}
    return healthy() | {ADAPTER: adapter_health(silent="boiler-1")} | broken


def batch(asset: str, seq: int, time_us: int) -> ReadingBatch:
    """One scan of an asset of the plant; doubles move."""
    rows = _PLANT[asset]
    kinds = bytes(_kind(value) for _, _, value in rows)
    values: list[float] = []
    others: dict[int, Value] = {}
    for index, (_, _, value) in enumerate(rows):
        if isinstance(value, str):
            others[index] = value
            values.append(math.nan)
        elif isinstance(value, float):
            values.append(
                value * (1 + 0.02 * math.sin(seq / (5 + len(rows)) + index) + 0.004 * math.sin(seq * 2.7 + index * 9))
            )
        else:
            values.append(float(value))
    qualities = bytes(
        [Quality.SUSPECT if asset == "packaging-line" and index == 4 else 0 for index in range(len(rows))]
    )
    return ReadingBatch(
        source=Source(asset_id=asset, adapter_id="plant", pipeline_id="p", hostname="pump-house-2"),
        epoch=1, seq=seq, count_before=seq * len(rows), gateway_time_us=time_us, time_quality=TimeQuality.SYNCED,
        names=names(tuple(row[0] for row in rows), tuple(row[1] for row in rows), kinds),
        values=values, others=others, qualities=qualities, device_times_us=(time_us,),
        reasons={4: "stands still"} if asset == "packaging-line" else {},
    )  # fmt: skip


def _kind(value: object) -> int:
    if isinstance(value, bool):
        return Kind.BOOLEAN
    return Kind.STRING if isinstance(value, str) else Kind.LONG if isinstance(value, int) else Kind.DOUBLE


@dataclass(slots=True)
class Gateway:
    """The peers of the page and the page itself, served on loopback."""

    web: Web
    root: Path
    run: Path
    healths: dict[str, Health] = field(default_factory=dict)
    servers: dict[str, HealthServer] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """The page's port."""
        return self.web.port

    def session(self) -> str:
        """The cookie of a new session."""
        return f"{COOKIE}={self.web._site.sessions.open('admin', time.monotonic())}"

    def serve_unit(self, unit: str, health: Health) -> None:
        """A unit begins to answer, or answers something else from now on."""
        self.healths[unit] = health
        if unit in self.servers:
            return
        metrics = Metrics()
        metrics.records_in.inc(57)
        asked = Asked(
            unit=unit, health=lambda: self.healths[unit], metrics=metrics.text, is_ready=lambda: True,
            since_us=lambda: 1_790_000_000_000_000,
        )  # fmt: skip
        self.servers[unit] = HealthServer(asked, self.run)
        self.servers[unit].start()

    def feed(self, seq: int, time_us: int = 0, *, silent: str = "") -> None:
        """One scan of every asset arrives."""
        for asset in _PLANT:
            if asset != silent:
                self.web.values.take(batch(asset, seq, time_us or now_us()), seen_us=now_us())
        self.web.values.problem = ""

    def close(self) -> None:
        """End everything."""
        self.web.close()
        for one in self.servers.values():
            one.stop()


@contextmanager
def gateway(directory: Path, healths: Mapping[str, Health]) -> Iterator[Gateway]:
    """A gateway with these units in `directory`; the page is open."""
    run, state = directory / "run", directory / "state"
    config = directory / "config"
    for made in (run, state, config / "generations/42"):
        made.mkdir(parents=True, exist_ok=True)
    (config / "current").symlink_to("generations/42")
    places = Places(
        credentials=credentials(directory / "credentials"),
        state=state,
        root=directory,
        run=run,
    )
    made_gateway = Gateway(web=Web(places), root=directory, run=run)
    try:
        for unit, health in healths.items():
            made_gateway.serve_unit(unit, health)
        made_gateway.web.open()
        yield made_gateway
    finally:
        made_gateway.close()


@contextmanager
def feeding(peer: Gateway, *, silent: str = "") -> Iterator[None]:
    """Values arrive twice a second, after a history of some minutes."""
    stop = threading.Event()
    start_us = now_us()
    for step in range(120):
        peer.feed(step, start_us - (120 - step) * 2_000_000, silent=silent if step > 20 else "")

    def live() -> None:
        seq = 120
        while not stop.wait(0.5):
            seq += 1
            peer.feed(seq, silent=silent)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


class Browser:
    """A client over TLS that keeps its cookie, without JavaScript."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, port
        self.cookie = ""
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def get(self, path: str, **headers: str) -> Answer:
        """GET, without following."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """A form from our own page, unless `Origin` says otherwise."""
        sent = {"Origin": f"https://{self.host}:{self.port}", "Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, urlencode(fields), sent | headers)

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=10, context=self.context)
        cookie = {"Cookie": self.cookie} if self.cookie else {}
        try:
            connection.request(method, path, body=body, headers={**cookie, **headers})
            response = connection.getresponse()
            answer = Answer(response.status, dict(response.getheaders()), response.read().decode())
        finally:
            connection.close()
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    def login(self, password: str = PASSWORD) -> Answer:
        """Log in as admin."""
        return self.post("/login", {"user": "admin", "password": password})

    def token(self) -> str:
        """The form token of this session."""
        return self.get("/account").text.partition('name="token" value="')[2].partition('"')[0]
