"""The metrics of all units as one text, each sample with a `unit` label (Prometheus text format 0.0.4). Pure."""

import re
from collections.abc import Mapping

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<rest>.+)")
_SUFFIXES = ("_bucket", "_count", "_sum", "_created", "_total")


def join(texts: Mapping[str, str | None]) -> str:
    """`texts`: unit -> what it answered, None where it did not; each family stands once, with its HELP and TYPE."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for unit, text in sorted(texts.items()):
        _sort_in(unit, text or "", heads, samples)
    lines = [line for family, found in samples.items() for line in [*heads.get(family, ()), *found]]
    lines += ["# HELP streamforge_unit_answers 1 where the unit answered", "# TYPE streamforge_unit_answers gauge"]
    lines += [
        f"streamforge_unit_answers{{{_label(unit)}}} {0 if text is None else 1}" for unit, text in sorted(texts.items())
    ]
    return "\n".join(lines) + "\n"


def _sort_in(unit: str, text: str, heads: dict[str, list[str]], samples: dict[str, list[str]]) -> None:
    declared: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            declared.setdefault(line.split(" ", 3)[2], []).append(line)
        elif (match := _SAMPLE.fullmatch(line)) is not None:
            family = _family(match["name"], declared)
            heads.setdefault(family, declared.get(family, []))
            labels = f"{match['labels'].rstrip(',')}," if match["labels"] else ""
            samples.setdefault(family, []).append(f"{match['name']}{{{labels}{_label(unit)}}} {match['rest']}")


def _family(name: str, declared: Mapping[str, object]) -> str:
    if name in declared:
        return name
    stems = (name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix))
    return next((stem for stem in stems if stem in declared), name)


def _label(unit: str) -> str:
    escaped = unit.replace("\\", "\\\\").replace('"', '\\"')
    return f'unit="{escaped}"'
