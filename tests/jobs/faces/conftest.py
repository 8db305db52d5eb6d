"""Loaded face models, and photos that the dependencies carry."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from jobs.faces import models
from jobs.faces.engine import FaceEngine
from jobs.faces.opening import open_engine
from jobs.faces.pipeline import FacePipeline
from tests.make import photos
from tests.needs import missing


@pytest.fixture(scope="session")
def mbf(model_dir: Path) -> FaceEngine:
    return open_engine(models.find("mbf", model_dir, announce=print), "cpu")


@pytest.fixture(scope="session")
def mbf_v2(model_dir: Path) -> FaceEngine:
    return open_engine(models.find("mbf_v2", model_dir, announce=print), "cpu")


@pytest.fixture(scope="session")
def dlib_engine() -> FaceEngine:
    if importlib.util.find_spec("dlib") is None:
        missing("needs dlib (make setup EXTRAS=dlib)")
    return open_engine(models.find("dlib", Path("nowhere"), announce=print), "auto")


@pytest.fixture(scope="session")
def pipeline(mbf: FaceEngine) -> FacePipeline:
    return FacePipeline(mbf)


@pytest.fixture(params=["mbf", "mbf_v2", "opencv_engine", "dlib_engine"])
def any_pipeline(request: pytest.FixtureRequest) -> FacePipeline:
    return FacePipeline(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def six_people() -> bytes:
    """A JPEG of 1280 by 886 pixels."""
    return photos.six_people()


@pytest.fixture(scope="session")
def portrait(lfw: Path) -> bytes:
    """A JPEG of 250 by 250 pixels with one face in the middle."""
    return (lfw / "Aaron_Tippin" / "Aaron_Tippin_0001.jpg").read_bytes()
