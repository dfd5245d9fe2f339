"""One page with its peers for each module of tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web import peers


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Gateway]:
    """A gateway with a silent boiler and a database that is away; one scan has arrived."""
    with peers.gateway(tmp_path_factory.mktemp("gateway"), peers.troubled()) as made:
        made.feed(1)
        yield made


@pytest.fixture
def browser(gateway: peers.Gateway) -> peers.Browser:
    """A client that is logged in (without the half second that a password takes)."""
    client = peers.Browser(gateway.port)
    client.cookie = gateway.session()
    return client


@pytest.fixture
def stranger(gateway: peers.Gateway) -> peers.Browser:
    """A client that is not."""
    return peers.Browser(gateway.port)


@pytest.fixture
def healthy(tmp_path: Path) -> Iterator[peers.Gateway]:
    """A gateway in which nothing is wrong."""
    with peers.gateway(tmp_path, peers.healthy()) as made:
        made.feed(1)
        yield made
