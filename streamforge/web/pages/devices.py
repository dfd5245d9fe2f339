"""Devices: every asset with its parameters: last value, unit, quality, age."""

from dataclasses import dataclass

from streamforge.web import sparkline
from streamforge.web.last_values import LastValue
from streamforge.web.snapshot import Device
from streamforge.web.view import View, render

PATH, NAME, TITLE = "/devices", "devices", "Devices"
# The page has a weight limit: more parameters than this, and each device shows its first few and leads to the rest.
MOST_ROWS, FEW_ROWS, MOST_ROWS_ALONE, MOST_CARDS = 160, 6, 300, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One asset as the page shows it; `device` is None where no running adapter reads it."""

    asset_id: str
    device: Device | None
    values: tuple[LastValue, ...]
    hidden: int
    path: str
    caption: str
    span_seconds: float


def blocks(view: View) -> dict[str, str]:
    """One part per asset, or the empty state."""
    alone = view.query.get("asset", "")
    known = sorted({*view.values.assets(), *(one.asset_id for one in view.snapshot.devices)})
    assets = [asset for asset in known if not alone or asset == alone]
    if not assets:
        return {"devices": render("devices_empty", alone=alone)}
    rows = sum(len(view.values.of(asset)) for asset in assets[:MOST_CARDS])
    most = MOST_ROWS_ALONE if alone else MOST_ROWS if rows <= MOST_ROWS else FEW_ROWS
    parts = {"intro": render("devices_intro", view=view, alone=alone, assets=assets[MOST_CARDS:], total=len(known))}
    for number, asset in enumerate(assets[:MOST_CARDS]):
        parts[f"device-{number}"] = render("device", view=view, card=card(view, asset, most))
    return parts


def card(view: View, asset_id: str, most_rows: int) -> Card:
    """What there is to show of one asset."""
    values = view.values.of(asset_id)
    caption, points, span_seconds = view.values.trace(asset_id)
    return Card(
        asset_id=asset_id,
        device=next((one for one in view.snapshot.devices if one.asset_id == asset_id), None),
        values=values[:most_rows],
        hidden=max(0, len(values) - most_rows),
        path=sparkline.path(points),
        caption=caption,
        span_seconds=span_seconds,
    )
