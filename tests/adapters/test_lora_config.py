"""What `streamforge check` says of a LoRa configuration that is wrong, and which names the kind has."""

import json
from pathlib import Path

import pytest

from streamforge.adapters.lora_config import LoraConfig
from streamforge.config import kind_of, load
from streamforge.errors import ConfigError
from streamforge.sim.lorawan import DEV_ADDR, GATEWAY, NWK_SKEY


def table(**changes: object) -> str:
    """A table of [[devices]] with one row; keys of the row go there."""
    row = {"param": "level", "at": "40001"} | {key: changes.pop(key) for key in ("at", "fport") if key in changes}
    keys = {"asset_id": "a", "dev_addr": DEV_ADDR, "nwk_skey": NWK_SKEY, "app_skey": "${secret:a}", **changes}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return (
        f"[[devices]]\n{text}tags = [{{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in row.items())} }}]\n"
    )


SERVER = '[source]\ntransport = "ttn"\n[mqtt]\nbroker = "mqtt://h"\nclient_id = "c"\n'
UDP = f'[source]\ntransport = "semtech_udp"\ngateways = ["{GATEWAY}"]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[source]\ntransport = "semtech_udp"\n' + table(), "gateways is empty"),
        ('[source]\ntransport = "semtech_udp"\ngateways = ["x"]\n' + table(), "must be 16 hexadecimal digits"),
        ('[source]\ntransport = "serial"\n' + table(), "lora_port is missing"),
        ('[source]\ntransport = "chirpstak"\n' + table(), 'did you mean "chirpstack"'),
        (
            '[source]\ntransport = "chirpstack"\n' + table(),
            "[mqtt] is missing: the broker to which chirpstack publishes",
        ),
        (SERVER + table(), "over ttn a device needs its dev_eui"),
        (SERVER + table(dev_eui="00" * 8) + table(dev_eui="00" * 8, asset_id="b"), "two devices have the dev_eui"),
        ('[source]\ntransport = "ttn"\ntopic = "v3/{asset_id}/up"\n' + table(), "has named parts"),
        (UDP + 'listen = "1700"\n' + table(), "is no address"),
        (UDP + table(dev_addr=""), "needs dev_addr, nwk_skey and app_skey"),
        (UDP + table(dev_addr="49be7d"), "dev_addr '49be7d' must be 8 hexadecimal digits"),
        (UDP + table(nwk_skey="0011"), "a session key has 32 hexadecimal digits"),
        (UDP + table(header="0"), "is not whole bytes"),
        (UDP + table(at="LPP1.WARMTH"), "'LPP1.WARMTH' is not understood"),
        (UDP + table(at="RSI"), "tags[0].at: address 'RSI' is not understood: write 40001"),
        (UDP + table(at="RSI"), ", or LPP1.TEMPERATURE, OBJECT.level, RSSI, SNR, FCNT, FPORT"),
        (UDP + table(nwk_skey="12"), "devices[0].nwk_skey: a session key has 32 hexadecimal digits"),
        (UDP + table(at="LPP256.TEMPERATURE"), "is not understood"),
        (UDP + table(fport=0), "fport: 0 is out of bounds"),
        (UDP + table() + table(asset_id="b"), "two devices have the dev_addr '49be7df1'"),
        (UDP + table() + table(dev_addr="49be7df2"), "two devices have the asset_id 'a'"),
        (UDP, "nothing to read"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, LoraConfig)
    assert words in str(caught.value)


def test_a_wrong_secret_is_a_fault_that_does_not_show_it(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(UDP + table())
    with pytest.raises(ConfigError, match="32 hexadecimal digits") as caught:
        load(path, LoraConfig, secrets={"a": "hunter2"}.__getitem__)
    assert "hunter2" not in str(caught.value)


def test_of_a_secret_that_is_missing_nothing_else_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(UDP + table())
    with pytest.raises(ConfigError) as caught:
        load(path, LoraConfig, secrets=dict[str, str]().__getitem__)
    assert [fault.message for fault in caught.value.faults] == ['the unit has no secret "a"']


def test_lorawan_is_the_same_kind() -> None:
    assert [kind_of(name) for name in ("lora", "LoRaWAN", "lorawan")] == ["lora"] * 3
