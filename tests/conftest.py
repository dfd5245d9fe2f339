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


def pytest_addoption(parser: pytest.Parser) -> None:
    """--slow runs what takes many minutes."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too (virtual machine)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --slow, tests marked slow are skipped."""
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: only with --slow"))
