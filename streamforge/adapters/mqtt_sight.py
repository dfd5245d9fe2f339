"""A broker as a probe shows it: topics, what stands in JSON, Sparkplug metrics; and a configuration that reads them."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from streamforge.adapters.mqtt_config import PayloadKind
from streamforge.adapters.mqtt_heard import Ear, Heard, Steps, clock_of, json_leaves
from streamforge.adapters.mqtt_source import Source
from streamforge.adapters.probing import Table
from streamforge.adapters.sparkplug import PREFIX
from streamforge.adapters.sparkplug_values import DataType
from streamforge.adapters.toml_words import pair, quoted, row, rows

MOST_SHOWN = 50
_PLAIN = re.compile(r"[^.\[\]'\"]+")
# Levels that name nothing: a topic is then no place for a parameter's name.
_NO_NAME = re.compile(r"[{}]")


def tables(ear: Ear, seconds: float) -> list[Table]:
    """What there is, by topic, by place in JSON, by metric."""
    found = [_topics(ear.topics, seconds), _json(ear.topics), _metrics(ear)]
    return [table for table in found if table.rows]


def _topics(topics: Mapping[str, Heard], seconds: float) -> Table:
    lines = tuple(
        (topic or "(not UTF-8)", str(one.messages), f"{one.messages / seconds:.3g}", "yes" if one.retained else "",
         _kind(topic, one), "" if topic.startswith(PREFIX) else _sample(one.last))
        for topic, one in sorted(topics.items())
    )  # fmt: skip
    return Table(title="Topics", columns=("topic", "messages", "per s", "retained", "payload", "sample"), rows=lines)


def _kind(topic: str, heard: Heard) -> str:
    return "Sparkplug B" if topic.startswith(PREFIX) else heard.kind.value if heard.kinds else "empty"


def _sample(payload: bytes) -> str:
    """The payload on one line; bytes that are no text in hexadecimal."""
    try:
        text = " ".join(payload.decode().split())
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or (payload and not text):
        text = payload[:MOST_SHOWN].hex(" ")
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def _text(value: Any) -> bytes:
    """A text as it is, all else as in JSON."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def _json(topics: Mapping[str, Heard]) -> Table:
    lines = tuple(
        (topic, _path(steps), _sample(_text(value)))
        for topic, one in sorted(topics.items())
        if one.kind is PayloadKind.JSON
        for steps, value in json_leaves(one.last)
    )
    return Table(title="In JSON", columns=("topic", "at", "value"), rows=lines)


def _path(steps: Steps) -> str:
    """The place as a configuration names it."""
    return "$" + "".join(_step(step) for step in steps)


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN.fullmatch(step):
        return f".{step}"
    return f'["{step}"]' if "'" in step else f"['{step}']"


def _metrics(ear: Ear) -> Table:
    types = {
        ("/".join(filter(None, (group, name, device))), known.name): known.datatype
        for (group, name), node in ear.sparkplug.nodes.items()
        for device, table in node.tables.items()
        for known in table.by_name.values()
    }
    lines = tuple(
        (asset, name, _sample(_text(one.value)) if one.value is not None else one.reason,
         _type(types.get((asset, name), 0)), one.unit)
        for (asset, name), one in sorted(ear.metrics.items())
    )  # fmt: skip
    return Table(title="Sparkplug metrics", columns=("device", "metric", "value", "type", "unit"), rows=lines)


def _type(datatype: int) -> str:
    return DataType(datatype).name.title() if datatype in set(DataType) else str(datatype or "")


def toml_of(source: Source, client_id: str, ear: Ear) -> str:
    """A row for each topic, to be renamed and made a pattern; "" where nothing was heard that can be read."""
    topics = [part for topic, one in sorted(ear.topics.items()) if (part := _topic(topic, one))]
    groups = sorted({topic.split("/")[1] for topic in ear.topics if topic.startswith(PREFIX)})
    if groups:
        topics.append(f"[sparkplug]\ngroups = [{', '.join(map(quoted, groups))}]")
    if all(part.startswith("#") for part in topics):
        return ""
    return "\n\n".join([_source(source, client_id), *topics]) + "\n"


def _source(source: Source, client_id: str) -> str:
    lines = ['protocol = "mqtt"', "", "[source]", pair("broker", source.broker), pair("client_id", client_id)]
    lines.append(pair("version", source.version.value))
    if source.username:
        lines += [pair("username", source.username), 'password = "${secret:mqtt-password}"']
    lines += [pair(key, value) for key in ("ca_file", "cert_file", "key_file") if (value := getattr(source, key))]
    return "\n".join(lines)


def _topic(topic: str, heard: Heard) -> str:
    """The row of a topic; a remark where nobody can write it without knowing more; "" where there is nothing."""
    if not topic or not heard.kinds or topic.startswith(PREFIX):
        return ""
    if _NO_NAME.search(topic):
        return f"# {quoted(topic)}: braces in a topic cannot be written; a pattern with + reads it"
    if heard.kind is PayloadKind.BYTES:
        return f"# {quoted(topic)}: {len(heard.last)} bytes; say with tags what stands where"
    lines = ["[[topics]]", pair("topic", topic), pair("payload", heard.kind.value)]
    above, _, last = topic.strip("/").rpartition("/")
    if heard.kind is not PayloadKind.JSON:
        return "\n".join([*lines, pair("asset_id", above or "mqtt"), pair("param", last or "value")])
    return "\n".join([*lines, pair("asset_id", topic.strip("/") or "mqtt"), *_json_keys(heard)])


def _json_keys(heard: Heard) -> Iterator[str]:
    """Time and tags of the values that were there."""
    leaves = json_leaves(heard.last)
    clock = next(((steps, form) for steps, value in leaves if (form := clock_of(steps, value))), None)
    if clock is not None:
        yield pair("time", _path(clock[0]))
        yield pair("time_format", clock[1].value)
    tags = [
        row(param=".".join(map(str, steps)) or "value", at=_path(steps))
        for steps, _ in leaves
        if steps
        and (clock is None or steps != clock[0])
        and not any('"' in str(one) and "'" in str(one) for one in steps)
    ]
    if tags:
        yield rows("tags", tags)
