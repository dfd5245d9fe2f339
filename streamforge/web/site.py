"""What the routes share: the parts of the site, who is asking, and the frame around every page."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bottle import HTTPResponse, request

from streamforge.web import csrf, words
from streamforge.web.gather import Gatherer
from streamforge.web.last_values import LastValues
from streamforge.web.passwords import Gate
from streamforge.web.sessions import COOKIE, Session, Sessions
from streamforge.web.stream import Streams
from streamforge.web.verdict import judge
from streamforge.web.view import FOLDER, View, render

NAVIGATION = (
    ("/", "Now"),
    ("/devices", "Devices"),
    ("/data-out", "Data out"),
    ("/log", "Log"),
    ("/account", "Account"),
)
# A refresh by the page itself, which is no use by a person and does not keep a session open.
AGAIN = "again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that the routes work with."""

    gatherer: Gatherer
    values: LastValues
    gate: Gate
    run: Path
    metrics_token: str
    zone: tzinfo = field(default_factory=words.local_zone)
    sessions: Sessions = field(default_factory=Sessions)
    streams: Streams = field(default_factory=Streams)
    now_seconds: Callable[[], float] = time.monotonic

    def view(self, query: Mapping[str, str]) -> View:
        """The gateway as it is now."""
        snapshot = self.gatherer.snapshot()
        counted = snapshot.readings_per_second
        rate = self.values.readings_per_second(snapshot.taken_us) if counted is None else counted
        verdict = judge(snapshot, zone=self.zone, rate=rate, is_first_password=self.gate.store.is_first())
        return View(snapshot=snapshot, verdict=verdict, rate=rate, values=self.values, zone=self.zone, query=query)

    def session(self, *, is_use: bool = True) -> Session | None:
        """Who is asking; None where nobody is logged in."""
        token = request.get_cookie(COOKIE)
        return self.sessions.find(token, self.now_seconds(), is_use=is_use) if token else None

    def entered(self) -> Session:
        """The session of this request; without one the login page answers instead."""
        session = self.session(is_use=AGAIN not in request.query)
        if session is None:
            here = request.path + (f"?{request.query_string}" if request.query_string else "")
            raise seen_other(f"/login?{urlencode({'next': here})}" if here != "/" else "/login")
        return session

    def taken_form(self) -> Session:
        """The session of a POST that comes from our own page with its token; else 403."""
        check_origin()
        session = self.entered()
        if not csrf.is_right_token(form("token"), session.form_token):
            raise refused("This form is of an older session. Load the page again, then repeat it.")
        return session

    def where(self, view: View) -> str:
        """The words at the right of the header."""
        zone = words.zone_name(view.now_us, self.zone)
        return render("where", snapshot=view.snapshot, clock=view.clock(view.now_us), zone=zone)


def check_origin() -> None:
    """End a POST that does not come from our own page with 403."""
    headers = request.headers
    is_own = csrf.is_own_origin(
        host=headers.get("Host", ""), origin=headers.get("Origin", ""), fetch_site=headers.get("Sec-Fetch-Site", "")
    )
    if not is_own:
        raise refused("This form did not come from a page of this gateway.")


def form(name: str) -> str:
    """A field of the form that was sent."""
    return str(request.forms.getunicode(name) or "")


def framed(title: str, body: str, *, hostname: str, where: str = "", current: str = "", stream: str = "") -> str:
    """A whole page around `body`; with `stream` it is a live one, with `current` it has the navigation."""
    query = dict(request.query.decode()) | {AGAIN: "1"}
    return render(
        "page",
        title=title,
        body=body,
        hostname=hostname,
        where=where,
        nav=NAVIGATION if current else (),
        current=current,
        live=bool(stream),
        stream=stream,
        kind=title.lower().replace(" ", "-"),
        again=f"{request.path}?{urlencode(query)}",
        version=version(),
    )


def seen_other(path: str) -> HTTPResponse:
    """303 to a path of ours."""
    return HTTPResponse(status=303, headers={"Location": path})


def refused(text: str, status: int = 403) -> HTTPResponse:
    """A designed refusal."""
    return answer(status, "Not done", text)


def answer(status: int, headline: str, text: str, *, link: str = "/", act: str = "To the page") -> HTTPResponse:
    """A page that only says something."""
    body = render("message", headline=headline, text=text, link=link, act=act)
    html = framed(headline, body, hostname="")
    return HTTPResponse(body=html, status=status, headers={"Content-Type": "text/html; charset=utf-8"})


def local_path(path: str) -> str:
    """The path where it leads within this site, else "/"."""
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and path.isprintable()
    return path if is_ours else "/"


@lru_cache(maxsize=1)
def version() -> str:
    """Changes with the sheet and the script, so that a browser may keep them for a year."""
    content = b"".join((FOLDER / name).read_bytes() for name in ("page.css", "live.js"))
    return hashlib.sha256(content).hexdigest()[:10]
