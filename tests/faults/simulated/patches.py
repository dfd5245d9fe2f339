"""Puts simulated time, randomness and clients in the places where the components look for the real ones."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from unittest.mock import patch

import streamforge.adapters.component
import streamforge.adapters.peers
import streamforge.adapters.poller
import streamforge.backoff
import streamforge.bus.producer
import streamforge.bus.reader
import streamforge.bus.second_look
import streamforge.clock
import streamforge.sinks.last_progress
import streamforge.sinks.runner
import streamforge.transforms.runner
from streamforge.errors import StreamForgeError
from tests.faults.simulated import segment
from tests.faults.simulated.client import SimulatedConsumer, SimulatedProducer
from tests.faults.simulated.clock import Clock
from tests.faults.simulated.commit import SimulatedCommit
from tests.faults.simulated.life import Life

LOOK_AT_TIME = (
    streamforge.adapters.component,
    streamforge.adapters.peers,
    streamforge.adapters.poller,
    streamforge.bus.producer,
    streamforge.bus.reader,
    streamforge.bus.second_look,
    streamforge.clock,
    import_module("streamforge.gateway.ledger.take"),  # the package has a function of that name
    streamforge.sinks.last_progress,
    streamforge.sinks.runner,
    streamforge.transforms.runner,
)


@contextmanager
def simulated(
    clock: Clock, draw: Random, life_at: Callable[[str], Life], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> Iterator[None]:
    """While inside, the components live in the simulated world; `life_at` knows whose bootstrap address it is."""

    def producer(*, bootstrap_servers: str, **rest: object) -> SimulatedProducer:
        linger_ms = rest["linger_ms"]
        assert isinstance(linger_ms, int)
        return SimulatedProducer(life_at(bootstrap_servers), linger_ms=linger_ms)

    def consumer(*, bootstrap_servers: str, **rest: object) -> SimulatedConsumer:
        most = rest["max_poll_records"]
        assert isinstance(most, int)
        return SimulatedConsumer(life_at(bootstrap_servers), max_poll_records=most)

    def commit(directory: Path, failed: Callable[[StreamForgeError], None]) -> SimulatedCommit:
        return SimulatedCommit(life_at(str(directory)), failed)

    logger = logging.getLogger("streamforge")
    with ExitStack() as undo:
        for module in LOOK_AT_TIME:
            undo.enter_context(patch.object(module, "time", clock))
        undo.enter_context(patch.object(streamforge.backoff, "_random", draw))
        undo.enter_context(patch.object(streamforge.bus.producer, "KafkaProducer", producer))
        undo.enter_context(patch.object(streamforge.bus.producer, "GroupCommit", commit))
        undo.enter_context(patch.object(streamforge.bus.reader, "KafkaConsumer", consumer))
        undo.enter_context(patch.object(streamforge.bus.second_look, "fetch", segment.fetch))
        undo.enter_context(patch.object(asyncio, "new_event_loop", new_loop))
        undo.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL + 1)
        yield
