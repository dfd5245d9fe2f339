"""The configuration of mqtt says at which key it is wrong, and what would be right."""

from pathlib import Path

import pytest

from streamforge.adapters.mqtt_config import MqttConfig
from streamforge.adapters.mqtt_source import Source
from streamforge.config import load
from streamforge.errors import ConfigError

SOURCE = '[source]\nbroker = "mqtt://b"\nclient_id = "c"\n'


def faults(tmp_path: Path, text: str) -> str:
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, MqttConfig)
    return str(caught.value)


def row(keys: str, head: str = 'topic = "a/{asset_id}/{param}"') -> str:
    return f"{SOURCE}[[topics]]\n{head}\n{keys}\n"


@pytest.mark.parametrize(
    ("broker", "host", "port", "is_tls"),
    [
        ("mqtt://b", "b", 1883, False),
        ("mqtts://b.local", "b.local", 8883, True),
        ("mqtts://[fe80::1]:9001", "fe80::1", 9001, True),
    ],
)
def test_a_broker_is_a_url(broker: str, host: str, port: int, is_tls: bool) -> None:
    source = Source(broker=broker, client_id="c")
    assert (source.host, source.port, source.is_tls) == (host, port, is_tls)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('broker = "b.local:1883"\nclient_id = "c"', "write for example mqtt://"),
        ('broker = "mqtt://b:0"\nclient_id = "c"', "write for example mqtt://"),
        ('broker = "mqtt://b:99999"\nclient_id = "c"', "write for example mqtt://"),
        ('broker = "mqtt://user:word@b"\nclient_id = "c"', "source.broker: a user does not stand in the address"),
        ('broker = "mqtt://b"\nclient_id = ""', "never changes"),
        ('broker = "mqtt://b"', "source.client_id: missing"),
        ('broker = "mqtt://b"\nclient_id = "c"\nca_file = "/ca.pem"', "write mqtts://"),
        ('broker = "mqtts://b"\nclient_id = "c"\ncert_file = "/c.pem"', "one is missing"),
        ('broker = "mqtt://b"\nclient_id = "c"\nqos = 2', "from 0 to 1"),
        ('broker = "mqtt://b"\nclient_id = "c"\nversion = "3.1"', "3.1.1"),
    ],
)
def test_a_source_that_is_wrong_says_what_to_write(tmp_path: Path, source: str, words: str) -> None:
    assert words in faults(tmp_path, f'[source]\n{source}\n[[topics]]\ntopic = "#"\nasset_id = "a"\npayload = "json"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SOURCE, "nothing to read"),
        (row('payload = "nummer"'), 'did you mean "number"'),
        (row('payload = "number"', 'topic = "a/{asset_id}"'), 'write param = "its name"'),
        (row('payload = "number"', 'topic = "a/{param}"'), 'write asset_id = "its name"'),
        (row('payload = "number"\nsilence_s = 5'), "known before it sends"),
        (row('payload = "number"\ntime = "$.t"'), "carries no time"),
        (row('payload = "number"\nstruct = "<H"'), 'struct is of payload = "bytes"'),
        (row('payload = "number"\ntags = [{param = "x", at = "$.x"}]'), "has no at"),
        (row('payload = "number"\ntags = [{param = "x", type = "bcd16"}]'), "is one of bytes"),
        (row('payload = "bool"\ntags = [{param = "x", type = "bool", scale = 2.0}]'), "neither scale nor offset"),
        (row('payload = "json"\ntags = [{param = "x"}]'), "x: at is missing"),
        (row('payload = "json"\ntags = [{param = "x", at = "x.y"}]'), "is not understood: write for example $.motor"),
        (row('payload = "json"\ntags = [{param = "x", at = "$.x", interval_ms = 5}]'), "send by themselves"),
        (row('payload = "json"\nname = "@.id"'), "belong together"),
        (row('payload = "json"\npoints = "values"'), "is not understood"),
        (row('payload = "csv"'), "needs tags"),
        (row('payload = "csv"\ntags = [{param = "x", at = "flow"}]'), "the number of a column"),
        (row('payload = "csv"\nseparator = ";;"\ntags = [{param = "x", at = "1"}]'), "has length 2"),
        (row('payload = "bytes"\ntags = [{param = "x", at = "$.x", type = "int16"}]'), "must be a byte offset"),
        (row('payload = "bytes"\ntags = [{param = "x", at = "0"}]'), "type is missing"),
        (row('payload = "bytes"\ntags = [{param = "x", at = "0", type = "string"}]'), "how many bytes of text"),
        (row('payload = "bytes"\ntags = [{param = "x", at = "0", type = "bit"}]'), 'a bit is at = "0.0"'),
        (row('payload = "bytes"\nstruct = "<Z"\ntags = [{param = "x", at = "1"}]'), "letters are b B h H"),
        (row('payload = "bytes"\nstruct = "<H"\ntags = [{param = "x", at = "2"}]'), "the number of a field, 1 to 1"),
        (
            row('payload = "number"') + '[[topics]]\ntopic = "a/{asset_id}/+"\npayload = "json"',
            "the same to the broker",
        ),
        (f'{SOURCE}[sparkplug]\ngroups = ["a/b"]', "must be the name of a group"),
        (f'{SOURCE}[sparkplug]\ngroups = ["a"]\nasset_id = "{{edge}}"', "may name {group}, {node} and {device}"),
    ],
)
def test_a_row_that_is_wrong_says_what_to_write(tmp_path: Path, text: str, words: str) -> None:
    assert words in faults(tmp_path, text)
