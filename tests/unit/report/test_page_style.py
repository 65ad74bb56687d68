"""The colors of the pages: every text has enough contrast with what it stands on, in light, dark and print."""

import re
from importlib.resources import files

import pytest

from ppcdeps.model.gap import Cause, RouteKind
from ppcdeps.report.page.meanings import CAUSES, ROUTES

STYLE = files("ppcdeps").joinpath("data", "page", "style.css").read_text("utf-8")
BACKGROUNDS = ("page", "card", "hover")
TEXTS = ("ink", "soft", "accent", "there", "reuse", "build", "pip", "enable", "blocked", "root")
PALETTES = [dict(re.findall(r"--(\w+): (#\w+);", block)) for block in re.findall(r"\{[^{}]*--page:[^{}]*\}", STYLE)]


def luminance(color: str) -> float:
    """Of #rgb or #rrggbb, by WCAG 2.2."""
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", PALETTES, ids=("light", "dark by the button", "dark by the system", "print"))
def test_texts_have_the_contrast_of_level_aa(palette: dict[str, str]) -> None:
    low = {
        f"{text} on {background}": round(found, 2)
        for text in TEXTS
        for background in BACKGROUNDS
        if (found := contrast(palette[text], palette[background])) < 4.5
    }
    assert low == {}


def test_both_dark_palettes_are_the_same() -> None:
    assert PALETTES[1] == PALETTES[2] != PALETTES[0]


def test_every_cause_and_route_has_a_meaning() -> None:
    assert CAUSES.keys() == set(Cause)
    assert ROUTES.keys() == set(RouteKind)
