"""InsightFace packs: the same faces and the same templates as insightface's own FaceAnalysis."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from insightface.app import FaceAnalysis
from numpy.typing import NDArray

from jobs.faces import models
from jobs.faces.detector import suppress
from jobs.faces.engine import FaceEngine
from jobs.faces.models import FaceModelError
from jobs.faces.onnx_engine import AGREEMENT
from jobs.faces.opening import open_engine
from jobs.faces.pipeline import FacePipeline, PhotoAnalysis
from tests.make.pixels import encoded, pixels, scaled
from tests.read.faces import analysed, main_of, template_of

# scikit-image says that the call which insightface makes goes away.
pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")

Reference = Callable[[str, int], Any]


@pytest.fixture(scope="module")
def reference(model_dir: Path) -> Reference:
    """FaceAnalysis for a pack, with a detector input of so many pixels."""

    def load(name: str, side: int) -> Any:
        app = FaceAnalysis(name=str(model_dir / name), allowed_modules=["detection", "recognition"])
        app.prepare(ctx_id=-1, det_size=(side, side))
        return app

    return load


def framed(photo: bytes, side: int = 256) -> NDArray[np.uint8]:
    """The photo in the corner of a black square: both detectors then see it at its own size."""
    picture = pixels(photo)
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas


def some_photos(lfw: Path, count: int) -> list[bytes]:
    paths = sorted(lfw.glob("*/*.jpg"))
    return [path.read_bytes() for path in paths[:: len(paths) // count][:count]]


@pytest.mark.parametrize(("name", "side"), [("mbf", 256), ("mbf_v2", 640)])
def test_faces_and_templates_of_portraits_are_those_of_insightface(
    name: str, side: int, request: pytest.FixtureRequest, reference: Reference, lfw: Path
) -> None:
    engine: FaceEngine = request.getfixturevalue(name)
    app = reference(name, side)
    pipeline = FacePipeline(engine)
    # The detector of mbf_v2 takes 640 pixels whatever comes: so do the photos, for insightface enlarges.
    pictures = [framed(photo, side) for photo in some_photos(lfw, 30 if name == "mbf" else 6)]
    results = pipeline.analyse([encoded(picture) for picture in pictures])
    for picture, result in zip(pictures, results, strict=True):
        assert isinstance(result, PhotoAnalysis)
        expected = app.get(picture)
        assert len(result.faces) == len(expected)
        face = main_of(result)
        twin = min(expected, key=lambda other: np.abs(other.bbox - face.box).sum())
        assert face.box == pytest.approx(twin.bbox, abs=0.5)
        assert face.landmarks == pytest.approx(twin.kps, abs=0.5)
        assert face.detection_score == pytest.approx(twin.det_score, abs=0.01)
        assert face.template is not None
        assert float(face.template @ twin.normed_embedding) >= AGREEMENT


def test_the_same_face_has_the_same_template_in_a_group(
    mbf: FaceEngine, reference: Reference, six_people: bytes
) -> None:
    pipeline = FacePipeline(mbf)
    faces = analysed(pipeline, six_people).faces
    expected = reference("mbf", 640).get(pixels(six_people))
    assert len(faces) == len(expected) == 6
    for twin in expected:
        face = min(faces, key=lambda other: np.abs(np.array(other.box) - twin.bbox).sum())
        # The detector may see a narrower canvas than insightface's square: the landmarks move a little.
        assert face.landmarks == pytest.approx(twin.kps, abs=1.5)
        template = pipeline.embed(six_people, face.landmarks)
        assert float(template @ twin.normed_embedding) >= AGREEMENT
        assert float(pipeline.embed(six_people, twin.kps) @ twin.normed_embedding) >= AGREEMENT


def test_a_batch_gives_what_single_photos_give(pipeline: FacePipeline, lfw: Path) -> None:
    photos = some_photos(lfw, 11)
    together = pipeline.analyse(photos)
    for photo, result in zip(photos, together, strict=True):
        assert isinstance(result, PhotoAnalysis)
        alone = analysed(pipeline, photo)
        assert float(np.dot(template_of(result), template_of(alone))) > 0.9999


def test_templates_have_unit_length_and_the_models_dimension(
    any_pipeline: FacePipeline, six_people: bytes
) -> None:
    analysis = analysed(any_pipeline, six_people)
    template = main_of(analysis).template
    assert template is not None
    assert template.dtype == np.float32
    assert template.shape == (any_pipeline.engine.dimension,)
    assert float(np.linalg.norm(template)) == pytest.approx(1, abs=1e-5)
    assert [face.template is not None for face in analysis.faces].count(True) == 1


def test_a_face_that_fills_the_photo_is_found(mbf: FaceEngine, lfw: Path) -> None:
    pipeline = FacePipeline(mbf)
    found = 0
    for photo in some_photos(lfw, 12):
        left, top, right, bottom = (int(value) for value in main_of(analysed(pipeline, photo)).box)
        close = scaled(pixels(photo)[max(top, 0) + 5 : bottom - 5, max(left, 0) + 5 : right - 5], 6)
        analysis = analysed(pipeline, encoded(close))
        if analysis.main is None:
            continue
        found += 1
        box = main_of(analysis).box
        # In the coordinates of the photo itself, not of a framed one.
        assert box[2] - box[0] > 0.7 * close.shape[1]
        assert np.abs(np.array(box).reshape(2, 2).mean(axis=0) - np.array(close.shape[1::-1]) / 2).max() < (
            0.15 * max(close.shape)
        )
    assert found >= 11


def test_small_pictures_are_not_enlarged_for_the_detector(mbf: FaceEngine, portrait: bytes) -> None:
    tiny = scaled(pixels(portrait), 60 / 250)
    box = main_of(analysed(FacePipeline(mbf), encoded(tiny))).box
    assert 10 < box[2] - box[0] < 40


def test_overlapping_boxes_are_one_face() -> None:
    boxes = np.array([[0, 0, 99, 99], [10, 10, 109, 109], [300, 0, 399, 99], [60, 60, 159, 159]], np.float32)
    assert suppress(boxes, 0.4) == [0, 2, 3]


def test_the_runtime_says_what_it_is(mbf: FaceEngine) -> None:
    assert mbf.provider in onnxruntime.get_available_providers()
    assert mbf.device == "cpu"
    assert {*mbf.precision.split("/")} <= {"float32", "bfloat16"}
    # The column that keeps it.
    assert len(mbf.precision) <= 20


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA"
)
def test_a_gpu_that_is_not_there_is_an_error_and_no_silent_cpu(model_dir: Path) -> None:
    with pytest.raises(FaceModelError, match="PORTAL_DEVICE is cuda") as caught:
        open_engine(models.find("mbf", model_dir, announce=print), "cuda")
    assert "RUNTIME=gpu" in str(caught.value)


def test_a_cut_off_model_says_what_to_do(model_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(model_dir / "mbf", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    pack = models.find(str(folder), tmp_path, announce=print)
    whole = pack.files[1].read_bytes()
    pack.files[1].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FaceModelError, match="can't be loaded") as caught:
        open_engine(pack, "cpu")
    assert str(folder) in str(caught.value)


def test_detector_and_recogniser_of_two_packs_work_together(
    model_dir: Path, tmp_path: Path, portrait: bytes
) -> None:
    """Files are known by what they are, not by their names."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copyfile(model_dir / "mbf" / "det_500m.onnx", folder / "z.onnx")
    shutil.copyfile(model_dir / "mbf_v2" / "mobilefacenet_ms1m.onnx", folder / "a.onnx")
    engine = open_engine(models.find(str(folder), tmp_path, announce=print), "cpu")
    assert main_of(analysed(FacePipeline(engine), portrait)).template is not None
