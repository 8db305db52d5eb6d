"""Faces that are compared are brought to one place and size."""

from __future__ import annotations

import math
import re

import pytest

from portal.web.duplicates.aligning import ARCFACE, PLACES, SIDE, alignment


def placed(landmarks: list[tuple[float, float]]) -> list[complex]:
    """Where the transform that SVG is told brings each landmark."""
    numbers = re.fullmatch(r"matrix\((.+)\)", alignment(landmarks))
    assert numbers is not None
    a, b, c, d, e, f = map(float, numbers[1].split())
    return [complex(a * x + c * y + e, b * x + d * y + f) for x, y in landmarks]


@pytest.mark.parametrize(("scale", "degrees", "shift"), [(1, 0, 0), (7.5, 30, 400 + 90j), (0.2, -170, -5j)])
def test_a_face_comes_to_its_place_however_it_is_in_the_photo(
    scale: float, degrees: float, shift: complex
) -> None:
    turn = scale * complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    points = [turn * point + shift for point in ARCFACE]
    found = placed([(point.real, point.imag) for point in points])
    assert max(abs(one - place) for one, place in zip(found, PLACES, strict=True)) < 0.01


def test_the_whole_head_is_in_the_square() -> None:
    left, right = PLACES[0], PLACES[1]
    eyes = (left + right) / 2
    apart = abs(right - left)
    # A head is about five eye distances high, with the eyes in its middle.
    assert 2 * apart < eyes.imag < SIDE - 2.5 * apart
    assert left.real < SIDE / 2 < right.real


def test_a_mirrored_face_is_not_turned_into_another() -> None:
    mirrored = [(-point.real, point.imag) for point in ARCFACE]
    assert max(abs(one - place) for one, place in zip(placed(mirrored), PLACES, strict=True)) > 5
