"""The messages of one Sparkplug B node: its birth, and data of 20 metrics by alias for all 256 sequence numbers."""

from struct import pack

from streamforge.bench.peer_mqtt import Message

METRICS = 20
_DOUBLE, _INT64 = 10, 4
_T_MS = 1_767_323_045_000
# Fields of Payload (timestamp, metrics, seq) and Metric (name, alias, timestamp, datatype, long, double), 3.0, 6.4.1.
_TIME, _METRICS, _SEQ = 1, 2, 3
_NAME, _ALIAS, _METRIC_TIME, _TYPE, _LONG, _REAL = 1, 2, 3, 4, 11, 13


def messages() -> tuple[list[Message], list[Message]]:
    """What is sent once, and what is sent again and again: the numbers go round."""
    born = _number(_METRIC_TIME, _T_MS) + _number(_TYPE, _DOUBLE)
    metrics = [_bytes(_NAME, b"bdSeq") + _number(_TYPE, _INT64) + _number(_LONG, 0)]
    metrics += [_bytes(_NAME, b"m%d" % i) + _number(_ALIAS, i) + born + _real(0.0) for i in range(METRICS)]
    birth = _payload(metrics, 0)
    data = [_payload([_datum(alias, seq) for alias in range(METRICS)], seq) for seq in (*range(1, 256), 0)]
    return [("spBv1.0/bench/NBIRTH/node", birth)], [("spBv1.0/bench/NDATA/node", one) for one in data]


def _datum(alias: int, seq: int) -> bytes:
    return _number(_ALIAS, alias) + _number(_METRIC_TIME, _T_MS + seq) + _number(_TYPE, _DOUBLE) + _real(seq / 8)


def _payload(metrics: list[bytes], seq: int) -> bytes:
    return _number(_TIME, _T_MS) + b"".join(_bytes(_METRICS, one) for one in metrics) + _number(_SEQ, seq)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, raw: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _real(value: float) -> bytes:
    return _varint(_REAL << 3 | 1) + pack("<d", value)
