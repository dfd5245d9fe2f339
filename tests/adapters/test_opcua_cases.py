"""Every folder of tests/cases/opcua: a configuration, what a server notifies, and the batches that come of it.

values.json: in order, what one notification holds: the parameter, the variant's type and value, and where they are not
Good and given: status, source and server time (microseconds; null = none).
expected.json: the batches: value, quality, reason and time of each parameter; `lost` counts overflows.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from streamforge.adapters.base import Batch
from streamforge.adapters.opcua_config import OpcUaConfig
from streamforge.adapters.opcua_items import ItemTable, batches, item_of
from streamforge.config import load

CASES = sorted((Path(__file__).parents[1] / "cases" / "opcua").iterdir())


def moment(time_us: int | None) -> datetime | None:
    return None if time_us is None else datetime.fromtimestamp(time_us / 1_000_000, UTC).replace(tzinfo=None)


def note(one: dict[str, Any], handle: int) -> Any:
    data = ua.DataValue(
        Value=ua.Variant(one.get("value"), ua.VariantType[one["type"]] if "type" in one else None),
        StatusCode=ua.StatusCode(int(one.get("status", "0"), 16)),
        SourceTimestamp=moment(one.get("source")),
        ServerTimestamp=moment(one.get("server")),
    )
    return ua.MonitoredItemNotification(ClientHandle=handle, Value=data)


def shown(batch: Batch) -> dict[str, Any]:
    times = batch.device_times_us
    return {
        "asset_id": batch.asset_id,
        "readings": [
            {
                "param": name,
                "value": batch.others.get(i, batch.values[i]),
                "kind": batch.names.kinds[i],
                "quality": batch.qualities[i] if batch.qualities else 0,
                "reason": batch.reasons.get(i, ""),
                "time": times[0] if len(times) == 1 else times[i],
            }
            for i, name in enumerate(batch.names.parameters)
        ],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_case(case: Path) -> None:
    table = ItemTable(item_of(asset_id, row) for asset_id, row in load(case / "config.toml", OpcUaConfig).rows())
    handles = {item.parameter: handle for handle, item in table.items.items()}
    notes = [note(one, handles[one["param"]]) for one in json.loads((case / "values.json").read_text())]
    found = [shown(batch) for batch in batches(table.take(notes))]
    expected = json.loads((case / "expected.json").read_text())
    assert found == expected["batches"]
    assert table.lost == expected["lost"]
