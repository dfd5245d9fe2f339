"""The chains' own log: whole records alone stand on it, whatever other tests write to theirs."""

from collections.abc import Iterator

import pytest

from streamforge.gateway.throwaway import ThrowAwayBroker
from tests.broker import new_broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowAwayBroker]:
    with new_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
