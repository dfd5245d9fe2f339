"""Fixtures and rules for the whole suite."""

from collections.abc import Iterator

import pytest

from streamforge.gateway.throwaway import ThrowAwayBroker
from tests.broker import new_broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowAwayBroker]:
    """One running broker with the shipped topics, users and rights for all tests marked `broker`."""
    with new_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
