"""Quality: ordinary photos are good, and what spoils a photo is named."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.faces import quality
from jobs.faces.alignment import ARCFACE_LANDMARKS
from jobs.faces.pipeline import FacePipeline
from jobs.faces.quality import Nose
from tests.make.pixels import encoded, pixels, scaled
from tests.read.faces import analysed, main_of

NOSE = Nose(depth=0.5, part=0.495)


@pytest.fixture(scope="module")
def portraits(lfw: Path) -> list[NDArray[np.uint8]]:
    paths = sorted(lfw.glob("*/*.jpg"))
    return [pixels(path.read_bytes()) for path in paths[:: len(paths) // 40][:40]]


def measured(pipeline: FacePipeline, pictures: list[NDArray[np.uint8]]) -> list[quality.Quality]:
    return [main_of(analysed(pipeline, encoded(picture))).quality for picture in pictures]


def share(found: list[quality.Quality], reason: str) -> float:
    return sum(reason in face.reasons for face in found) / len(found)


def test_most_ordinary_photos_are_good(pipeline: FacePipeline, portraits: list[NDArray[np.uint8]]) -> None:
    found = measured(pipeline, portraits)
    assert sum(face.word == "good" for face in found) >= 0.85 * len(found)
    assert not any(face.word == "good" and face.reasons for face in found)
    assert not any(face.word != "good" and not face.reasons for face in found)


def test_blurred_photos(pipeline: FacePipeline, portraits: list[NDArray[np.uint8]]) -> None:
    blurred = measured(
        pipeline, [np.asarray(cv2.GaussianBlur(one, (0, 0), 3), np.uint8) for one in portraits]
    )
    assert share(blurred, "blurred") > 0.9


def test_dark_photos(pipeline: FacePipeline, portraits: list[NDArray[np.uint8]]) -> None:
    dark = measured(pipeline, [(one * 0.25).astype(np.uint8) for one in portraits])
    assert share(dark, "dark") > 0.9


def test_bright_photos(pipeline: FacePipeline, portraits: list[NDArray[np.uint8]]) -> None:
    bright = measured(pipeline, [np.clip(one * 0.3 + 190, 0, 255).astype(np.uint8) for one in portraits])
    assert share(bright, "too bright") > 0.9


def test_small_faces(pipeline: FacePipeline, portraits: list[NDArray[np.uint8]]) -> None:
    small = measured(pipeline, [scaled(one, 0.4) for one in portraits])
    assert share(small, "small") > 0.95
    assert all(face.word != "good" for face in small)


def test_the_distance_between_the_eyes_is_that_of_the_original(
    pipeline: FacePipeline, portraits: list[NDArray[np.uint8]]
) -> None:
    picture = portraits[0]
    (face,) = measured(pipeline, [picture])
    enlarged = main_of(analysed(pipeline, encoded(scaled(picture, 12), ".jpg"))).quality
    assert enlarged.eye_distance == pytest.approx(12 * face.eye_distance, rel=0.1)


def turned_head(yaw: float, pitch: float, roll: float) -> NDArray[np.float32]:
    """Five landmarks of an average head, seen from afar: degrees."""
    eyes = 35.24
    flat = (ARCFACE_LANDMARKS - ARCFACE_LANDMARKS[:2].mean(axis=0)) / eyes
    head = np.hstack([flat, [[0], [0], [0.5], [0], [0]]])
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    seen = head @ (about_z @ about_y @ about_x).T
    landmarks: NDArray[np.float32] = (seen[:, :2] * eyes * 2 + 200).astype(np.float32)
    return landmarks


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (30, 0, 0), (-45, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 25)]
)
def test_the_pose_of_an_average_head(yaw: float, pitch: float, roll: float) -> None:
    found = quality.pose(turned_head(yaw, pitch, roll), NOSE)
    assert found == pytest.approx((yaw, pitch, roll), abs=4)


def test_a_mirrored_photo_has_the_opposite_turn(
    pipeline: FacePipeline, portraits: list[NDArray[np.uint8]]
) -> None:
    found = measured(pipeline, portraits)
    mirrored = measured(pipeline, [np.ascontiguousarray(one[:, ::-1]) for one in portraits])
    yaws = np.array([face.yaw for face in found])
    assert np.corrcoef(yaws, [face.yaw for face in mirrored])[0, 1] < -0.9
    turned = [face for face in found if abs(face.yaw) > quality.TURNED[0]]
    assert all("turned away" in face.reasons for face in turned)


def test_it_is_stored_as_json(pipeline: FacePipeline, portrait: bytes) -> None:
    stored = main_of(analysed(pipeline, portrait)).quality.as_dict()
    assert json.loads(json.dumps(stored)) == stored
    assert stored["word"] == "good"
    assert stored["reasons"] == []
    assert stored["eye_distance"] == pytest.approx(43, abs=10)
