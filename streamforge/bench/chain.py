"""`streamforge bench chain`: simulated Modbus server -> adapter -> broker -> validator, aggregator -> file sink."""

import argparse
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from streamforge.bench.measure import Usage, device_flushes, histogram_of, quantile, usage
from streamforge.bench.site import Site
from streamforge.gateway.throwaway import ThrowAwayBroker, free_port

WARM_UP_SECONDS = 8.0
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is read: `points` registers over `devices`, every `interval_ms` (0 = as fast as the adapter can)."""

    seconds: float
    points: int
    devices: int
    interval_ms: int
    only_adapter: bool

    @property
    def registers(self) -> int:
        """Registers of one device."""
        return self.points // self.devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All figures of one moment."""

    at_seconds: float
    usages: dict[str, Usage]
    read: int
    flushes: int | None
    ages: dict[float, float]


def run(arguments: list[str]) -> int:
    """Measure and print a table, and as last line one JSON object."""
    load = _load(arguments)
    directory = Path(os.environ.get("STREAMFORGE_BENCH_DIRECTORY", TemporaryDirectory(prefix="streamforge-").name))
    directory.mkdir(parents=True, exist_ok=True)
    with ThrowAwayBroker(directory / "broker") as broker, Site(directory / "site", broker) as site:
        units = _start(site, load)
        site.wait_for("the first readings", lambda: _read(site, units["adapter"]) > 0)
        time.sleep(WARM_UP_SECONDS)
        before = _snapshot(site, units)
        time.sleep(load.seconds)
        after = _snapshot(site, units)
    print(_report(load, before, after))
    return 0


def _load(arguments: list[str]) -> Load:
    parser = argparse.ArgumentParser(prog="streamforge bench chain", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to measure after the warm-up")
    parser.add_argument("--points", type=int, default=2000, help="registers in all (INT16)")
    parser.add_argument("--devices", type=int, default=10, help="devices that share them")
    parser.add_argument("--interval", type=int, default=100, help="milliseconds between scans; 0 = unpaced")
    parser.add_argument("--adapter", action="store_true", help="the adapter alone, delivered to the log")
    found = parser.parse_args(arguments)
    return Load(
        seconds=found.seconds,
        points=found.points,
        devices=found.devices,
        interval_ms=found.interval,
        only_adapter=found.adapter,
    )


def _start(site: Site, load: Load) -> dict[str, str]:
    port = free_port()
    site.write("adapters/modbus-tcp/bench.toml", adapter_toml(load, port))
    site.write("sinks/file/bench.toml", 'layout = "batch"\n')
    site.start("sim", "web", "sim", "--port", str(port), "--load", f"{load.devices}x{load.registers}")
    units = {"adapter": site.adapter("modbus-tcp", "bench")}
    if not load.only_adapter:
        units["validator"] = site.transform("validator")
        units["aggregator"] = site.transform("aggregator")
        units["file"] = site.sink("file", "bench")
    return units


def adapter_toml(load: Load, port: int) -> str:
    """The configuration of the measured adapter: INT16 holding registers from 0 on each unit id."""
    return unit_toml(str(port), devices=load.devices, registers=load.registers, interval_ms=load.interval_ms)


def unit_toml(port: str, *, devices: int, registers: int, interval_ms: int) -> str:
    """A modbus-tcp configuration: so many INT16 holding registers from 0 on each unit id from 1."""
    head = f'poll_interval_ms = {interval_ms}\npipeline_id = "bench"\n\n[source]\nhost = "127.0.0.1"\nport = {port}\n'
    return head + "".join(_device_toml(number, registers) for number in range(1, devices + 1))


def _device_toml(number: int, registers: int) -> str:
    tags = "".join(f'  {{ param = "register_{i}", at = "HR{i}", type = "int16" }},\n' for i in range(registers))
    return f'\n[[devices]]\nasset_id = "device_{number}"\nunit_id = {number}\ntags = [\n{tags}]\n'


def _read(site: Site, unit: str) -> int:
    rows = site.health(unit)["details"]["ledger"]
    return int(rows[-1]["read"]) if rows else 0


def _snapshot(site: Site, units: dict[str, str]) -> Snapshot:
    pids = {name: site.processes[unit].pid for name, unit in units.items()}
    pids["broker"] = site.broker.pid
    pids["sim"] = site.processes["sim"].pid
    ages = histogram_of(site.metrics(units["file"]), "streamforge_delivery_seconds") if "file" in units else {}
    return Snapshot(
        at_seconds=time.monotonic(),
        usages={name: usage(pid) for name, pid in pids.items()},
        read=_read(site, units["adapter"]),
        flushes=device_flushes(site.directory),
        ages=ages,
    )


def _report(load: Load, before: Snapshot, after: Snapshot) -> str:
    seconds = after.at_seconds - before.at_seconds
    read = after.read - before.read
    figures: dict[str, object] = {"readings_per_second": round(read / seconds), "seconds": round(seconds, 1)}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    work = f"{load.devices} devices x {load.registers} INT16 registers every {load.interval_ms} ms"
    lines = [f"{machine}; {work}: {read / seconds:,.0f} readings/s"]
    lines.append(f"{'stage':<12}{'CPU us/reading':>16}{'CPU %':>8}{'RSS MiB':>9}")
    for name, end in after.usages.items():
        cpu = end.cpu_seconds - before.usages[name].cpu_seconds
        per_reading = cpu / read * 1e6 if read else float("nan")
        figures[f"{name}_us"], figures[f"{name}_rss_mb"] = round(per_reading, 2), round(end.rss_bytes / MEBIBYTE, 1)
        lines.append(f"{name:<12}{per_reading:>16.2f}{100 * cpu / seconds:>8.1f}{end.rss_bytes / MEBIBYTE:>9.1f}")
    chain = sum(float(str(figures[f"{name}_us"])) for name in after.usages if name not in {"broker", "sim"})
    figures["chain_us"] = round(chain, 2)
    ages = {bound: count - before.ages.get(bound, 0.0) for bound, count in after.ages.items()}
    if ages:
        figures["p50_s"], figures["p99_s"] = round(quantile(ages, 0.5), 3), round(quantile(ages, 0.99), 3)
        lines.append(f"end to end: p50 {figures['p50_s']} s, p99 {figures['p99_s']} s; chain {chain:.2f} us a reading")
    if after.flushes is not None and before.flushes is not None:
        figures["flushes_per_second"] = round((after.flushes - before.flushes) / seconds, 2)
        lines.append(f"device flushes: {figures['flushes_per_second']}/s (the whole disk's, other programs included)")
    return "\n".join([*lines, json.dumps(figures)])
