"""The face model is chosen once: from then on nothing else is compared with its templates."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.face_model import choose, open_stored
from jobs.faces.models import FaceModelError
from portal.settings import Settings
from portal.system.models import FaceModel
from portal.system.services import current_face_model


def quiet(_: str) -> None:
    """For `announce`."""


def named(settings: Settings, face_model: str, model_dir: Path) -> Settings:
    return dataclasses.replace(settings, face_model=face_model, model_dir=model_dir, device="cpu")


def test_a_worker_does_not_start_before_a_model_was_chosen(session: Session, settings: Settings) -> None:
    with pytest.raises(FaceModelError, match="No face model was chosen yet"):
        open_stored(session, settings)


def test_the_first_choice_is_stored_with_its_card(
    session: Session, settings: Settings, model_dir: Path
) -> None:
    said: list[str] = []
    loaded = choose(session, named(settings, "mbf", model_dir), said.append, store=True)
    stored = current_face_model(session)
    assert stored is not None
    assert stored.id == loaded.row.id
    assert (stored.name, stored.source, stored.engine) == ("mbf", "mbf", "insightface")
    assert stored.dimension == loaded.engine.dimension
    assert stored.threshold == 0.46
    assert "non-commercial" in stored.licence
    assert said == [f"Face model: mbf. Licence: {stored.licence}"]
    again = open_stored(session, named(settings, "mbf", model_dir))
    assert again.row.id == stored.id
    assert again.engine.pack.fingerprint == stored.fingerprint


def test_looking_alone_stores_nothing(session: Session, settings: Settings, model_dir: Path) -> None:
    loaded = choose(session, named(settings, "mbf", model_dir), quiet, store=False)
    assert loaded.row.name == "mbf"
    assert current_face_model(session) is None
    assert session.scalar(select(func.count(FaceModel.id))) == 0


def test_auto_goes_on_with_the_stored_one(session: Session, settings: Settings, model_dir: Path) -> None:
    choose(session, named(settings, "mbf_v2", model_dir), quiet, store=True)
    assert choose(session, named(settings, "auto", model_dir), quiet, store=True).row.name == "mbf_v2"
    assert open_stored(session, named(settings, "auto", model_dir)).row.name == "mbf_v2"


@pytest.mark.parametrize("other", ["mbf_v2", "dlib"])
def test_another_model_is_refused_with_what_to_do(
    session: Session, settings: Settings, model_dir: Path, other: str
) -> None:
    stored = choose(session, named(settings, "mbf", model_dir), quiet, store=True).row
    for act in (
        lambda given: choose(session, given, quiet, store=True),
        lambda given: open_stored(session, given),
    ):
        with pytest.raises(FaceModelError) as problem:
            act(named(settings, other, model_dir))
        assert f"enrolled with the face model mbf ({stored.fingerprint[:12]})" in str(problem.value)
        assert other in str(problem.value)
        assert "Start with PORTAL_FACE_MODEL=mbf, or give another PORTAL_DATA_DIR" in str(problem.value)
    current = current_face_model(session)
    assert current is not None
    assert current.fingerprint == stored.fingerprint


def test_a_pack_whose_files_changed_is_another_model(
    session: Session, settings: Settings, model_dir: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "packs" / "mine"
    shutil.copytree(model_dir / "mbf", mine)
    choose(session, named(settings, "mine", tmp_path / "packs"), quiet, store=True)
    shutil.rmtree(mine)
    shutil.copytree(model_dir / "mbf_v2", mine)
    with pytest.raises(FaceModelError, match="is not that one: their templates can't be compared"):
        open_stored(session, named(settings, "auto", tmp_path / "packs"))


def test_the_same_files_under_another_name_are_the_same_model(
    session: Session, settings: Settings, model_dir: Path, tmp_path: Path
) -> None:
    stored = choose(session, named(settings, "mbf", model_dir), quiet, store=True).row
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(model_dir / "mbf", elsewhere)
    assert choose(session, named(settings, str(elsewhere), model_dir), quiet, store=True).row.id == stored.id
    assert session.scalar(select(func.count(FaceModel.id))) == 1


def test_a_stored_model_that_is_gone_is_told(
    session: Session, settings: Settings, model_dir: Path, tmp_path: Path
) -> None:
    choose(session, named(settings, "mbf", model_dir), quiet, store=True)
    with pytest.raises(FaceModelError, match="holds no pack of that name"):
        open_stored(session, named(settings, "auto", tmp_path))
