"""`streamforge probe lora TRANSPORT [WHERE]`: which LoRa devices are heard, how well, and what they say.

It only listens: a modem is told to receive, gateways are acknowledged, a broker is asked for the server's topic.
"""

import argparse
import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from socket import gethostname

from streamforge.adapters import probe_user
from streamforge.adapters.lora_config import SEMTECH_UDP, SERIAL, LoraSource
from streamforge.adapters.lora_serial import SerialModem
from streamforge.adapters.lora_servers import MAPPINGS, TOPICS
from streamforge.adapters.lora_sight import Sender, Senders, configuration, tables_of
from streamforge.adapters.lora_site import Site
from streamforge.adapters.mqtt_source import Source, Version
from streamforge.adapters.probing import Finding
from streamforge.adapters.radio_sight import TomlValue
from streamforge.adapters.udp_port import UdpPort
from streamforge.adapters.virtual_modbus import host_and_port

_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_LISTEN = "0.0.0.0:1700"
# Messages of a modem carry no address: more first bytes than devices at a site are no headers.
_MOST_HEADERS = 8
_ENCRYPTED = "payloads are shown as they were sent, encrypted with keys that only the adapter gets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a person says of the way to the devices."""
    parser.add_argument("transport", choices=(SERIAL, SEMTECH_UDP, *TOPICS))
    parser.add_argument(
        "where", nargs="?", default="", help=f"port of the modem, address to listen on ({_LISTEN}), broker"
    )
    parser.add_argument("--seconds", type=float, default=_SECONDS, help=f"how long is listened ({_SECONDS:g})")
    parser.add_argument("--modem", choices=("rak", "rn2483", "e22"), default="rak")
    parser.add_argument("--baud-rate", type=int, default=115_200)
    parser.add_argument("--framing", choices=("length", "length_crc"), default="length_crc", help="of e22")
    parser.add_argument(
        "--command", action="append", default=[], metavar="AT", help="said to the modem before, may be repeated"
    )
    parser.add_argument("--topic", default="", help="of a server, where it is not its usual one")
    probe_user.add_arguments(parser)
    parser.add_argument("--ca-file", default="", help="the authority of a broker with TLS (mqtts://)")
    parser.add_argument("--mqtt-version", choices=[version.value for version in Version], help="5, of ttn 3.1.1")


async def probe(given: argparse.Namespace) -> Finding:
    """Listen. Raises ValueError for what cannot be meant, NotConnected where nobody is there."""
    if given.seconds <= 0:
        msg = f"--seconds {given.seconds:g} must be above 0"
        raise ValueError(msg)
    # The Things Stack knows no other.
    given.mqtt_version = given.mqtt_version or (Version.V3 if given.transport == "ttn" else Version.V5).value
    if given.transport == SERIAL:
        return await _serial(given)
    return await (_gateways if given.transport == SEMTECH_UDP else _server)(given)


@asynccontextmanager
async def _for(seconds: float, close: Callable[[], None]) -> AsyncIterator[None]:
    """Listening ends after this time."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                yield
    finally:
        close()


def _summary(where: str, senders: Senders, given: argparse.Namespace, hint: str) -> str:
    count = len(senders.by_address)
    heard = f"{where}: {count} device{'' if count == 1 else 's'} heard within {given.seconds:g} s"
    return heard if count else f"{heard}: {hint}"


async def _serial(given: argparse.Namespace) -> Finding:
    source = LoraSource(
        transport="serial",
        lora_port=given.where,
        baud_rate=given.baud_rate,
        modem=given.modem,
        framing=given.framing,
        commands=tuple(given.command),
    )
    modem, senders = SerialModem(source, ()), Senders()
    await modem.open(None)
    async with _for(given.seconds, modem.close):
        last: Sender | None = None
        while True:
            for heard in await modem.hear():
                if heard.payload is not None:
                    last = senders.at(heard.payload[:1].hex())
                    last.messages += 1
                    last.payloads[0] = heard.payload
                if last is not None:
                    last.signal(heard.rssi_dbm, heard.snr_db)
    keys = {
        "modem": given.modem,
        "framing": given.framing if given.modem == "e22" else "",
        "commands": given.command or "",
    }
    return Finding(
        summary=_summary(
            given.where, senders, given, "are frequency, spreading factor and bandwidth those of the devices?"
        ),
        tables=tables_of(senders, address="first byte", way=""),
        toml=configuration(
            {"transport": SERIAL, "lora_port": given.where, "baud_rate": given.baud_rate, **keys},
            {},
            _by_header(senders),
        ),
    )


def _by_header(senders: Senders) -> list[tuple[Sender, dict[str, TomlValue]]]:
    """One device for each first byte, its registers behind it; one device of all where these are no headers."""
    heard = senders.by_address
    if not 1 < len(heard) <= _MOST_HEADERS:
        return [(one, {}) for one in list(heard.values())[-1:]]
    return [
        (replace(one, name=f"node_{header}", payloads={0: one.payloads[0][1:]}), {"header": header})
        for header, one in heard.items()
    ]


async def _gateways(given: argparse.Namespace) -> Finding:
    where = given.where or _LISTEN
    port, site = UdpPort(*host_and_port(where)), Site()
    await port.open()
    async with _for(given.seconds, port.close):
        while True:
            received = await port.read(_LOOK_SECONDS)
            if received is not None:
                try:
                    port.write(site.take(*received), received[1])
                except ValueError:
                    site.devices.others["datagrams or frames that are malformed"] += 1
    devices: list[tuple[Sender, dict[str, TomlValue]]] = [
        (one, {"dev_addr": key, "nwk_skey": f"${{secret:{key}_nwk}}", "app_skey": f"${{secret:{key}_app}}"})
        for key, one in site.devices.by_address.items()
    ]
    source = {"transport": SEMTECH_UDP, "listen": where, "gateways": list(site.gateways)}
    hint = "gateways call" if site.gateways else "no gateway calls: point its packet forwarder to this address"
    summary = _summary(where, site.devices, given, hint)
    return Finding(
        summary=f"{summary}\n{_ENCRYPTED}" if devices else summary,
        tables=site.tables(),
        toml=configuration(source, {}, devices) if devices else "",
    )


async def _server(given: argparse.Namespace) -> Finding:
    from streamforge.adapters.mqtt_session import Session  # a client library that the others do not need

    broker = given.where if "://" in given.where else f"mqtt://{given.where}"
    source = Source(
        broker=broker,
        client_id=f"streamforge-probe-{secrets.token_hex(6)}",
        version=Version(given.mqtt_version),
        username=given.user,
        password=probe_user.password_of(given),
        ca_file=given.ca_file,
    )
    topic = given.topic or TOPICS[given.transport]
    session, senders = Session(source, {topic: 0}, is_passing=True), Senders()
    await session.open(None)
    async with _for(given.seconds, session.close):
        while True:
            for ticket in await session.take(_LOOK_SECONDS):
                _uplink(senders, given.transport, ticket.topic, ticket.payload)
                session.done((ticket,))
    remarks = "".join(f"\n{remark}" for remark in session.remarks())
    hint = f"does the server publish to {topic}? ChirpStack: integration.mqtt; The Things Stack: the application's MQTT"
    return Finding(
        summary=_summary(session.peer, senders, given, hint) + remarks,
        tables=tables_of(senders, address="dev_eui", way="topics"),
        toml=_server_toml(given, broker, senders),
    )


def _uplink(senders: Senders, transport: str, topic: str, message: bytes) -> None:
    try:
        uplink = MAPPINGS[transport](message)
    except ValueError as error:
        senders.other(f"{topic}: {error}"[:100])
        return
    one, fields = senders.at(uplink.dev_eui), uplink.fields
    one.name = uplink.name
    one.count(int(str(fields["FCNT"])))
    one.signal(_number(fields.get("RSSI")), _number(fields.get("SNR")))
    one.ways[topic] += 1
    if uplink.payload is not None:
        one.payloads[uplink.port] = uplink.payload
    one.fields |= {name: value for name, value in fields.items() if name.startswith("OBJECT.")}


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _server_toml(given: argparse.Namespace, broker: str, senders: Senders) -> str:
    mqtt = {
        "broker": broker,
        "client_id": f"streamforge-lora-{gethostname()}",
        "version": given.mqtt_version,
        "username": given.user,
        "password": "${secret:lora_broker}" if given.user else "",
        "ca_file": given.ca_file,
    }
    devices: list[tuple[Sender, dict[str, TomlValue]]] = [
        (one, {"dev_eui": key}) for key, one in senders.by_address.items()
    ]
    return configuration({"transport": given.transport, "topic": given.topic}, mqtt, devices)
