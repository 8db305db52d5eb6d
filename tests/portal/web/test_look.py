"""The look: colours that can be read, icons that exist, and pages that the content security policy allows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOKENS = (ROOT / "static/css/tokens.css").read_text()
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))

# Foreground and background, as they meet on pages.
TEXT_PAIRS = [
    *[
        (ink, paper)
        for ink in ("ink", "ink-soft", "accent", "danger")
        for paper in ("paper", "surface", "sunk")
    ],
    *[(tone, f"{tone}-soft") for tone in ("accent", "info", "success", "warning", "danger")],
    *[("ink", f"{tone}-soft") for tone in ("accent", "info", "success", "warning", "danger")],
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("on-danger", "danger"),
    ("on-danger", "danger-strong"),
    ("danger-strong", "danger-soft"),
    ("on-bar", "bar"),
    ("on-bar", "bar-raised"),
    ("on-bar-soft", "bar"),
    ("on-bar-soft", "bar-raised"),
    ("threshold", "surface"),
    ("threshold", "sunk"),
]
# Borders of fields, the focus, bars and ticks.
SHAPE_PAIRS = [
    *[(line, paper) for line in ("line-strong", "focus", "threshold") for paper in ("paper", "surface")],
    ("line-strong", "sunk"),
    ("accent", "sunk"),
    ("bar-threshold", "bar"),
]


def colours(theme: str) -> dict[str, str]:
    light, dark = TOKENS.split("@media screen and (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    if theme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))
    return found


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2.2 defines it."""
    shares = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("least", "pairs"), [(4.5, TEXT_PAIRS), (3.0, SHAPE_PAIRS)], ids=["text", "shapes"])
def test_colours_that_meet_can_be_told_apart(theme: str, least: float, pairs: list[tuple[str, str]]) -> None:
    known = colours(theme)
    weak = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < least} == {}


def test_every_icon_that_a_page_names_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/icons.svg").read_text()))
    for template in TEMPLATES:
        named = set(re.findall(r"""(?:ui\.icon|draw|ui\.empty)\(["']([\w-]+)["']""", template.read_text()))
        assert named <= drawn, f"{template.name} names {named - drawn}"


def test_no_page_has_inline_script_or_style() -> None:
    for template in TEMPLATES:
        text = template.read_text()
        assert not re.search(r"<style|\sstyle=|\son\w+=\"|<script(?![^>]*\bsrc=)", text), template.name


def test_the_lock_of_the_browser_packages_names_hashes_and_no_address() -> None:
    text = (ROOT / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert {name for name, entry in packages.items() if name and "integrity" not in entry} == set()
