"""Where a form may come from."""

import pytest

from streamforge.web import csrf

HOST = "192.168.10.5"


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_own"),
    [
        (f"https://{HOST}", "same-origin", True),
        (f"https://{HOST}", "", True),
        ("null", "same-origin", True),
        ("", "same-origin", True),
        ("https://evil.example", "cross-site", False),
        ("https://evil.example", "same-origin", False),
        (f"http://{HOST}", "same-site", False),
        (f"https://{HOST}:8443", "same-site", False),
        (f"https://{HOST}.evil.example", "", False),
        ("null", "cross-site", False),
        ("null", "", False),
        ("", "", False),
        ("", "none", False),
    ],
)
def test_only_our_own_page_may_post(origin: str, fetch_site: str, is_own: bool) -> None:
    assert csrf.is_own_origin(host=HOST, origin=origin, fetch_site=fetch_site) is is_own


def test_the_token_must_be_the_sessions() -> None:
    assert csrf.is_right_token("abc", "abc")
    assert not csrf.is_right_token("abd", "abc")
    assert not csrf.is_right_token("", "")
    assert not csrf.is_right_token("\u00e9", "abc")
