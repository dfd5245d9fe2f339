"""`streamforge probe mqtt URL`: which topics a broker has, what their payloads are, and how often they come.

It subscribes with QoS 0 under a client id that nobody else has, and leaves no session behind: no other client, and no
adapter of this gateway, notices it. How things are shown is in `mqtt_sight`.
"""

import argparse
import asyncio
import os
import secrets
from time import monotonic

from streamforge.adapters import probe_user
from streamforge.adapters.mqtt_connection import Connection
from streamforge.adapters.mqtt_heard import Ear
from streamforge.adapters.mqtt_sight import tables, toml_of
from streamforge.adapters.mqtt_source import Source, Version
from streamforge.adapters.mqtt_subscriptions import REFUSED
from streamforge.adapters.mqtt_topics import parse_pattern
from streamforge.adapters.mqtt_wire import dial
from streamforge.adapters.probing import Finding
from streamforge.errors import NotConnected

EVERYTHING = "#"
_LOOK_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a person says of the broker."""
    add = parser.add_argument
    add("url", help="mqtt://HOST, mqtts://HOST:PORT, or HOST")
    add(
        "--topic", action="append", metavar="FILTER", help="of these topics alone, for example 'plant/#' (default: all)"
    )
    add("--seconds", type=float, default=10.0, help="how long to listen (default: 10)")
    add("--most", type=int, default=500, help="so many topics (default: 500)")
    add("--version", choices=[one.value for one in Version], default=Version.V5.value, help="of MQTT (default: 5)")
    probe_user.add_arguments(parser)
    add("--ca-file", default="", help="who signed the broker's certificate (default: the system's authorities)")
    add("--cert-file", default="", help="our own certificate (PEM)")
    add("--key-file", default="", help="the key of our own certificate (PEM)")


async def probe(given: argparse.Namespace) -> Finding:
    """Listen. Raises ValueError for what cannot be meant, NotConnected where nobody is there."""
    if given.seconds <= 0 or given.most < 1:
        msg = f"--seconds {given.seconds} must be above 0, --most {given.most} 1 or more"
        raise ValueError(msg)
    filters = [parse_pattern(text).filter for text in given.topic or (EVERYTHING,)]
    source, ear = _source(given), Ear(given.most)
    refused, ended = await _listen(source, ear, filters, given.seconds)
    count = len(ear.topics)
    remarks = [f"the broker does not grant {name}" for name in refused] + list(ear.sparkplug.remarks())[:3]
    remarks += [f"the connection ended: {ended}"] if ended else []
    remarks += [f"{ear.others} messages of more topics are left out: --topic and --most choose"] if ear.others else []
    summary = f"{source.host}:{source.port}: {count} topics in {given.seconds:g} s"
    own = f"streamforge-{os.uname().nodename}-{secrets.token_hex(3)}"
    return Finding(
        summary="\n".join([summary, *remarks]), tables=tables(ear, given.seconds), toml=toml_of(source, own, ear)
    )


def _source(given: argparse.Namespace) -> Source:
    return Source(
        broker=given.url if "://" in given.url else f"mqtt://{given.url}",
        client_id=f"streamforge-probe-{secrets.token_hex(6)}",
        version=Version(given.version),
        username=given.user,
        password=probe_user.password_of(given),
        ca_file=given.ca_file,
        cert_file=given.cert_file,
        key_file=given.key_file,
    )


async def _listen(source: Source, ear: Ear, filters: list[str], seconds: float) -> tuple[list[str], str]:
    """Hear what comes; which filters are refused, and why the connection ended before its time ("" = it did not)."""
    refused: list[str] = []
    connection = Connection(await dial(source), source, ear, is_passing=True)
    try:
        await connection.open()
        connection.subscribe(
            dict.fromkeys(filters, 0),
            lambda granted: refused.extend(name for name, qos in granted.items() if qos >= REFUSED),
        )
        until = monotonic() + seconds
        while monotonic() < until and not connection.lost:
            await asyncio.sleep(_LOOK_SECONDS)
        if connection.lost and not ear.topics:
            raise NotConnected(f"{source.host}:{source.port}: {connection.lost}")
        return refused, connection.lost
    finally:
        connection.close()
