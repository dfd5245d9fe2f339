"""A trace as the path of a small SVG, drawn by the server. Pure."""

from collections.abc import Sequence

WIDTH, HEIGHT = 110, 26
_MARGIN = 2


def path(points: Sequence[float]) -> str:
    """The path through the points, scaled to WIDTH x HEIGHT; "" for fewer than two."""
    if len(points) < 2:
        return ""
    low, high = min(points), max(points)
    # A signal that stands still is a line in the middle, not noise blown up to full height.
    least_span = max(abs(high), abs(low)) * 0.001 or 1.0
    span = max(high - low, least_span)
    middle = (high + low) / 2
    step = WIDTH / (len(points) - 1)
    room = HEIGHT - 2 * _MARGIN
    places = (
        f"{index * step:.0f} {HEIGHT / 2 - (point - middle) / span * room:.1f}" for index, point in enumerate(points)
    )
    return "M" + "L".join(places)
