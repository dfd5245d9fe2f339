"""The routes of the local page. Every one needs a login but: the login itself, its sheet and script, and health."""

from collections.abc import Iterator
from hmac import compare_digest
from types import ModuleType
from wsgiref.types import WSGIApplication

from bottle import Bottle, HTTPError, HTTPResponse, request

from streamforge.health import ask
from streamforge.web import account, metrics_join
from streamforge.web.gather import ASK_SECONDS
from streamforge.web.pages import data_out, devices, log, now
from streamforge.web.security import secured
from streamforge.web.server import EXTEND
from streamforge.web.sessions import COOKIE
from streamforge.web.site import Site, answer, framed
from streamforge.web.stream import DEADLINE_SECONDS
from streamforge.web.view import FOLDER, View

PAGES: tuple[ModuleType, ...] = (now, devices, data_out, log)
_BY_NAME = {page.NAME: page for page in PAGES}
_STATIC = {"page.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}
_YEAR_SECONDS = 31_536_000


def make(site: Site) -> WSGIApplication:
    """The whole site as a WSGI application."""
    app = Bottle()
    for page in PAGES:
        app.get(page.PATH, callback=_shown(site, page))
    for name, kind in _STATIC.items():
        app.get(f"/{name}", callback=_static(name, kind))
    app.get("/live/<name>", callback=lambda name: live(site, name))
    app.get("/metrics", callback=lambda: metrics(site))
    app.get("/health/<what:re:live|ready>", callback=lambda what: {what: True})
    account.add_routes(app, site)
    for status in (404, 405, 500):
        app.error(status)(_designed)
    return secured(app)


def _shown(site: Site, page: ModuleType):  # type: ignore[no-untyped-def] # Bottle asks for a bare function
    def show() -> str:
        site.entered()
        query = dict(request.query.decode())
        view = site.view(query)
        parts = page.blocks(view).items()
        body = "\n".join(f'<div data-live="{name}">{html}</div>' for name, html in parts)
        stream = f"/live/{page.NAME}" + (f"?{request.query_string}" if request.query_string else "")
        hostname = view.snapshot.hostname
        return framed(page.TITLE, body, hostname=hostname, where=site.where(view), current=page.PATH, stream=stream)

    return show


def live(site: Site, name: str) -> HTTPResponse | Iterator[str]:
    """The stream of a page's parts as they change."""
    page = _BY_NAME.get(name)
    if page is None or site.session(is_use=False) is None:
        return HTTPResponse(status=404 if page is None else 401)
    token, query = request.get_cookie(COOKIE) or "", dict(request.query.decode())

    def parts() -> dict[str, str] | None:
        if site.sessions.find(token, site.now_seconds(), is_use=False) is None:
            return None
        view: View = site.view(query)
        found: dict[str, str] = page.blocks(view)
        return {"where": site.where(view), **found}

    events = site.streams.open(parts, owner=token)
    if events is None:
        return HTTPResponse(status=503, headers={"Retry-After": "30"})
    request.environ[EXTEND](DEADLINE_SECONDS)
    return HTTPResponse(body=events, headers={"Content-Type": "text/event-stream; charset=utf-8"})


def metrics(site: Site) -> HTTPResponse:
    """The metrics of all units, for who brings the token."""
    sent = request.get_header("Authorization", "").removeprefix("Bearer ")
    if not site.metrics_token or not compare_digest(sent.encode(), site.metrics_token.encode()):
        return HTTPResponse(status=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
    texts: dict[str, str | None] = {}
    for path in sorted(site.run.glob("*.sock")):
        try:
            texts[path.stem] = ask(path, "/metrics", ASK_SECONDS).decode(errors="replace")
        except OSError:
            texts[path.stem] = None
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return HTTPResponse(body=metrics_join.join(texts), headers={"Content-Type": kind})


def _static(name: str, kind: str):  # type: ignore[no-untyped-def] # Bottle asks for a bare function
    content = (FOLDER / name).read_bytes()
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": f"public, max-age={_YEAR_SECONDS}, immutable"}
    return lambda: HTTPResponse(body=content, headers=headers)


def _designed(error: HTTPError) -> str:
    texts = {
        404: ("There is no such page", "It may have been renamed, or the address has a typing error."),
        405: ("This does not work so", "The address takes no request of this kind."),
    }
    headline, text = texts.get(
        error.status_code,
        ("This page has a fault", "The gateway goes on without it: nothing is lost. Its log says more."),
    )
    return str(answer(error.status_code, headline, text).body)
