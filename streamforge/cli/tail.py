"""`streamforge tail TOPIC`: what passes through a topic, one line a reading, window, event or alarm."""

import argparse
import time
from collections.abc import Iterable, Iterator
from typing import Any

from streamforge.bus.reader import Fetched, Pace, Reader
from streamforge.codec import decode
from streamforge.config.build import nearest
from streamforge.errors import ConfigError, Fault, Rejected
from streamforge.model import Topic
from streamforge.sinks.forms import dumps, forms

POLL_SECONDS = 0.5
_PACE = Pace(least_bytes=1, wait_ms=200, most_records=500)


def run(arguments: list[str]) -> int:
    """Print the last records and follow, until Ctrl-C; with -n, end after so many lines."""
    parser = argparse.ArgumentParser(prog="streamforge tail")
    parser.add_argument("topic", help=", ".join(Topic))
    parser.add_argument("-n", "--lines", type=int, default=0, help="end after N lines (default: follow)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    given = parser.parse_args(arguments)
    if given.topic not in tuple(Topic):
        raise ConfigError([Fault(file="TOPIC", message=f'no topic "{given.topic}"', hint=nearest(given.topic, Topic))])
    from streamforge.cli.admin import connection

    reader = Reader(connection(), _PACE)
    try:
        places = reader.partitions(given.topic)
        ends, starts = reader.ends(places), reader.starts(places)
        back = max(1, given.lines)
        reader.assign({place: max(starts[place], ends[place] - back) for place in places})
        show(lines(_follow(reader), is_json=given.json), given.lines)
    finally:
        reader.close()
    return 0


def show(shown: Iterable[str], most: int) -> None:
    """Print the lines, at most so many (0 = all)."""
    for number, line in enumerate(shown, 1):
        print(line, flush=True)
        if number == most:
            return


def _follow(reader: Reader) -> Iterator[Fetched]:
    while True:
        yield from reader.poll(POLL_SECONDS)


def lines(fetched: Iterable[Fetched], *, is_json: bool) -> Iterator[str]:
    """Each record in its single form; what cannot be read is said, and the rest goes on."""
    for one in fetched:
        try:
            record = decode(one.value)
        except Rejected as error:
            yield f"{one.partition.topic}[{one.partition.number}]@{one.offset}: {error}"
            continue
        for form in forms(record, one.kafka_time_us):
            yield dumps(form).decode() if is_json else _text(form, one)


def _text(form: Any, one: Fetched) -> str:
    when = time.strftime("%H:%M:%S", time.localtime(one.kafka_time_us // 1_000_000))
    who = f"{when}  {form.get('asset_id', ''):<20} {form.get('parameter', form.get('type', '')):<28}"
    if "aggregates" in form:
        figures = form["aggregates"]
        return f"{who} {'  '.join(f'{name} {_number(figures[name])}' for name in ('avg', 'min', 'max', 'count'))}"
    if "value" in form and "quality" in form:
        reason = f"  {form['reason']}" if form.get("reason") else ""
        return f"{who} {_number(form['value']):>14} {form['unit']:<10} {form['quality']}{reason}"
    return f"{who} {form.get('severity', '')} {form.get('message') or form.get('reason', '')}"


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else str(value)
