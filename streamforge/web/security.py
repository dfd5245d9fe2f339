"""The headers that every answer carries, whatever made it."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    # Not "no-referrer": with that browsers send "Origin: null" even to ourselves, and forms could not be checked.
    # There is no link to anywhere else, so nothing is told to others either way.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_NO_STORE = ("Cache-Control", "no-store")


def secured(application: WSGIApplication) -> WSGIApplication:
    """The application with the headers on every answer, and nothing stored that does not say that it may be."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            is_cached = any(name.lower() == "cache-control" for name, _ in headers)
            return start_response(status, [*headers, *HEADERS, *(() if is_cached else (_NO_STORE,))], *rest)

        return application(environ, start)

    return wrapped
