"""Case folders of sinks: config.toml, input.jsonl, expected.jsonl (lines, or the rows that query.sql answers)."""

import json
from pathlib import Path
from typing import Any

from streamforge.progress import Stored
from tests.transforms.cases import CASES, inputs


def folders(kind: str) -> list[Path]:
    """The case folders of one sink."""
    return sorted(path for path in (CASES / kind).iterdir() if path.is_dir())


def records(folder: Path) -> list[Stored]:
    """What stands on telemetry.clean."""
    return list(inputs(folder, "telemetry.clean"))


def expected(folder: Path) -> list[Any]:
    """What the target holds afterwards, in order."""
    return [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]
