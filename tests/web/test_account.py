"""Login, logout, change of password, over real TLS."""

from tests.web import peers

NEW = "a sentence for the pump house"


def test_the_cookie_is_bound_to_this_host_and_out_of_reach_of_scripts(stranger: peers.Browser) -> None:
    cookie = stranger.login().headers["Set-Cookie"]
    assert cookie.startswith("__Host-streamforge=")
    for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert word.lower() in cookie.lower()
    assert "domain" not in cookie.lower()


def test_login_leads_to_where_one_wanted_to_go_but_never_away(stranger: peers.Browser) -> None:
    fields = {"user": "admin", "password": peers.PASSWORD}
    assert stranger.post("/login", fields | {"next": "/log?unit=kafka"}).headers["Location"] == "/log?unit=kafka"
    for away in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert stranger.post("/login", fields | {"next": away}).headers["Location"] == "/"


def test_a_wrong_password_makes_the_next_try_wait(healthy: peers.Gateway) -> None:
    client = peers.Browser(healthy.port)
    assert client.login("wrong").status == 403
    answer = client.login()
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert not client.cookie


def test_a_post_from_elsewhere_is_refused(browser: peers.Browser, stranger: peers.Browser) -> None:
    evil = {"Origin": "https://evil.example"}
    assert stranger.post("/login", {"user": "admin", "password": peers.PASSWORD}, **evil).status == 403
    assert browser.post("/logout", {"token": browser.token()}, **evil).status == 403
    assert browser.get("/").status == 200


def test_a_form_without_its_token_is_refused(browser: peers.Browser) -> None:
    assert browser.post("/logout", {}).status == 403
    assert browser.post("/logout", {"token": "guess"}).status == 403
    assert browser.get("/").status == 200


def test_logout_ends_the_session_not_only_the_cookie(browser: peers.Browser) -> None:
    cookie = browser.cookie
    assert browser.post("/logout", {"token": browser.token()}).headers["Location"] == "/login?said=out"
    browser.cookie = cookie
    assert browser.get("/").status == 303


def test_a_new_password_ends_all_sessions_and_the_first_one(healthy: peers.Gateway) -> None:
    client, other = peers.Browser(healthy.port), peers.Browser(healthy.port)
    client.login()
    other.login()
    fields = {"token": client.token(), "old": peers.PASSWORD, "new": NEW, "again": NEW}
    assert client.post("/password", fields).headers["Location"] == "/login?said=changed"
    assert other.get("/").status == 303
    assert client.login(NEW).status == 303
    assert "first password is still in use" not in client.get("/").text
    stored = healthy.root / "state/admin-password-hash"
    assert stored.read_text().startswith("scrypt$")
    assert stored.stat().st_mode & 0o777 == 0o600
    assert other.login(peers.PASSWORD).status == 403


def test_a_weak_or_mistyped_new_password_changes_nothing(browser: peers.Browser) -> None:
    token = browser.token()
    for new, again, word in (
        ("short", "short", "at least 12"),
        (NEW, "other", "not the same"),
        ("a" * 20,) * 2 + ("different",),
    ):
        fields = {"token": token, "old": peers.PASSWORD, "new": new, "again": again}
        assert word in browser.post("/password", fields).text
    assert browser.get("/").status == 200
