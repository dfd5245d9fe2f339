"""Login, logout, change of password."""

import math
import socket

from bottle import Bottle, HTTPResponse, request

from streamforge.logs import Log
from streamforge.web import words
from streamforge.web.passwords import LEAST_LENGTH, MOST_LENGTH, USER, Verdict, weakness
from streamforge.web.sessions import ABSOLUTE_SECONDS, COOKIE, Session
from streamforge.web.site import Site, check_origin, form, framed, local_path, refused, seen_other
from streamforge.web.view import render

_log = Log("web")
_SAID = {"out": "You are logged out.", "changed": "The password is changed. Log in with the new one."}


def add_routes(app: Bottle, site: Site) -> None:
    """The routes of this module."""
    app.get("/login", callback=lambda: login_page(site))
    app.post("/login", callback=lambda: login(site))
    app.get("/account", callback=lambda: account_page(site, site.entered()))
    app.post("/password", callback=lambda: change_password(site))
    app.post("/logout", callback=lambda: logout(site))


def login_page(site: Site, message: str = "", user: str = USER) -> str | HTTPResponse:
    """The form; who is logged in goes on."""
    if not message and site.session() is not None:
        return seen_other("/")
    target = local_path(form("next") or request.query.getunicode("next") or "/")
    said = message or _SAID.get(request.query.get("said", ""), "")
    body = render("login", message=said, user=user, next=target)
    return framed("Log in", body, hostname=socket.gethostname())


def login(site: Site) -> HTTPResponse:
    """Try the password; a wrong one makes the next try wait."""
    check_origin()
    user, address = form("user"), request.environ["REMOTE_ADDR"]
    verdict, wait_seconds = site.gate.attempt(user, form("password"), address, site.now_seconds())
    if verdict is Verdict.RIGHT:
        _log.info("login", user=USER, address=address)
        target = seen_other(local_path(form("next") or "/"))
        token = site.sessions.open(USER, site.now_seconds())
        return with_cookie(target, token, ABSOLUTE_SECONDS)
    return refused_login(site, verdict, wait_seconds, address)


def refused_login(site: Site, verdict: Verdict, wait_seconds: float, address: str) -> HTTPResponse:
    """The form again, with what was wrong in words."""
    wait = f"{math.ceil(wait_seconds)} s"
    if verdict is Verdict.WRONG:
        _log.info("login_refused", address=address, wait_seconds=math.ceil(wait_seconds))
        status, text = 403, f"User or password is not right. The next try is possible in {wait}."
    elif verdict is Verdict.WAIT:
        status, text = 429, f"Too soon after a wrong password: wait {wait}, then try again."
    else:
        status, text = (
            503,
            "The password of this gateway cannot be read: log in at its console and run streamforge status.",
        )
    headers = {"Content-Type": "text/html; charset=utf-8"}
    if verdict is Verdict.WAIT:
        headers["Retry-After"] = str(math.ceil(wait_seconds))
    return HTTPResponse(body=login_page(site, text, form("user")), status=status, headers=headers)


def account_page(site: Site, session: Session, message: str = "") -> str:
    """The forms for a new password and for logging out."""
    view = site.view({})
    body = render("account", message=message, token=session.form_token, least=LEAST_LENGTH, most=MOST_LENGTH)
    return framed("Account", body, hostname=view.snapshot.hostname, where=site.where(view), current="/account")


def change_password(site: Site) -> str | HTTPResponse:
    """Put a new password in force and end all sessions."""
    session = site.taken_form()
    old, new = form("old"), form("new")
    if new != form("again"):
        return account_page(site, session, "The two new passwords are not the same. Nothing is changed.")
    if (weak := weakness(new, old)) != "":
        return account_page(site, session, f"{weak} Nothing is changed.")
    verdict, wait_seconds = site.gate.attempt(USER, old, request.environ["REMOTE_ADDR"], site.now_seconds())
    if verdict is not Verdict.RIGHT:
        return account_page(
            site, session, f"The password now is not right ({words.age(wait_seconds)} to the next try)."
        )
    try:
        site.gate.store.change(new)
    except OSError as error:
        return refused(f"The new password cannot be stored: {error.strerror}. The old one stays valid.", 500)
    _log.info("password_changed", user=USER, address=request.environ["REMOTE_ADDR"])
    site.sessions.close_all()
    return with_cookie(seen_other("/login?said=changed"), "", 0)


def logout(site: Site) -> HTTPResponse:
    """End this session."""
    site.taken_form()
    site.sessions.close(request.get_cookie(COOKIE) or "")
    return with_cookie(seen_other("/login?said=out"), "", 0)


def with_cookie(response: HTTPResponse, token: str, seconds: int) -> HTTPResponse:
    """The answer with the session's cookie; 0 s removes it."""
    response.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="strict", max_age=seconds)
    return response
