"""What a test needs, and what happens where that is missing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test for want of something, or fail it where everything is said to be there."""
    if os.environ.get("FACE_PORTAL_REQUIRE_ALL") == "1":
        pytest.fail(f"{what}, and FACE_PORTAL_REQUIRE_ALL is set")
    pytest.skip(what)


def free_face_model() -> str:
    """What PORTAL_FACE_MODEL is for a test that needs any: the one that set-up brings along."""
    from jobs.faces.opencv_files import DETECTOR, FROM_SETUP, NAME

    if not (FROM_SETUP / DETECTOR.name).is_file():
        missing("needs the files of the face model opencv, which set-up could not fetch (make setup)")
    return NAME
