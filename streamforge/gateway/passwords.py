"""How a password of the local page is kept: scrypt with its parameters and salt, as one line of text.

    scrypt$<log2 n>$<r>$<p>$<salt, base64>$<hash, base64>

n = 2^14, r = 8, p = 5 is one of the equal choices of the OWASP password sheet and the one that takes least memory
(16 MiB): the page's unit has a small ceiling.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

_LOG2_N, _R, _P = 14, 8, 5
_SALT_BYTES, _HASH_BYTES = 16, 32
# A damaged or planted file must not cost gigabytes or minutes.
_MOST_LOG2_N, _MOST_R, _MOST_P = 17, 16, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    log2_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes


def make_hash(password: str) -> str:
    """The line to store for this password, with a fresh salt; some 0.3 s of work."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(password, log2_n=_LOG2_N, r=_R, p=_P, salt=salt, size_bytes=_HASH_BYTES)
    encoded = [base64.b64encode(part).decode() for part in (salt, digest)]
    return "$".join(["scrypt", str(_LOG2_N), str(_R), str(_P), *encoded])


def verify(password: str, stored: str) -> bool:
    """Whether the password is the one that `stored` was made of. Raises ValueError where `stored` is no such line."""
    line = _parse(stored.strip())
    size_bytes = len(line.digest)
    digest = _scrypt(password, log2_n=line.log2_n, r=line.r, p=line.p, salt=line.salt, size_bytes=size_bytes)
    return hmac.compare_digest(digest, line.digest)


def _parse(stored: str) -> _Stored:
    try:
        scheme, log2_n, r, p, salt, digest = stored.split("$")
        line = _Stored(
            log2_n=int(log2_n),
            r=int(r),
            p=int(p),
            salt=base64.b64decode(salt, validate=True),
            digest=base64.b64decode(digest, validate=True),
        )
    except (ValueError, binascii.Error) as error:
        msg = "not a password hash of this product"
        raise ValueError(msg) from error
    is_sane = 10 <= line.log2_n <= _MOST_LOG2_N and 1 <= line.r <= _MOST_R and 1 <= line.p <= _MOST_P
    if scheme != "scrypt" or not is_sane or len(line.digest) < 16:
        msg = "not a password hash of this product"
        raise ValueError(msg)
    return line


def _scrypt(password: str, *, log2_n: int, r: int, p: int, salt: bytes, size_bytes: int) -> bytes:
    n = 1 << log2_n
    needed_bytes = 128 * r * (n + p + 2)
    return hashlib.scrypt(
        password.encode(), salt=salt, n=n, r=r, p=p, maxmem=needed_bytes + 1024 * 1024, dklen=size_bytes
    )
