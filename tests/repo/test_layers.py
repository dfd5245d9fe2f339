"""Imports go down only, in the order of the architecture, and never round in a circle."""

import pytest

from tests.repo.tree import imports, modules

ORDER = (
    {"errors", "model", "progress", "counting", "incarnations"},
    {"codec", "config"},
    {"notify", "logs", "metrics", "health", "backoff", "clock", "barrier", "pressure", "durable"},
    {"service"},
    {"bus"},
    {"adapters"},
    {"transforms"},
    {"sinks"},
    {"gateway"},
    {"web"},
    {"control"},
    {"historian", "sql"},
    {"sim"},
    {"bench"},
    {"cli"},
    {"__main__"},
)
LAYER = {name: number for number, names in enumerate(ORDER) for name in names}
BELOW_EVERYTHING = ORDER[0]


def subject(module: str) -> str:
    """`streamforge.bus.reader` -> bus."""
    return module.split(".")[1] if "." in module else ""


def own(module: str) -> set[str]:
    return {name for name in imports(module) if name.startswith("streamforge.")}


def test_every_module_has_its_layer() -> None:
    assert {subject(module) for module in modules()} - {""} <= LAYER.keys()


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_go_down(module: str) -> None:
    here = subject(module)
    up = {name for name in own(module) if here and LAYER[subject(name)] > LAYER[here]}
    assert not up, f"{module} imports what stands above it"


def test_no_circle() -> None:
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above[above.index(module) :], module))
        if module not in done:
            for name in sorted(own(module) & modules().keys()):
                visit(name, (*above, module))
            done.add(module)

    for module in sorted(modules()):
        visit(module, ())


def importers(*names: str) -> set[str]:
    return {subject(module) for module in modules() for name in imports(module) if name.split(".")[0] in names}


def test_only_the_bus_knows_the_kafka_client() -> None:
    assert importers("kafka") <= {"bus"}


def test_the_gateway_knows_no_adapter_and_no_sink() -> None:
    found = {name for module in modules() if subject(module) == "gateway" for name in own(module)}
    assert not {name for name in found if subject(name) in {"adapters", "sinks"}}


def test_adapters_transforms_and_sinks_do_not_know_each_other() -> None:
    three = {"adapters", "transforms", "sinks"}
    crossing = {
        (module, name)
        for module in modules()
        for name in own(module)
        if subject(module) in three and subject(name) in three and subject(module) != subject(name)
    }
    assert not crossing


@pytest.mark.parametrize("module", sorted(f"streamforge.{name}" for name in BELOW_EVERYTHING))
def test_the_language_needs_the_standard_library_alone(module: str) -> None:
    assert {subject(name) for name in own(module)} <= BELOW_EVERYTHING
    assert not imports(module) & {"fastavro", "orjson", "kafka", "bottle"}
