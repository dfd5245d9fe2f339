"""Records to bytes and back: Avro in Confluent framing (0x00, schema id, body), with a schema table that ships with us.

`encode` writes the newest schema of a record's kind; `decode` reads any schema of the table by its id, so that data
buffered under an old version stays readable. Bytes that are none of ours raise one clear error, `Rejected`.
"""

from streamforge.codec.framing import decode, encode

__all__ = ["decode", "encode"]
