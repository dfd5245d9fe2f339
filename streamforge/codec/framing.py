"""Confluent framing around Avro bodies, and the one place where damaged bytes become one clear error."""

import io
import struct

import fastavro

from streamforge.codec import columns, forms, schemas
from streamforge.errors import Rejected
from streamforge.model import Aggregate, ReadingBatch, Record

_FRAME = struct.Struct(">bI")
MAGIC = 0
MOST_BYTES = 16 * 1024 * 1024
_BATCH_ID = schemas.newest("ReadingBatch").schema_id
_BATCH_FRAME = _FRAME.pack(MAGIC, _BATCH_ID)
_decoder = columns.Decoder()

_DAMAGE = (
    ValueError,
    LookupError,
    EOFError,
    OverflowError,
    MemoryError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
    fastavro.read.SchemaResolutionError,
)


def encode(record: Record | Aggregate) -> bytes:
    """The record in its newest schema, framed. Raises ValueError where a field cannot be written."""
    if isinstance(record, ReadingBatch):
        return _BATCH_FRAME + columns.encode(record)
    return encode_general(record)


def encode_general(record: Record | Aggregate) -> bytes:
    """`encode` by fastavro alone: what the fast path is compared with."""
    known = schemas.newest(type(record).__name__)
    out = io.BytesIO()
    out.write(_FRAME.pack(MAGIC, known.schema_id))
    fastavro.schemaless_writer(out, known.parsed, forms.TO_FORM[type(record)](record))
    return out.getvalue()


def decode(data: bytes) -> Record | Aggregate:
    """The record in these bytes. Raises Rejected, with the reason in words, where there is none."""
    if data.startswith(_BATCH_FRAME):
        try:
            return _checked(_decoder.decode(data, _FRAME.size))
        except columns.Foreign:
            pass
        except (ValueError, IndexError, OverflowError, MemoryError, struct.error) as error:
            raise Rejected((0,), f"not a ReadingBatch: {error}") from error
    return decode_general(data)


def decode_general(data: bytes) -> Record | Aggregate:
    """`decode` by fastavro alone, any schema of the table."""
    if len(data) < _FRAME.size or data[0] != MAGIC:
        raise Rejected((0,), "no Avro frame: a record begins with 0x00 and a schema id")
    if len(data) > MOST_BYTES:
        raise Rejected((0,), f"{len(data)} bytes: a record has at most {MOST_BYTES}")
    known = schemas.table().get(_FRAME.unpack_from(data)[1])
    if known is None:
        raise Rejected((0,), f"unknown schema id {_FRAME.unpack_from(data)[1]}")
    body = io.BytesIO(data)
    body.seek(_FRAME.size)
    try:
        form = fastavro.schemaless_reader(body, known.parsed, schemas.newest(known.kind).parsed)
        if body.tell() != len(data):
            raise Rejected((0,), f"not a {known.kind}: {len(data) - body.tell()} bytes too many")
        record = forms.FROM_FORM[known.kind](form)  # type: ignore[arg-type] # a record schema reads as a dict
        return _checked(record) if isinstance(record, ReadingBatch) else record
    except _DAMAGE as error:
        raise Rejected((0,), f"not a {known.kind}: {error}") from error


def _checked(batch: ReadingBatch) -> ReadingBatch:
    """Columns that agree with each other, so that nothing after the codec meets an index that is not there."""
    count = len(batch.values)
    wrong = (
        count != len(batch.names)
        or len(batch.qualities) not in {0, count}
        or len(batch.device_times_us) not in {0, 1, count}
        or (batch.qualities and max(batch.qualities) > 3)
        or (batch.names.kinds and max(batch.names.kinds) > 4)
        or not all(0 <= index < count for index in batch.others)
        or not all(0 <= index < count for index in batch.reasons)
    )
    if wrong:
        raise Rejected((0,), "not a ReadingBatch: its columns differ in length")
    return batch
