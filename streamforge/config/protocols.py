"""The one table of protocol names: what a configuration may write, and the kind whose folder it belongs to."""

ALIASES = {
    "modbus": "modbus-tcp",
    "opc-ua": "opcua",
    "xbee-modbus": "xbee",
    "sparkplug": "mqtt",
    "sparkplug-b": "mqtt",
    "lorawan": "lora",
    "timescale": "timescaledb",
    "postgresql": "postgres",
}


def kind_of(name: str) -> str:
    """The kind that a protocol's name means: `modbus_tcp` -> `modbus-tcp`."""
    folded = name.strip().lower().replace("_", "-").replace(" ", "-")
    return ALIASES.get(folded, folded)
