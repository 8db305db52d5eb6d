"""The transform that brings a face to where a recogniser expects it."""

from __future__ import annotations

import numpy as np
import pytest
from insightface.utils.face_align import estimate_norm

from jobs.faces.alignment import arcface_landmarks, scale_of, similarity


def test_a_known_turn_is_found_again() -> None:
    source = np.array([[0, 0], [10, 0], [10, 5], [0, 5], [4, 4]], float)
    angle, scale, shift = 0.7, 2.5, np.array([30, -12])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity(source, source @ turn.T + shift)
    assert matrix == pytest.approx(np.hstack([turn, shift[:, None]]))
    assert scale_of(matrix) == pytest.approx(scale)


@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")
@pytest.mark.parametrize("size", [112, 128, 224, 256])
def test_it_is_the_transform_of_insightface(size: int) -> None:
    random = np.random.default_rng(size)
    for _ in range(20):
        landmarks = arcface_landmarks(112) * 3 + random.normal(0, 12, (5, 2)) + 200
        matrix = similarity(landmarks, arcface_landmarks(size))
        assert matrix == pytest.approx(estimate_norm(landmarks.astype(np.float32), size), abs=2e-3)


def test_points_in_one_place_have_no_scale() -> None:
    assert scale_of(similarity(np.ones((5, 2)), arcface_landmarks(112))) == 0
