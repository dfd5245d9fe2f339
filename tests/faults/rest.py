"""Brings a running chain to rest: what the adapter has read is on the log, and every target has it."""

import time
from functools import partial

from streamforge.model import Topic
from tests.faults import log
from tests.faults.gateway import ADAPTER, VALIDATOR, Gateway

REST_SECONDS = 180.0
QUIET_SECONDS = 0.5
RAW, CLEAN = Topic.TELEMETRY_RAW.value, Topic.TELEMETRY_CLEAN.value


def come_to_rest(gateway: Gateway) -> None:
    """Stop the adapter in order, and wait until validator and sinks stand at the ends of their topics."""
    gateway.stop(ADAPTER)
    end = log.end(gateway.admin, RAW)
    gateway.wait_for("the validator at the end of raw", lambda: _has_validated(gateway, end), REST_SECONDS)
    end = _resting_end(gateway)
    for sink in gateway.sinks:
        gateway.wait_for(f"{sink} at {end}", partial(_has_delivered, gateway, sink, end), REST_SECONDS)


def _resting_end(gateway: Gateway) -> int:
    """What the validator has read is on its way for a moment yet."""
    end = -1
    while end != (now := log.end(gateway.admin, CLEAN)):
        end = now
        time.sleep(QUIET_SECONDS)
    return end


def _has_delivered(gateway: Gateway, sink: str, end: int) -> bool:
    return gateway.positions(sink).get(CLEAN, 0) >= end


def _has_validated(gateway: Gateway, end: int) -> bool:
    stages = gateway.health(VALIDATOR)["details"]["stages"]
    return bool(stages) and all(stage["next_offset"] >= end for stage in stages)
