"""How much goes into one request: profiles, what a server says, and requests that are halved."""

import asyncio
from collections.abc import Sequence

import pytest
from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError

from streamforge.adapters.opcua_browse import Globs
from streamforge.adapters.opcua_limits import Profile, chunks, limits_of, profile_of
from streamforge.adapters.opcua_server import in_chunks


@pytest.mark.parametrize(
    ("build", "profile"),
    [
        (("SIMATIC S7-1500", "Siemens AG"), Profile.S7_1500),
        (("S7-1200", "Siemens AG"), Profile.S7_1200),
        (("SIMATIC.S7", "Siemens AG"), Profile.S7_1200),
        (("KEPServerEX", "PTC"), Profile.KEPWARE),
        (("Ignition OPC UA Server", "Inductive Automation"), Profile.IGNITION),
        (("open62541 OPC UA Server", "open62541"), Profile.UNKNOWN),
        (("", ""), Profile.UNKNOWN),
    ],
)
def test_a_server_is_known_by_what_it_calls_itself(build: Sequence[str], profile: Profile) -> None:
    assert profile_of(build) is profile


def test_a_server_that_says_nothing_is_asked_for_a_hundred_at_a_time() -> None:
    limits = limits_of(Profile.UNKNOWN, {"reads": 0})
    assert (limits.reads, limits.monitored, limits.items) == (100, 100, 0)


def test_an_unknown_server_is_believed_and_a_known_one_is_not_asked_for_more_than_it_bears() -> None:
    assert limits_of(Profile.UNKNOWN, {"reads": 5000}).reads == 5000
    assert limits_of(Profile.S7_1200, {"reads": 1000}).reads == 100
    assert limits_of(Profile.S7_1500, {"monitored": 50}).monitored == 50
    assert limits_of(Profile.S7_1200, {}).items == 1000


def test_chunks_are_in_order_and_of_the_size() -> None:
    assert list(chunks([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(chunks([], 2)) == []


def test_a_request_that_is_too_large_is_halved_until_it_fits() -> None:
    sizes: list[int] = []

    async def ask(part: Sequence[int]) -> Sequence[int]:
        sizes.append(len(part))
        if len(part) > 3:
            raise UaStatusCodeError(ua.StatusCodes.BadTooManyOperations)
        return [one * 10 for one in part]

    assert asyncio.run(in_chunks(list(range(10)), 10, ask)) == [one * 10 for one in range(10)]
    assert sizes == [10, 5, 3, 2, 5, 3, 2]


def test_another_refusal_is_not_answered_by_smaller_requests() -> None:
    async def ask(_part: Sequence[int]) -> Sequence[int]:
        raise UaStatusCodeError(ua.StatusCodes.BadUserAccessDenied)

    with pytest.raises(UaStatusCodeError):
        asyncio.run(in_chunks([1, 2], 2, ask))


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**/Temp*", ("Drum", "Upper", "Temp1"), True),
        ("**/Temp*", ("Temp1",), True),
        ("**/Temp*", ("Temp", "Unit"), False),
        ("Drum/*", ("Drum", "Level"), True),
        ("Drum/*", ("Drum", "Upper", "Level"), False),
        ("**", ("any", "thing"), True),
        ("Drum/**", ("Drum",), True),
        ("T?", ("T1",), True),
        ("T?", ("T12",), False),
        ("T[1]", ("T[1]",), True),
        ("*", ("a/b",), True),
    ],
)
def test_globs_are_over_names(pattern: str, path: tuple[str, ...], fits: bool) -> None:
    assert Globs([pattern]).fit(path) is fits
