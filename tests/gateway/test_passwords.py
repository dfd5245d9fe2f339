"""Password hashes: one line of text, salted, bounded."""

import pytest

from streamforge.gateway import passwords


def test_a_password_is_known_again() -> None:
    stored = passwords.make_hash("pump-house correct horse")
    assert passwords.verify("pump-house correct horse", stored)
    assert passwords.verify("pump-house correct horse", stored + "\n")
    assert not passwords.verify("pump-house correct horsf", stored)
    assert not passwords.verify("", stored)


def test_two_hashes_of_one_password_differ() -> None:
    assert passwords.make_hash("same") != passwords.make_hash("same")


def test_the_hash_is_one_line_that_says_how_it_was_made() -> None:
    stored = passwords.make_hash("x")
    assert stored.startswith("scrypt$14$8$5$")
    assert len(stored.splitlines()) == 1
    assert "x" not in stored.split("$")[:4]


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "plain text",
        "scrypt$14$8$5$AAAA",
        "scrypt$x$8$5$AAAA$AAAA",
        "scrypt$30$8$5$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "scrypt$14$8$500$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "bcrypt$14$8$5$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "scrypt$14$8$5$not base64!$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "scrypt$14$8$5$AAAAAAAAAAAAAAAAAAAAAA==$",
    ],
)
def test_what_is_no_hash_is_an_error_and_never_opens(damaged: str) -> None:
    with pytest.raises(ValueError, match="not a password hash"):
        passwords.verify("", damaged)
