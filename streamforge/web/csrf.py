"""A form is taken only from a page of this gateway: right origin and, where somebody is logged in, right token."""

import hmac
from urllib.parse import urlsplit


def is_own_origin(*, host: str, origin: str, fetch_site: str) -> bool:
    """Whether a POST comes from our own page, by its headers Host, Origin and Sec-Fetch-Site ("" where absent).

    A request that says neither where it comes from is refused: every browser says one, a script can.
    """
    if origin and origin != "null":
        parts = urlsplit(origin)
        return parts.scheme == "https" and parts.netloc == host
    return fetch_site == "same-origin"


def is_right_token(sent: str, expected: str) -> bool:
    """Compare in constant time; an empty token is never right."""
    return bool(expected) and hmac.compare_digest(sent.encode(), expected.encode())
