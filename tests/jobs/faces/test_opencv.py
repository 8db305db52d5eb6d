"""YuNet and SFace: what OpenCV and ONNX themselves make of the two files, and faces of every size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from jobs.faces.detector import Detector
from jobs.faces.engine import FaceEngine
from jobs.faces.graphs import with_open_sides
from jobs.faces.onnx_engine import AGREEMENT
from jobs.faces.pipeline import FacePipeline
from jobs.faces.quantisation import dequantised, read_dequantised
from jobs.faces.runtime import REFERENCE
from jobs.faces.yunet import DETECTION_THRESHOLD, YuNet
from tests.make.pixels import encoded, pixels, scaled
from tests.read.faces import analysed, main_of


def some_portraits(lfw: Path, count: int) -> list[NDArray[np.uint8]]:
    paths = sorted(lfw.glob("*/*.jpg"))
    return [pixels(path.read_bytes()) for path in paths[:: len(paths) // count][:count]]


def framed(picture: NDArray[np.uint8], side: int = 256) -> NDArray[np.uint8]:
    """In the corner of a black square, as OpenCV pads what it looks at."""
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas


class FirstLook(YuNet):
    """YuNet without the closer look that OpenCV does not take either."""

    best_face: float | None = None


def test_faces_are_those_that_opencv_finds(opencv_engine: FaceEngine, lfw: Path) -> None:
    graph = with_open_sides(read_dequantised(opencv_engine.pack.files[0]), (2, 3))
    detector = Detector(graph, FirstLook(), REFERENCE)
    own = cv2.FaceDetectorYN.create(
        str(opencv_engine.pack.files[0]), "", (256, 256), DETECTION_THRESHOLD, YuNet.overlap
    )
    for portrait in some_portraits(lfw, 40):
        picture = framed(portrait)
        found, expected = detector.detect(picture), own.detect(picture)[1]
        assert len(found) == len(expected)
        for box, landmarks, score in zip(found.boxes, found.landmarks, found.scores, strict=True):
            twin = min(expected, key=lambda other: float(np.abs(other[:2] - box[:2]).sum()))
            assert box == pytest.approx(np.concatenate([twin[:2], twin[:2] + twin[2:4]]), abs=0.5)
            assert landmarks == pytest.approx(twin[4:14].reshape(5, 2), abs=0.5)
            assert score == pytest.approx(twin[14], abs=0.01)


def evaluated(definition: ReferenceEvaluator, blob: NDArray[Any]) -> NDArray[np.float32]:
    """What comes out of a model with one input and one output."""
    (output,) = definition.run(None, {"data": blob})
    return np.asarray(output, np.float32)


def test_templates_are_those_of_the_file_as_onnx_defines_it(opencv_engine: FaceEngine, lfw: Path) -> None:
    """ONNX's own evaluator takes the file as it is, quantised, and shares no code with ours."""
    definition = ReferenceEvaluator(str(opencv_engine.pack.files[1]))
    for picture in some_portraits(lfw, 3):
        aligned = opencv_engine.align(picture, opencv_engine.detect(picture).landmarks[0])
        blob = cv2.dnn.blobFromImage(aligned, swapRB=True)
        (expected,) = evaluated(definition, blob)
        (template,) = opencv_engine.embed([aligned])
        assert float(template @ expected / np.linalg.norm(expected)) >= AGREEMENT


def test_the_unpacked_recogniser_is_exact(opencv_engine: FaceEngine) -> None:
    path = opencv_engine.pack.files[1]
    blob = np.random.default_rng(1).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
    expected = evaluated(ReferenceEvaluator(str(path)), blob)
    session: onnxruntime.InferenceSession = REFERENCE.open(read_dequantised(path).model.SerializeToString())
    assert session.run(None, {"data": blob})[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_blocks_have_scales_of_their_own_and_the_last_may_be_short(axis: int) -> None:
    values = np.arange(-20, 20, dtype=np.int8).reshape((10, 4) if axis == 0 else (4, 10))
    shape = (3, 4) if axis == 0 else (4, 3)
    scales = np.linspace(0.1, 2, 12, dtype=np.float32).reshape(shape)
    zeros = np.arange(12, dtype=np.int8).reshape(shape)
    found = dequantised(values, scales, zeros, axis)
    for place in np.ndindex(values.shape):
        block = tuple(index // 4 if side == axis else index for side, index in enumerate(place))
        assert found[place] == (np.float32(values[place]) - np.float32(zeros[block])) * scales[block]


def test_landmarks_begin_with_the_eye_at_the_left_of_the_picture(
    opencv_engine: FaceEngine, portrait: bytes
) -> None:
    face = main_of(analysed(FacePipeline(opencv_engine), portrait))
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    # A nod does not show in YuNet's landmarks, so nothing is said about it.
    assert face.quality.pitch is None


@pytest.mark.parametrize("factor", [0.5, 2, 4, 16])
def test_a_scaled_photo_has_the_same_faces(opencv_engine: FaceEngine, lfw: Path, factor: float) -> None:
    for picture in some_portraits(lfw, 6):
        face = main_of(analysed(FacePipeline(opencv_engine), encoded(picture)))
        other = main_of(analysed(FacePipeline(opencv_engine), encoded(scaled(picture, factor), ".jpg")))
        assert np.array(other.box) / factor == pytest.approx(np.array(face.box), abs=12)
        assert face.template is not None
        assert other.template is not None
        assert float(face.template @ other.template) > 0.85


def test_a_close_up_has_its_face_and_the_right_landmarks(opencv_engine: FaceEngine, lfw: Path) -> None:
    """YuNet finds faces of more than 300 pixels, badly: they are looked at once more, smaller."""
    pipeline = FacePipeline(opencv_engine)
    scores = []
    for picture in some_portraits(lfw, 12):
        face = main_of(analysed(pipeline, encoded(picture)))
        left, top, right, bottom = (int(value) for value in face.box)
        close = scaled(picture[max(top, 0) : bottom, max(left, 0) : right], 8)
        analysis = analysed(pipeline, encoded(close, ".jpg"))
        found = main_of(analysis)
        assert found.box[2] - found.box[0] > 0.7 * close.shape[1]
        assert face.template is not None
        assert found.template is not None
        scores.append(float(face.template @ found.template))
    # Without the second look: 0.89 on average.
    assert np.mean(scores) > 0.9


def test_a_bystander_stays_beside_a_face_that_is_looked_at_again(
    opencv_engine: FaceEngine, lfw: Path
) -> None:
    near, far = some_portraits(lfw, 2)
    left, top, right, bottom = (int(value) for value in opencv_engine.detect(near).boxes[0])
    close = cv2.resize(near[top:bottom, left:right], (900, 1200), interpolation=cv2.INTER_CUBIC)
    scene = np.full((1200, 1300, 3), 110, np.uint8)
    scene[:, :900] = close
    scene[100:350, 1000:1250] = far
    found = opencv_engine.detect(scene)
    centres = found.boxes.reshape(-1, 2, 2).mean(axis=1)
    assert sorted(bool(x > 950) for x, _ in centres) == [False, True]


def test_a_photo_without_anybody_has_no_face(opencv_engine: FaceEngine) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    for picture in (noise, np.full((600, 400, 3), 200, np.uint8)):
        assert len(opencv_engine.detect(picture)) == 0
