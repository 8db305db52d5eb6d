"""Imports that are killed, and exports of an organization that lives on meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.people.models import Person
from portal.people.services import change_person
from portal.photos.models import Photo
from portal.removal.services import delete_person
from portal.settings import Settings
from portal.storage import photo_store
from portal.transfer import inserting, matching
from portal.transfer.decisions import LEFT_OUT
from portal.transfer.exporting import exported
from portal.transfer.zipping import pieces
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.exports import export, rows, take
from tests.make.merges import merge
from tests.make.pairs import add_pair
from tests.make.people import TESTER, add_person, add_photo
from tests.portal.conftest import Enrolled

# A portal of its own process that imports one person at a time, and kills itself when it has two.
KILLED = """
import os, signal, sys
from pathlib import Path
from portal import create_app
from portal.audit.services import Actor
from portal.extensions import db
from portal.organizations.services import find_organization
from portal.settings import Settings
from portal.storage import photo_store
from portal.transfer import inserting, matching
from portal.transfer.decisions import LEFT_OUT
from portal.transfer.importing import import_export

def tell(what, total, done):
    if (what, done) == ("People", int(sys.argv[3])):
        os.kill(os.getpid(), signal.SIGKILL)

matching.PHOTOS_AT_ONCE = 1
with create_app(Settings.from_environment(data_dir=Path(sys.argv[1]))).app_context():
    organization = find_organization(db.session(), "elsewhere")
    import_export(db.session(), organization, Actor(None, "test"), Path(sys.argv[2]), photo_store(), tell)
"""


@pytest.fixture
def elsewhere(session: Session) -> Organization:
    return create_organization(session, TESTER, "Elsewhere")


def external_ids(session: Session, organization: Organization) -> list[str]:
    session.rollback()
    of_organization = select(Person.external_id).where(Person.organization_id == organization.id)
    return list(session.scalars(of_organization.order_by(Person.id)))


@pytest.mark.parametrize("done", [3, 5])
def test_import_that_is_killed_goes_on_when_it_is_run_again(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    anna: Person,
    anne: Person,
    enrolled: Enrolled,
    settings: Settings,
    tmp_path: Path,
    done: int,
) -> None:
    merge(session, anna, anne)
    add_pair(session, enrolled("Ben"), enrolled("Cleo"))
    enrolled("Dora")
    path = export(session, clinic, tmp_path / "export.zip")
    session.rollback()
    environment = {"PORTAL_REDIS_URL": settings.redis_url, "PORTAL_SECRET_KEY": "for tests only"}
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(settings.data_dir), str(path), str(done)],
        env=environment,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    there = external_ids(session, elsewhere)
    assert there == ["A1", "B1", "Ben", "Cleo", "Dora"][:done]
    taken = take(session, elsewhere, path)
    assert taken.not_taken == []
    assert taken.people == 5 - len(there)
    assert external_ids(session, elsewhere) == ["A1", "B1", "Ben", "Cleo", "Dora"]
    assert len(session.scalars(select(Photo).where(Photo.organization_id == elsewhere.id)).all()) == 8
    assert rows(export(session, elsewhere, tmp_path / "again.zip"), "pairs.jsonl")[0]["status"] == "open"


def test_import_that_fails_leaves_no_files(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    enrolled: Enrolled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolled("Ben")
    path = export(session, clinic, tmp_path / "export.zip")
    stored = set(photo_store().keys(1e12))
    monkeypatch.setattr("portal.transfer.taking.insert_matched", fails)
    with pytest.raises(OSError, match="no room"):
        take(session, elsewhere, path)
    assert external_ids(session, elsewhere) == []
    assert set(photo_store().keys(1e12)) == stored


def fails(*_: object) -> None:
    raise OSError("no room")


def test_people_enrolled_just_then_are_met(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    enrolled: Enrolled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ben = enrolled("Ben")
    path = export(session, clinic, tmp_path / "export.zip")
    look = matching.match
    there: list[Photo] = []

    def match_and_enrol(*given: object, **options: object) -> list[matching.Match]:
        found = look(*given, **options)  # type: ignore[arg-type]
        if not there:
            there.append(add_photo(session, add_person(session, elsewhere, "Ben", "Ben"), shade=90))
        return found

    monkeypatch.setattr("portal.transfer.taking.match", match_and_enrol)
    taken = take(session, elsewhere, path)
    assert (taken.people, taken.photos) == (0, 1)
    assert external_ids(session, elsewhere) == ["Ben"]
    photos = session.scalars(select(Photo.sha256).where(Photo.organization_id == elsewhere.id)).all()
    assert set(photos) == {ben.sha256, there[0].sha256}
    assert len(set(photo_store().keys(1e12))) == 3


def test_person_renamed_just_then_is_left_out(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    enrolled: Enrolled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolled("Ben")
    path = export(session, clinic, tmp_path / "export.zip")
    here, look = add_person(session, elsewhere, "Ben", "Ben"), matching.match

    def match_and_rename(*given: object, **options: object) -> list[matching.Match]:
        found = look(*given, **options)  # type: ignore[arg-type]
        if here.name == "Ben":
            session.rollback()
            change_person(session, elsewhere, TESTER, here, external_id="Ben", name="Benno")
        return found

    monkeypatch.setattr("portal.transfer.taking.match", match_and_rename)
    taken = take(session, elsewhere, path)
    assert {row.reason for row in taken.not_taken} == {matching.OTHER_NAME}
    assert session.scalars(select(Photo).where(Photo.organization_id == elsewhere.id)).all() == []


def test_numbers_of_an_attempt_that_failed_mean_nobody(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    enrolled: Enrolled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_pair(session, enrolled("Ben"), enrolled("Cleo"))
    path = export(session, clinic, tmp_path / "export.zip")
    insert, look = inserting.insert_matched, matching.match
    failed: list[bool] = []

    def insert_and_fail_once(*given: object) -> list[WorkState]:
        states = insert(*given)  # type: ignore[arg-type]
        if not failed:
            failed.append(True)
            raise IntegrityError("", None, ValueError("someone was faster"))
        return states

    def match_and_meet_another(*given: object, **options: object) -> list[matching.Match]:
        # The row of this one gets the number that the first attempt had for Ben.
        if failed and not options and not external_ids(session, elsewhere):
            add_person(session, elsewhere, "Ben", "Benno")
        return look(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("portal.transfer.taking.insert_matched", insert_and_fail_once)
    monkeypatch.setattr("portal.transfer.taking.match", match_and_meet_another)
    taken = take(session, elsewhere, path)
    assert {(row.what, row.reason) for row in taken.not_taken} == {
        ("person", matching.OTHER_NAME),
        ("photo", matching.OTHER_NAME),
        ("pair", LEFT_OUT),
    }


@on_both_databases
def test_export_shows_one_moment_and_keeps_nobody_from_writing(
    session: Session, clinic: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    ben, cleo = enrolled("Ben"), enrolled("Cleo")
    path = tmp_path / "export.zip"
    with path.open("wb") as file, exported(session, clinic, photo_store()) as ready:
        sending = pieces(ready, photo_store(), lambda total, done: None)
        file.write(next(sending))
        person = session.get_one(Person, cleo.person_id)
        delete_person(session, clinic, TESTER, person, photo_store())
        enrolled("Dora")
        file.writelines(sending)
    assert [row["external_id"] for row in rows(path, "people.jsonl")] == ["Ben", "Cleo"]
    assert rows(path, "left_out.jsonl") == [{"photo": cleo.id}]
    assert rows(path, "photos.jsonl")[0]["sha256"] == ben.sha256
