"""A whole gateway as processes in one directory: every unit of the chain as its own process, started as systemd would.

The broker runs under the real `streamforge kafka`, its doctor before it; directory and disk may be cut. The simulated
plant and the customer's database stand outside.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from streamforge.adapters.epochs import noted
from streamforge.bench.chain import Load, adapter_toml
from streamforge.bench.site import Site
from streamforge.bus.connection import Connection
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port
from streamforge.incarnations import FILE as INCARNATIONS

PLANT, KAFKA, SYNCD = "sim", "kafka", "streamforge-syncd"
ADAPTER, VALIDATOR, AGGREGATOR = (
    "streamforge-adapter-modbus-tcp@line",
    "streamforge-transform-validator",
    "streamforge-transform-aggregator",
)
FILE, DATABASE = "streamforge-sink-file@out", "streamforge-sink-postgres@customer"
CHAIN = (ADAPTER, VALIDATOR, AGGREGATOR)
# What the units say (RestartSec=).
RESTART_SECONDS = 1.0
READY_SECONDS = 180.0
# Register 3 of unit 2 shows 203 and 204 in turns: a reading in every other second's scans is taken out.
REJECTS_SOME = """
[[rules]]
asset = "device_2"
parameter = "register_3"
min = 0
max = 203.5
"""
LOAD = Load(seconds=0, points=60, devices=3, interval_ms=100, only_adapter=False)


class Gateway(Site):
    """The units of one gateway in `directory`, with the principals and ports of `broker`, whose log lies in there."""

    def __init__(self, directory: Path, broker: ThrowAwayBroker) -> None:
        super().__init__(directory, broker)
        self.output = broker.log.parent  # the plant's must not keep a disk that is cut busy
        self.sinks: list[str] = []
        self._plant_port = free_port()

    def __enter__(self) -> Self:
        return self

    def environment(self, unit: str, principal: str) -> dict[str, str]:
        """What systemd and the image would give the unit; the broker's supervisor needs to know more."""
        own = super().environment(unit, principal)
        if unit == KAFKA:
            broker = self.broker.broker
            own |= {
                "CREDENTIALS_DIRECTORY": str(broker.credentials),
                "RUNTIME_DIRECTORY": str(broker.work),
                "STREAMFORGE_KAFKA_ARCHIVE": str(broker.archive),
                "STREAMFORGE_CONTROLLER_PORT": str(broker.controller_port),
            }
        return own

    @property
    def admin(self) -> Connection:
        """The judge's way to the log, with the incarnations that the doctor opened."""
        made = self.broker.connection("admin")
        return Connection(
            bootstrap=made.bootstrap,
            username=made.username,
            password=made.password,
            client_id=made.client_id,
            incarnations_file=self.run / INCARNATIONS,
        )

    def configure(self, load: Load = LOAD) -> None:
        """The configuration of the chain, without sinks."""
        (self.broker.credentials / "kafka-password").write_text(self.broker.passwords["kafka"])
        self.write("adapters/modbus-tcp/line.toml", adapter_toml(load, self._plant_port))
        self.write("transforms/validator.toml", REJECTS_SOME)

    def plant(self, load: Load = LOAD) -> None:
        """Start the simulated plant; it is not the gateway's."""
        size = f"{load.devices}x{load.registers}"
        self.start(PLANT, "web", "sim", "--port", str(self._plant_port), "--load", size)

    def start_unit(self, unit: str) -> None:
        """Start one unit, as its unit file says."""
        kind, _, instance = unit.partition("@")
        kind = kind.removeprefix("streamforge-")
        if unit == KAFKA:
            self._tool("doctor")
            self.start(KAFKA, "kafka", "kafka")
        elif unit == SYNCD:
            self.barrier()
        else:
            role, _, name = kind.partition("-")
            self.start(unit, kind, *([role, name, instance] if instance else [role, name]))

    def boot(self, units: tuple[str, ...] | None = None) -> None:
        """Start everything in the order of a boot; `units` come after the broker, by default all.

        As with systemd they go on where `streamforge-reconcile` ends with an error, and it is started again.
        """
        self.start_unit(SYNCD)
        self.start_unit(KAFKA)
        self.wait_until_ready()
        has_said = self._tool("reconcile")
        for unit in (*CHAIN, *self.sinks) if units is None else units:
            self.start_unit(unit)
        if not has_said:
            self.wait_for("what the cut has cost", lambda: self._tool("reconcile"), READY_SECONDS)

    def wait_until_ready(self) -> None:
        """Until the broker let its canary through."""
        self.wait_for("the broker", lambda: self.health(KAFKA)["state"] == "HEALTHY", READY_SECONDS)

    def _tool(self, name: str) -> bool:
        """Run it to its end; whether that was a good one."""
        environment = self.environment(KAFKA if name == "doctor" else f"streamforge-{name}", name)
        with (self.output / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "streamforge", name]
            return not subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode

    @property
    def jvm(self) -> int:
        """Process id of the broker's JVM, the one child of its supervisor."""
        pid = self.processes[KAFKA].pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def kill_broker(self, draw: random.Random) -> None:
        """kill -9 of the JVM or of its supervisor: either takes the other with it."""
        jvm = self.jvm
        os.kill(draw.choice((jvm, self.processes[KAFKA].pid)), 9)
        self.processes.pop(KAFKA).wait(READY_SECONDS)
        deadline = time.monotonic() + READY_SECONDS
        while Path(f"/proc/{jvm}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def kill_all(self) -> None:
        """What a power cut does to the processes of the gateway; the plant goes on."""
        ended = [self.processes.pop(unit) for unit in list(self.processes) if unit != PLANT]
        for process in ended:
            process.kill()
        for process in ended:
            process.wait()

    def forget_run(self) -> None:
        """What a boot finds in the runtime directory: nothing."""
        for path in self.run.iterdir():
            path.unlink()

    def acknowledged(self) -> int:
        """Readings of its epoch that the adapter was told are on the log."""
        rows = self.health(ADAPTER)["details"]["ledger"]
        return int(rows[-1]["read"]) if rows else 0

    def waiting_bytes(self) -> float:
        """Encoded bytes that the adapter has and the log has not acknowledged."""
        return float(self.health(ADAPTER)["details"]["waiting_bytes"])

    def noted(self) -> dict[int, int]:
        """What the adapter noted on its disk: by epoch, the readings that the log acknowledged."""
        counts = noted(self.directory / "state")["line"]
        return {count.epoch: count.read - count.dropped for count in counts}

    def delivered(self, sink: str) -> int:
        """Readings that a sink says it has written."""
        progress = self.health(sink)["details"]["progress"]
        return sum(row[2] for row in json.loads(progress)["counts"]) if progress else 0

    def positions(self, sink: str) -> dict[str, int]:
        """The next offset of each topic that a sink holds."""
        progress = self.health(sink)["details"]["progress"]
        return {row[0]: row[2] for row in json.loads(progress)["positions"]} if progress else {}
