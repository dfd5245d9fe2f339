"""The tables that the relational sinks fill: columns, keys and what happens to a row that stands there already."""

from dataclasses import dataclass

from streamforge.model import AGGREGATES, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. `key` is unique and names a row for ever; `newer` is the condition under which a repeat replaces it.

    `newer` empty = a repeat changes nothing. `time` names the column that partitions follow; empty = one plain table.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    time: str = ""
    index: tuple[str, ...] = ()
    newer: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the rows."""
        return tuple(name for name, _ in self.columns)


READINGS = Table(
    name="readings",
    columns=(
        ("parameter", "text NOT NULL"),
        ("unit", "text NOT NULL"),
        ("index", "integer NOT NULL"),
        ("value", "double precision"),
        ("value_text", "text"),
        ("quality", "text NOT NULL"),
        ("reason", "text"),
        ("time", "timestamptz NOT NULL"),
        ("device_time", "timestamptz"),
        ("asset_id", "text NOT NULL"),
        ("gateway_time", "timestamptz"),
        ("kafka_time", "timestamptz"),
        ("adapter_id", "text NOT NULL"),
        ("adapter_version", "text NOT NULL"),
        ("pipeline_id", "text NOT NULL"),
        ("hostname", "text NOT NULL"),
        ("epoch", "bigint NOT NULL"),
        ("seq", "bigint NOT NULL"),
    ),
    # A third party's reading has its place in its partition as seq: the asset keeps partitions apart.
    key=("hostname", "adapter_id", "asset_id", "epoch", "seq", "index", "time"),
    time="time",
    index=("asset_id", "parameter", "time"),
)

_STATISTICS = ("avg", "min", "max", "stddev", "p50", "p95", "p99")


def _aggregates(resolution: str) -> Table:
    return Table(
        name=f"aggregates_{resolution}",
        columns=(
            ("asset_id", "text NOT NULL"),
            ("parameter", "text NOT NULL"),
            ("window_start", "timestamptz NOT NULL"),
            ("window_end", "timestamptz NOT NULL"),
            ("revision", "integer NOT NULL"),
            ("unit", "text NOT NULL"),
            *((name, "double precision") for name in _STATISTICS),
            *((name, "bigint NOT NULL") for name in ("count", "good_samples", "suspect_samples", "bad_samples")),
        ),
        key=("asset_id", "parameter", "window_start"),
        time="window_start",
        newer="excluded.revision > stood.revision",
    )


EVENTS = Table(
    name="events",
    columns=(
        ("event_id", "text NOT NULL"),
        ("time", "timestamptz"),
        ("asset_id", "text NOT NULL"),
        ("type", "text NOT NULL"),
        ("severity", "text NOT NULL"),
        ("message", "text NOT NULL"),
        ("source", "text NOT NULL"),
        ("details", "jsonb NOT NULL"),
    ),
    key=("event_id",),
    index=("time",),
)

ALARMS = Table(
    name="alarms",
    columns=(
        ("alarm_id", "text NOT NULL"),
        ("raised_at", "timestamptz NOT NULL"),
        ("asset_id", "text NOT NULL"),
        ("type", "text NOT NULL"),
        ("severity", "text NOT NULL"),
        ("state", "text NOT NULL"),
        ("acked_at", "timestamptz"),
        ("acked_by", "text NOT NULL"),
        ("cleared_at", "timestamptz"),
        ("message", "text NOT NULL"),
        ("value", "double precision"),
        ("threshold", "double precision"),
        ("unit", "text NOT NULL"),
    ),
    key=("alarm_id", "raised_at"),
    index=("raised_at",),
    newer="true",
)

BY_TOPIC: dict[str, Table] = {
    Topic.TELEMETRY_CLEAN: READINGS,
    **{topic: _aggregates(topic.value.removeprefix("telemetry.")) for topic in AGGREGATES},
    Topic.EVENTS_CLEAN: EVENTS,
    Topic.ALARMS_CLEAN: ALARMS,
}
"""What a topic's records become."""
