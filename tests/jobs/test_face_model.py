"""The face model is chosen once: from then on nothing else is compared with its templates."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jobs.face_model import choose, open_stored, prepare_free_model
from jobs.faces import opencv_files
from jobs.faces.engine import FaceEngine
from jobs.faces.models import FaceModelError
from portal.database import writing
from portal.enrolment.work import claim_photos, record_photos
from portal.extensions import db
from portal.installation.models import FaceModel, LicenceChoice
from portal.installation.services import FaceModelChanged, current_face_model
from portal.organizations.models import Organization
from portal.photos.models import Photo
from portal.photos.records import PhotoRecord
from portal.setting_up.licensing import answer_licence
from portal.settings import Settings
from portal.work.claims import requeue_untouched
from portal.work.models import UNFINISHED, WorkState
from tests.make.face_models import made_up_model
from tests.make.people import TESTER, add_person, add_photo
from tests.make.photos import mate, picture
from tests.run.workers import Worker
from tests.visitor import Visitor, enrol, search


def named(settings: Settings, face_model: str, model_dir: Path) -> Settings:
    return dataclasses.replace(settings, face_model=face_model, model_dir=model_dir, device="cpu")


def test_a_worker_does_not_start_before_a_model_was_chosen(session: Session, settings: Settings) -> None:
    with pytest.raises(FaceModelError, match="No face model has been chosen yet"):
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
    loaded = choose(session, named(settings, "mbf", model_dir), print, store=False)
    assert loaded.row.name == "mbf"
    assert current_face_model(session) is None
    assert session.scalar(select(func.count(FaceModel.id))) == 0


def test_auto_goes_on_with_the_stored_one(session: Session, settings: Settings, model_dir: Path) -> None:
    choose(session, named(settings, "mbf_v2", model_dir), print, store=True)
    assert choose(session, named(settings, "auto", model_dir), print, store=True).row.name == "mbf_v2"
    assert open_stored(session, named(settings, "auto", model_dir)).row.name == "mbf_v2"


@pytest.mark.parametrize("other", ["mbf_v2", "opencv"])
def test_another_model_is_refused_with_what_to_do(
    session: Session, settings: Settings, model_dir: Path, other: str
) -> None:
    stored = choose(session, named(settings, "mbf", model_dir), print, store=True).row
    acts: list[Callable[[Settings], object]] = [
        lambda given: choose(session, given, print, store=True),
        lambda given: open_stored(session, given),
    ]
    for act in acts:
        with pytest.raises(FaceModelError) as problem:
            act(named(settings, other, model_dir))
        assert f"uses the face model mbf ({stored.fingerprint[:12]})" in str(problem.value)
        assert other in str(problem.value)
        assert "Start with PORTAL_FACE_MODEL=mbf, or use another PORTAL_DATA_DIR" in str(problem.value)
    current = current_face_model(session)
    assert current is not None
    assert current.fingerprint == stored.fingerprint


def test_a_pack_whose_files_changed_is_another_model(
    session: Session, settings: Settings, model_dir: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "packs" / "mine"
    shutil.copytree(model_dir / "mbf", mine)
    choose(session, named(settings, "mine", tmp_path / "packs"), print, store=True)
    shutil.rmtree(mine)
    shutil.copytree(model_dir / "mbf_v2", mine)
    with pytest.raises(FaceModelError, match="is not that one: their templates can't be compared"):
        open_stored(session, named(settings, "auto", tmp_path / "packs"))


def test_the_same_files_under_another_name_are_the_same_model(
    session: Session, settings: Settings, model_dir: Path, tmp_path: Path
) -> None:
    stored = choose(session, named(settings, "mbf", model_dir), print, store=True).row
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(model_dir / "mbf", elsewhere)
    assert choose(session, named(settings, str(elsewhere), model_dir), print, store=True).row.id == stored.id
    assert session.scalar(select(func.count(FaceModel.id))) == 1


def test_a_stored_model_that_is_gone_is_told(
    session: Session, settings: Settings, model_dir: Path, tmp_path: Path
) -> None:
    choose(session, named(settings, "mbf", model_dir), print, store=True)
    with pytest.raises(FaceModelError, match="holds no pack of that name"):
        open_stored(session, named(settings, "auto", tmp_path))


def offered(session: Session) -> FaceModel | None:
    return session.scalar(select(FaceModel).where(FaceModel.engine == "opencv"))


def test_a_free_model_is_at_hand_while_a_licence_is_to_be_confirmed(
    session: Session, settings: Settings, model_dir: Path, opencv_engine: FaceEngine
) -> None:
    given = named(settings, "mbf", model_dir)
    choose(session, given, print, store=True)
    prepare_free_model(session, given, print)
    free = offered(session)
    assert free is not None
    assert free.fingerprint == opencv_engine.pack.fingerprint
    assert free.dimension == opencv_engine.dimension
    # A second start adds nothing.
    prepare_free_model(session, given, print)
    assert session.scalar(select(func.count(FaceModel.id))) == 2


def test_nothing_is_offered_where_people_are_enrolled(
    session: Session, settings: Settings, model_dir: Path, clinic: Organization
) -> None:
    given = named(settings, "mbf", model_dir)
    choose(session, given, print, store=True)
    add_photo(session, add_person(session, clinic, "A1"))
    prepare_free_model(session, given, print)
    assert offered(session) is None


def test_a_free_model_that_is_not_to_be_had_is_told(
    session: Session, settings: Settings, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opencv_files, "FROM_SETUP", tmp_path / "not installed")
    monkeypatch.setattr(opencv_files, "ADDRESSES", ("http://127.0.0.1:1",))
    given = named(settings, "mbf", model_dir)
    choose(session, given, print, store=True)
    said: list[str] = []
    prepare_free_model(session, dataclasses.replace(given, model_dir=tmp_path / "models"), said.append)
    assert said[-1].startswith("No other model can be offered instead of mbf.")
    assert offered(session) is None
    # Nor is what was at hand before, and is not any more.
    with writing(session):
        session.add(made_up_model("opencv", engine="opencv"))
    prepare_free_model(session, dataclasses.replace(given, model_dir=tmp_path / "models"), print)
    assert offered(session) is None


def declined(session: Session, given: Settings) -> None:
    choose(session, given, print, store=True)
    prepare_free_model(session, given, print)
    with writing(session):
        answer_licence(session, TESTER, LicenceChoice.DECLINED)


@pytest.mark.usefixtures("opencv_engine")
def test_a_declined_model_is_not_taken_although_the_environment_names_it(
    session: Session, settings: Settings, model_dir: Path
) -> None:
    given = named(settings, "mbf", model_dir)
    declined(session, given)
    said: list[str] = []
    assert choose(session, given, said.append, store=True).row.name == "opencv"
    assert "whose licence was declined here" in said[0]
    assert open_stored(session, given).row.name == "opencv"
    assert open_stored(session, named(settings, "auto", model_dir)).row.name == "opencv"
    with pytest.raises(FaceModelError, match="is not that one"):
        choose(session, named(settings, "mbf_v2", model_dir), print, store=True)


@pytest.mark.usefixtures("opencv_engine")
def test_a_worker_with_the_declined_model_leaves_all_work_to_the_next(
    app: Flask, settings: Settings, model_dir: Path, face_engine: FaceEngine, bob: Visitor
) -> None:
    worker = Worker(app, face_engine)
    with app.app_context():
        declined(db.session(), named(settings, "mbf", model_dir))
    enrol(bob, "Anna", "A1", picture())
    # What the old one had found in the meantime is not written either.
    with app.app_context():
        organization = db.session.scalars(select(Photo.organization_id)).one()
        (claimed,), _ = claim_photos(db.session(), worker.name, organization, 1)
        with pytest.raises(FaceModelChanged):
            record_photos(
                db.session(), worker.name, organization, worker.row.face_model_id, {claimed.id: PhotoRecord()}
            )
        with writing(db.session()):
            requeue_untouched(db.session(), Photo, worker.name, [claimed.id])
    assert worker.work(jobs=1) == ["jobs.enrolment.process_photos"]
    assert worker.process.ends
    with app.app_context():
        photo = db.session.scalars(select(Photo)).one()
        assert (photo.state, photo.attempts) == (WorkState.QUEUED, 0)
        right = Worker(app, open_stored(db.session(), named(settings, "auto", model_dir)).engine)
    assert right.work() == ["jobs.enrolment.process_photos"]
    with app.app_context():
        assert db.session.scalars(select(Photo.state)).one() not in UNFINISHED


@pytest.mark.usefixtures("opencv_engine")
def test_a_search_from_before_is_repeated_with_the_new_model(
    app: Flask, settings: Settings, model_dir: Path, face_engine: FaceEngine, bob: Visitor, lfw: Path
) -> None:
    worker = Worker(app, face_engine)
    number = search(bob, mate(lfw, "Ai_Sugiyama", 1))
    worker.work()
    with app.app_context():
        declined(db.session(), named(settings, "mbf", model_dir))
        right = Worker(app, open_stored(db.session(), named(settings, "auto", model_dir)).engine)
    enrol(bob, "Ai", "A1", mate(lfw, "Ai_Sugiyama", 3))
    right.work()
    assert bob.post(f"/search/{number}/repeat").status_code == 302
    right.work()
    bob.get(f"/search/{number}")
    (candidate,) = bob.page.select("[data-candidate]")
    assert (candidate["data-external-id"], candidate["data-match"]) == ("A1", "true")
