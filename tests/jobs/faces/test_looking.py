"""Photos that lie on their side, small faces in large photos, and which face a photo is of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jobs.faces.engine import Detections
from jobs.faces.main_face import main_face
from jobs.faces.pipeline import FacePipeline
from jobs.faces.turning import UPRIGHT, turned
from tests.make.photos import mate
from tests.make.pixels import encoded, pixels, scaled
from tests.read.faces import analysed, main_of, template_of

PEOPLE = ("Aaron_Tippin", "Ahmed_Chalabi", "Anna_Kournikova", "Ai_Sugiyama", "Edwin_Edwards", "Allen_Iverson")
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def lying(picture: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """The picture turned clockwise."""
    return np.asarray(cv2.rotate(picture, TURNS[degrees]), np.uint8)


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("degrees", TURNS)
def test_a_photo_that_lies_on_its_side_is_turned_upright(
    any_pipeline: FacePipeline, lfw: Path, degrees: int, scale: float
) -> None:
    for person in PEOPLE[:3]:
        upright = scaled(pixels(mate(lfw, person)), scale)
        expected = analysed(any_pipeline, encoded(upright))
        found = analysed(any_pipeline, encoded(lying(upright, degrees)))
        assert found.turned_by == 360 - degrees
        assert (found.width, found.height) == upright.shape[1::-1]
        assert np.abs(np.subtract(main_of(found).box, main_of(expected).box)).max() < 0.1 * upright.shape[0]
        assert template_of(found) @ template_of(expected) > 0.8
        assert abs(main_of(found).quality.roll) < 45


def test_a_photo_that_stands_upright_is_left_so(any_pipeline: FacePipeline, lfw: Path) -> None:
    paths = sorted(lfw.glob("*/*.jpg"))[::40]
    assert {analysed(any_pipeline, path.read_bytes()).turned_by for path in paths} == {0}


@pytest.mark.parametrize(
    ("case", "person"),
    [
        ("turned180_0", "Edwin_Edwards"),
        ("turned270_0", "Allen_Iverson"),
        ("turned90_x5", "Ai_Sugiyama"),
        ("idpage_two_people", "Anders_Fogh_Rasmussen"),
    ],
)
def test_whose_photo_was_enrolled_with_another_face_is_found(
    pipeline: FacePipeline, lfw: Path, cases: Path, case: str, person: str
) -> None:
    enrolled = template_of(analysed(pipeline, (cases / f"{case}.jpg").read_bytes()))
    assert enrolled @ template_of(analysed(pipeline, mate(lfw, person, 2))) > 0.45


def test_a_face_that_was_chosen_in_a_turned_photo_is_embedded_upright(
    pipeline: FacePipeline, lfw: Path
) -> None:
    photo = encoded(lying(pixels(mate(lfw, "Ahmed_Chalabi")), 180))
    analysis = analysed(pipeline, photo)
    again = pipeline.embed(photo, main_of(analysis).landmarks, analysis.turned_by)
    assert again @ template_of(analysis) > 0.99


def test_every_face_of_a_class_photo_is_found(pipeline: FacePipeline, cases: Path) -> None:
    assert len(analysed(pipeline, (cases / "class_6000x4000_115px.jpg").read_bytes()).faces) == 12


@pytest.mark.parametrize(("size", "side", "kind"), [((6000, 1500), 150, ".jpg"), ((2400, 1800), 130, ".png")])
def test_small_faces_are_found_once_each_beside_a_large_one(
    pipeline: FacePipeline, lfw: Path, size: tuple[int, int], side: int, kind: str
) -> None:
    photo = np.full((size[1], size[0], 3), 128, np.uint8)
    large = cv2.resize(pixels(mate(lfw, PEOPLE[0])), (900, 900))
    photo[size[1] - 900 :, :900] = large
    places = [(1000 + index * (side + 40), 60 + 300 * (index % 3)) for index in range(5)]
    for person, (x, y) in zip(PEOPLE[1:], places, strict=True):
        small = cv2.resize(pixels(mate(lfw, person)), (side, side), interpolation=cv2.INTER_AREA)
        photo[y : y + side, x : x + side] = small
    found = analysed(pipeline, encoded(photo, kind))
    centres = [((face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2) for face in found.faces]
    for x, y in places:
        assert sum(x < a < x + side and y < b < y + side for a, b in centres) >= 1
    boxes = [face.box for face in found.faces]
    assert len({tuple(round(value / 20) for value in box) for box in boxes}) == len(boxes)
    main = main_of(found).box
    assert main[0] < 900
    assert main[2] - main[0] > 200


def detections(boxes: list[tuple[float, float, float, float]]) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32),
        np.zeros((count, 5, 2), np.float32),
        np.linspace(0.9, 0.6, count, dtype=np.float32),
    )


sides = st.integers(20, 300)
places = st.tuples(st.integers(0, 900), st.integers(0, 700))


@given(st.lists(st.tuples(places, sides), min_size=1, max_size=6), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_the_main_face_is_the_same_whatever_size_the_photo_has(
    faces: list[tuple[tuple[int, int], int]], scale: float
) -> None:
    boxes = [(float(x), float(y), float(x + side), float(y + side)) for (x, y), side in faces]
    there = main_face(detections(boxes), 1000, 800)
    larger = [(a * scale, b * scale, c * scale, d * scale) for a, b, c, d in boxes]
    assert main_face(detections(larger), int(1000 * scale), int(800 * scale)) == there


def test_a_large_face_at_the_edge_goes_before_a_small_one_in_the_middle_and_two_alike_are_unclear() -> None:
    edge, middle = (0.0, 500.0, 300.0, 800.0), (460.0, 360.0, 540.0, 440.0)
    found = main_face(detections([middle, edge]), 1000, 800)
    assert found is not None
    assert (found.index, found.is_unclear) == (1, False)
    alike = main_face(detections([(200.0, 300.0, 400.0, 500.0), (600.0, 300.0, 790.0, 500.0)]), 1000, 800)
    assert alike is not None
    assert (alike.index, alike.is_unclear) == (0, True)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_four_quarters_are_no_turn(orientation: int) -> None:
    assert turned(turned(turned(turned(orientation, 90), 90), 90), 90) == orientation
    assert turned(turned(orientation, 180), 90) == turned(orientation, 270)
    assert turned(orientation, 90) != orientation
