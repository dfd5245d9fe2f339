"""Sessions: idle and absolute end, how many at once, what keeps them open."""

from streamforge.web.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS, SESSIONS_AT_ONCE, Sessions


def test_a_session_ends_when_it_is_not_used() -> None:
    sessions = Sessions()
    token = sessions.open("admin", 0.0)
    assert sessions.find(token, IDLE_SECONDS - 1) is not None
    assert sessions.find(token, 2 * IDLE_SECONDS - 2) is not None
    assert sessions.find(token, 3 * IDLE_SECONDS - 1) is None
    assert sessions.find(token, 0.0) is None


def test_the_pages_own_refresh_does_not_keep_it_open() -> None:
    sessions = Sessions()
    token = sessions.open("admin", 0.0)
    assert sessions.find(token, IDLE_SECONDS - 1, is_use=False) is not None
    assert sessions.find(token, IDLE_SECONDS + 1, is_use=False) is None


def test_a_session_ends_after_its_longest_life_however_much_it_is_used() -> None:
    sessions = Sessions()
    token = sessions.open("admin", 0.0)
    for at in range(0, ABSOLUTE_SECONDS, IDLE_SECONDS // 2):
        assert sessions.find(token, at) is not None
    assert sessions.find(token, ABSOLUTE_SECONDS) is None


def test_one_session_too_many_ends_the_one_unused_for_longest() -> None:
    sessions = Sessions()
    tokens = [sessions.open("admin", float(at)) for at in range(SESSIONS_AT_ONCE)]
    sessions.find(tokens[0], 100.0)
    sessions.open("admin", 101.0)
    assert sessions.find(tokens[0], 102.0) is not None
    assert sessions.find(tokens[1], 102.0) is None


def test_tokens_are_long_and_differ() -> None:
    sessions = Sessions()
    tokens = {sessions.open("admin", 0.0) for _ in range(8)}
    assert len(tokens) == 8
    assert all(len(token) >= 43 for token in tokens)
