"""Contrast AA (WCAG 2.2, 1.4.3 and 1.4.11), computed from the sheet, light and dark."""

import re

import pytest

from streamforge.web.view import FOLDER

SHEET = (FOLDER / "page.css").read_text()
TEXT, SHAPE = 4.5, 3.0
PAIRS = [
    *[(text, ground, TEXT) for text in ("text", "muted", "accent", "high") for ground in ("surface", "bg")],
    *[("text", f"{name}-bg", TEXT) for name in ("critical", "high", "medium", "low")],
    *[("accent", f"{name}-bg", TEXT) for name in ("critical", "high", "medium", "low")],
    *[("on", name, TEXT) for name in ("critical", "high", "medium", "low", "accent")],
    *[(name, f"{name}-bg", SHAPE) for name in ("critical", "high", "medium", "low")],
    ("muted", "surface", SHAPE),
]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))


LIGHT = colours(SHEET.split("@media")[0])
DARK = LIGHT | colours(SHEET.split("prefers-color-scheme: dark")[1].split("* {")[0])


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast_is_enough(scheme: dict[str, str], front: str, ground: str, least: float) -> None:
    assert contrast(scheme[front], scheme[ground]) >= least


def test_every_button_is_as_large_as_a_glove_needs() -> None:
    assert "--tap: 48px" in SHEET
    for selector in (r"\.button \{", r"nav a \{", r"input, select \{"):
        rule = re.search(selector + r"[^}]*", SHEET)
        assert rule is not None
        assert "min-height: var(--tap)" in rule[0]


def test_nothing_blinks_and_nothing_is_fetched_from_elsewhere() -> None:
    for word in ("animation", "@import", "http:", "https:", "url("):
        assert word not in SHEET
