"""dlib, where that extra is installed."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.data import astronaut

from jobs.faces import models
from jobs.faces.engine import FaceEngine
from jobs.faces.models import FaceModelError
from jobs.faces.opening import open_engine
from jobs.faces.pipeline import FacePipeline
from portal.installation.models import PermittedUse
from tests.make.pixels import encoded, pixels, scaled
from tests.read.faces import analysed, main_of


def test_it_needs_nothing_but_the_dependencies(dlib_engine: FaceEngine) -> None:
    picture = np.ascontiguousarray(astronaut()[..., ::-1])
    face = main_of(analysed(FacePipeline(dlib_engine), encoded(picture)))
    left, top, right, bottom = face.box
    assert 160 < left < right < 290
    assert 50 < top < bottom < 190
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert face.quality.pitch is None


def test_templates_are_those_of_dlib_itself(dlib_engine: FaceEngine) -> None:
    picture = np.ascontiguousarray(astronaut()[..., ::-1])
    face = main_of(analysed(FacePipeline(dlib_engine), encoded(picture)))
    dlib: Any = importlib.import_module("dlib")
    landmarks, recogniser = (str(path) for path in dlib_engine.pack.files)
    rgb = astronaut()
    box = dlib.rectangle(*(round(value) for value in face.box))
    corners = dlib.shape_predictor(landmarks)(rgb, box)
    own = np.array(dlib.face_recognition_model_v1(recogniser).compute_face_descriptor(rgb, corners))
    assert face.template is not None
    assert float(face.template @ own / np.linalg.norm(own)) > 0.995


def test_a_chosen_face_is_embedded_from_its_landmarks(dlib_engine: FaceEngine, six_people: bytes) -> None:
    pipeline = FacePipeline(dlib_engine)
    analysis = analysed(pipeline, six_people)
    face = main_of(analysis)
    assert face.template is not None
    assert float(pipeline.embed(six_people, face.landmarks) @ face.template) > 0.9999


def test_two_photos_of_a_person_are_more_alike_than_two_people(dlib_engine: FaceEngine, lfw: Path) -> None:
    pipeline = FacePipeline(dlib_engine)
    people = [folder for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) > 1][:6]
    photos = [sorted(folder.iterdir())[place].read_bytes() for folder in people for place in (0, 1)]
    templates = np.array([main_of(analysed(pipeline, photo)).template for photo in photos])
    scores = templates[::2] @ templates[1::2].T
    assert (scores.argmax(axis=1) == np.arange(6)).all()


def test_small_faces_are_found_when_there_are_no_larger_ones(
    dlib_engine: FaceEngine, portrait: bytes
) -> None:
    small = scaled(pixels(portrait), 0.6)
    assert analysed(FacePipeline(dlib_engine), encoded(small)).main is not None


def test_it_does_not_work_on_a_gpu_and_says_so(dlib_engine: FaceEngine) -> None:
    with pytest.raises(FaceModelError, match="CPU only"):
        open_engine(dlib_engine.pack, "cuda")


def test_it_is_measured_and_free_for_any_use(dlib_engine: FaceEngine) -> None:
    card = dlib_engine.pack.card
    assert (card.threshold, card.permitted_use) == (0.953, PermittedUse.ANY)
    assert "public domain" in card.licence


@pytest.mark.skipif(importlib.util.find_spec("dlib") is not None, reason="dlib is installed here")
def test_where_it_is_not_installed_it_says_how_to() -> None:
    with pytest.raises(FaceModelError, match="make setup EXTRAS=dlib"):
        models.find("dlib", Path("nowhere"), announce=print)
