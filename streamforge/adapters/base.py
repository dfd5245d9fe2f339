"""What an adapter is: it connects, reads, closes. It never loops, sleeps, retries, logs routine, or knows Kafka."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from streamforge.adapters.conditions import Condition
from streamforge.backoff import Backoff
from streamforge.config import Limits
from streamforge.model import Alarm, Event, Names, Quality, Severity, Topic, Value


def nothing() -> None:
    """What is to be done where nobody waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Readings of one asset taken together, not yet numbered; columns as in `model.ReadingBatch`.

    `done` runs only after the log has acknowledged them: acknowledgements of a push protocol hang on it. `is_history`:
    a source that was cut off tells afterwards what was; every reading is reported, and makes neither event nor alarm.
    """

    asset_id: str
    names: Names
    values: Sequence[float]
    others: dict[int, Value] = field(default_factory=dict)
    qualities: bytes = b""
    reasons: dict[int, str] = field(default_factory=dict)
    device_times_us: Sequence[int] = ()
    is_history: bool = False
    done: Callable[[], None] = nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRule:
    """When a reading of one parameter is worth a record: always, or on change by more than a deadband.

    `deadband` None = every reading; 0.0 = any change. `percent` says that the deadband is per cent of the last
    reported value. After `max_silence_seconds` a reading is reported though it did not change.
    """

    deadband: float | None = None
    percent: bool = False
    max_silence_seconds: float = 300.0


EVERY_READING = ReportRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRule:
    """What a parameter's values make besides readings: an event at each change, or an alarm while a condition holds.

    `condition` None = an event. `message` empty = the value in words.
    """

    condition: Condition | None = None
    severity: Severity = Severity.MEDIUM
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One thing that is polled as a whole on one grid (one asset at one interval), or that sends by itself.

    `peer` names the connection it is read over, shared by all devices of that peer; `address` is what people call it.
    `rules[i]` and `signals[i]` belong to `names.parameters[i]`; empty = every reading of every parameter, no signal.
    `silence_seconds` 0 = a device that sends by itself may be silent for as long as it likes.
    """

    key: str
    asset_id: str
    interval_seconds: float
    names: Names
    rules: tuple[ReportRule, ...] = ()
    signals: tuple[SignalRule | None, ...] = ()
    silence_seconds: float = 0.0
    peer: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Waits between connection attempts: doubling from the first to the most, with full jitter."""

    first_ms: int = 500
    most_ms: int = 30_000

    def backoff(self) -> Backoff:
        """The waits of one peer."""
        return Backoff(first_seconds=self.first_ms / 1000, most_seconds=self.most_ms / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """The keys that every adapter's TOML has; each protocol adds its own in a subclass named `Config`.

    `adapter_id` empty = the instance's name. `protocol`, where given, must agree with the folder.
    """

    adapter_id: str = ""
    pipeline_id: str = ""
    protocol: str = ""
    poll_interval_ms: int = 1000
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    limits: Limits = field(default_factory=Limits)


C = TypeVar("C", bound=AdapterConfig)


class Adapter(ABC, Generic[C]):
    """A protocol. A module under `streamforge.adapters` has exactly one concrete subclass."""

    Config: ClassVar[type[AdapterConfig]]
    # What its unit may write, as its Kafka user is granted it.
    topics: ClassVar = (Topic.TELEMETRY_RAW, Topic.EVENTS_RAW, Topic.ALARMS_RAW, Topic.DLQ_TELEMETRY)

    def __init__(self, config: C) -> None:
        self.config = config
        self.adapter_id = config.adapter_id
        self.state_directory: Path | None = None  # nowhere, as long as it has no place

    def remarks(self) -> Sequence[str]:
        """What a person should look at though every device is well, in words; the unit is DEGRADED meanwhile."""
        return ()

    def details(self) -> Mapping[str, object]:
        """What the protocol alone knows, for health and page; JSON's types. Asked for in another thread."""
        return {}

    def place(self, adapter_id: str, state_directory: Path) -> None:
        """Told once before all else: under which name its readings go, and where it may keep files."""
        self.adapter_id, self.state_directory = adapter_id, state_directory

    @abstractmethod
    async def close(self) -> None:
        """Let go of every connection; may be called at any time, also twice."""

    def figures(self) -> Mapping[tuple[str, ...], float]:
        """What the protocol itself counts or measures, for metrics: asset ("" = of the instance) and name -> value."""
        return {}


class Poller(Adapter[C]):
    """A protocol that the gateway samples; the runner owns the event loop, the schedule and the waits."""

    @property
    @abstractmethod
    def devices(self) -> Sequence[Device]:
        """What is polled, fixed after construction; keys are unique."""

    @abstractmethod
    async def connect(self, device: Device) -> None:
        """Make the connection that `device` needs, if it does not stand yet.

        Raises NotConnected (or any OSError), with host, port and reason, when the peer is away.
        """

    @abstractmethod
    async def poll(self, device: Device) -> Batch:
        """One scan of one device. `device_times_us` holds the midpoint of request and answer.

        What one point or one unit does wrong (exception code, silence, short answer) is quality and reason of its
        readings. Raises NotConnected (or any OSError) only when the connection itself is gone.
        """

    def silent(self, device: Device, reason: str) -> Batch:
        """Every parameter of a device that cannot be reached."""
        return silence(device.asset_id, device.names, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that arrived and is no reading: kept with its bytes as a dead letter. `where` is a topic, a node."""

    where: str
    payload: bytes
    reason: str
    asset_id: str = ""


class Inbox(Protocol):
    """Where a Subscriber puts what arrives. Nothing here raises; only `put` waits."""

    async def put(self, batch: Batch) -> None:
        """Hand readings over; returns when there is room for more, so that a peer that can wait is made to wait."""

    def offer(self, batch: Batch) -> None:
        """The same of a peer that cannot wait: where there is no room the oldest readings go, counted."""

    def signal(self, signal: Event | Alarm, done: Callable[[], None] = ...) -> None:
        """An event or alarm that the peer itself sent; `done` as in `Batch`."""

    def refuse(self, refused: Refused, done: Callable[[], None] = ...) -> None:
        """What cannot be read goes to the dead letters, and is counted."""


class Subscriber(Adapter[C]):
    """A protocol whose peers send by themselves; the runner owns the event loop, connections and silence."""

    # Whether the peers keep what is not taken from them, and send again what was not acknowledged: nothing is taken
    # before the log has said what it has of this adapter's.
    can_wait: bool = False

    @property
    @abstractmethod
    def peers(self) -> Sequence[str]:
        """The addresses that are listened to, each over one connection; fixed after construction."""

    @property
    @abstractmethod
    def devices(self) -> Sequence[Device]:
        """What the configuration names, at most one an asset and peer; others may turn up. Keys are unique."""

    def rules_of(self, _asset_id: str, _parameter: str) -> tuple[ReportRule, SignalRule | None] | None:
        """The rules of a parameter of an asset that turned up; None = every reading is reported, and makes no more."""
        return None

    @abstractmethod
    async def connect(self, peer: str) -> None:
        """Make the connection. Raises NotConnected (or any OSError), with address and reason, when the peer is away."""

    @abstractmethod
    async def listen(self, peer: str, inbox: Inbox) -> None:
        """Put what arrives into the inbox until the connection is gone, then raise NotConnected (or any OSError).

        May return when there is nothing more to listen to; it is then called again.
        """


def silence(asset_id: str, names: Names, reason: str) -> Batch:
    """Every one of these parameters null, BAD, for that reason."""
    count = len(names)
    nan = float("nan")
    return Batch(
        asset_id=asset_id,
        names=names,
        values=(nan,) * count,
        others=dict.fromkeys(range(count)),
        qualities=bytes([Quality.BAD]) * count,
        reasons=dict.fromkeys(range(count), reason),
    )
