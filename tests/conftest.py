"""Fixtures and rules for the whole suite."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

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


def pytest_configure(config: pytest.Config) -> None:
    """Short paths for temporary files: a Unix socket's has at most 107 bytes (unix(7))."""
    if not config.option.basetemp:
        base = Path(tempfile.mkdtemp(prefix="sf-"))
        config.option.basetemp = base
        config.add_cleanup(lambda: shutil.rmtree(base, ignore_errors=True))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --slow, tests marked slow are skipped."""
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: only with --slow"))
