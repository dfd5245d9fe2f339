"""Avro's variable-length zig-zag integers (Avro specification, 'Binary Encoding')."""

MOST_BYTES = 10


def write(number: int) -> bytes:
    """A signed 64-bit number in 1 to 10 bytes."""
    rest = (number << 1) ^ (number >> 63)
    if rest < 0x80:
        return bytes((rest,))
    out = bytearray()
    while rest > 0x7F:
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def read(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and the place after it. Raises IndexError past the end, ValueError where none ends."""
    byte = data[at]
    at += 1
    rest = byte & 0x7F
    shift = 7
    while byte & 0x80:
        byte = data[at]
        at += 1
        rest |= (byte & 0x7F) << shift
        shift += 7
        if shift > 7 * MOST_BYTES:
            msg = f"no integer ends at byte {at}"
            raise ValueError(msg)
    return (rest >> 1) ^ -(rest & 1), at
