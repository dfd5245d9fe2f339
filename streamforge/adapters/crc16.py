"""CRC-16/MODBUS: ends the frames of Modbus RTU, and the messages of transparent radio lines."""

_POLYNOMIAL = 0xA001


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)  # noqa: PLW2901 - the register of the algorithm
        table.append(value)
    return tuple(table)


_TABLE = _table()


def crc16(data: bytes) -> bytes:
    """The two bytes as they go over the wire, low byte first; by table, as noise lets every byte begin one."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")
