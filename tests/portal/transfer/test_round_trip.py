"""What is exported is taken back as it was: people, photos, faces, templates, decisions, thresholds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session, undefer

from portal.audit.models import AuditEvent
from portal.calibration.choosing import Purpose, choose_threshold
from portal.database import writing
from portal.duplicates.judging import decide, undo_decision
from portal.installation.models import FaceModel, Installation
from portal.merging.merging import undo_merge
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.pairs.models import DuplicatePair, OddPhoto, PairEvent, PairStatus
from portal.pairs.odd_photos import confirm
from portal.people.models import Merge, Person
from portal.people.services import list_people
from portal.photos.models import Face, Photo
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.exports import export, members, rows, take
from tests.make.face_models import made_up_model
from tests.make.merges import merge
from tests.make.pairs import add_odd_photo, add_pair
from tests.make.people import TESTER, add_person, add_photo, towards
from tests.portal.conftest import Enrolled


@pytest.fixture
def elsewhere(session: Session) -> Organization:
    """Where the clinic moves."""
    return create_organization(session, TESTER, "Elsewhere")


@pytest.fixture
def lived_in(
    session: Session, clinic: Organization, anna: Person, anne: Person, enrolled: Enrolled
) -> Organization:
    """The clinic with merged people, decisions, a photo without a face, a queued one, and thresholds."""
    ben, cleo, dora = enrolled("Ben"), enrolled("Cleo"), enrolled("Dora")
    merge(session, anna, anne, name="Anne Ball", external_id="B1")
    decide(session, TESTER, add_pair(session, ben, cleo, 0.55), PairStatus.DISTINCT, "Twins, says Dora")
    undone = add_pair(session, cleo, dora, 0.7)
    decide(session, TESTER, undone, PairStatus.DISTINCT)
    undo_decision(session, clinic, TESTER, undone, undone.decided_at)
    confirm(session, TESTER, add_odd_photo(session, dora))
    here = session.get_one(Organization, clinic.id)
    choose_threshold(session, here, TESTER, Purpose.SEARCH, 0.45)
    choose_threshold(session, here, TESTER, Purpose.DUPLICATES, 0.52)
    with writing(session):
        session.execute(update(Photo).where(Photo.id == cleo.id).values(state=WorkState.RUNNING))
        session.execute(
            update(Person).where(Person.id != cleo.person_id).values(enrolled_at=Person.created_at)
        )
    return here


def told(session: Session, organization: Organization) -> dict[str, Any]:
    """Everything that an export speaks of, by names instead of row numbers."""
    session.rollback()
    session.expire_all()
    of = organization.id
    people = {one.id: one for one in session.scalars(select(Person).where(Person.organization_id == of))}
    called = {number: one.external_id for number, one in people.items()}
    photos = {one.id: one for one in session.scalars(select(Photo).where(Photo.organization_id == of))}
    faces = session.scalars(
        select(Face).options(undefer(Face.template)).where(Face.organization_id == of)
    ).all()
    shown = {
        one.id: (called[photos[one.photo_id].person_id], photos[one.photo_id].sha256, str(one.box))
        for one in faces
    }
    one = session.get_one(Organization, of)
    return {
        "people": {
            person.external_id: (
                *(person.name, called.get(person.merged_into_id or 0)),
                *(person.created_at, person.enrolled_at),
            )
            for person in people.values()
        },
        "photos": {
            (called[photo.person_id], photo.sha256): (
                photo.file_name,
                photo.size_bytes,
                photo.state,
                photo.reason,
                photo.width,
                photo.height,
                photo.media_format,
                shown.get(photo.main_face_id or 0),
            )
            for photo in photos.values()
        },
        "files": {photo.sha256: photo_store().read(photo.file_key) for photo in photos.values()},
        "faces": {
            shown[one.id]: (
                one.landmarks,
                one.detection_score,
                one.quality,
                one.template,
                one.gallery_version is None,
            )
            for one in faces
        },
        "pairs": {
            (called[pair.a_id], called[pair.b_id]): (
                pair.status,
                pair.score,
                pair.decided_at,
                pair.decided_by,
                pair.decided_score,
                pair.note,
                shown.get(pair.face_a_id or 0),
                shown.get(pair.face_b_id or 0),
                pair.threshold,
                pair.leads,
                [
                    (event.kind, event.at, event.status, event.score, event.actor, event.note)
                    for event in session.scalars(
                        select(PairEvent).where(PairEvent.pair_id == pair.id).order_by(PairEvent.id)
                    )
                ],
            )
            for pair in session.scalars(select(DuplicatePair).where(DuplicatePair.organization_id == of))
        },
        "merges": [
            (
                called[row.survivor_id],
                called[row.absorbed_id],
                row.merged_by,
                row.merged_at,
                row.before,
                sorted(photos[number].sha256 for number in row.photo_ids),
            )
            for row in session.scalars(
                select(Merge).where(Merge.organization_id == of, Merge.undone_at.is_(None))
            )
        ],
        "checks": [
            (photos[odd.photo_id].sha256, odd.score, odd.checked_at, odd.checked_by)
            for odd in session.scalars(select(OddPhoto).where(OddPhoto.organization_id == of))
        ],
        "thresholds": (one.search_threshold, one.duplicate_threshold, one.thresholds_model_id),
        "found": {
            word: [person.external_id for person in list_people(session, one, word).items]
            for word in ("anna", "anne", "b1", "a1", "ben")
        },
    }


@on_both_databases
def test_comes_back_as_it_was(
    session: Session,
    lived_in: Organization,
    elsewhere: Organization,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As with thousands of rows, which are read and taken in parts.
    monkeypatch.setattr("portal.transfer.rows.FETCHED_AT_ONCE", 2)
    monkeypatch.setattr("portal.transfer.matching.PHOTOS_AT_ONCE", 2)
    monkeypatch.setattr("portal.transfer.decisions.PAIRS_AT_ONCE", 1)
    before = told(session, lived_in)
    taken = take(session, elsewhere, export(session, lived_in, tmp_path / "export.zip"))
    after = told(session, elsewhere)
    # A photo that a worker had is queued again; the rest of what is known of it comes along.
    for photo, values in before["photos"].items():
        if values[2] == WorkState.RUNNING:
            before["photos"][photo] = (*values[:2], WorkState.QUEUED, None, None, None, None, values[7])
            queued = values[7]
    before["faces"][queued] = (*before["faces"][queued][:4], True)
    for part, values in before.items():
        assert after[part] == values, part
    assert taken.not_taken == []
    assert (taken.people, taken.queued) == (5, 1)


def test_templates_are_byte_equal_and_readable_by_numpy(
    session: Session, lived_in: Organization, tmp_path: Path
) -> None:
    path = export(session, lived_in, tmp_path / "export.zip")
    (tmp_path / "templates.npy").write_bytes(members(path)["templates.npy"])
    found = np.load(tmp_path / "templates.npy")
    assert (found.dtype, found.shape[1]) == (np.dtype("<f4"), 8)
    faces = session.scalars(select(Face).options(undefer(Face.template)).order_by(Face.id)).all()
    assert [row.tobytes() for row in found] == [face.template for face in faces if face.template is not None]


def test_merge_can_be_undone_where_it_was_taken(
    session: Session, lived_in: Organization, elsewhere: Organization, tmp_path: Path
) -> None:
    take(session, elsewhere, export(session, lived_in, tmp_path / "export.zip"))
    merged = session.scalars(select(Merge).where(Merge.organization_id == elsewhere.id)).one()
    assert undo_merge(session, elsewhere, TESTER, merged) == []
    after = told(session, elsewhere)["people"]
    assert {name: values[:2] for name, values in after.items() if name in {"A1", "B1"}} == {
        "A1": ("Anna Bell", None),
        "B1": ("Anne Ball", None),
    }
    photos = session.execute(
        select(Person.external_id, Photo.sha256).join(Photo, Photo.person_id == Person.id)
        .where(Person.organization_id == elsewhere.id, Person.external_id.in_(("A1", "B1")))
    ).all()  # fmt: skip
    assert sorted(name for name, _ in photos) == ["A1", "A1", "B1", "B1", "B1"]


def test_holds_nothing_of_another_organization(
    session: Session, lived_in: Organization, school: Organization, tmp_path: Path
) -> None:
    vector = towards(*range(1, 9))
    person = add_person(session, school, "OUTSIDE-ID", "Outside Name")
    other = add_photo(session, person, shade=77, vector=vector)
    twin = add_photo(session, add_person(session, school, "OUTSIDE-TWIN", "Outside Twin"), shade=78)
    decide(session, TESTER, add_pair(session, other, twin), PairStatus.DISTINCT, "OUTSIDE-NOTE")
    with writing(session):
        school_row = session.get_one(Organization, school.id)
        school_row.name = "OUTSIDE-SCHOOL"
    everything = members(export(session, lived_in, tmp_path / "export.zip"))
    foreign = [b"OUTSIDE", b"Outside", other.sha256.encode(), other.file_key.encode(), vector.tobytes()]
    foreign += [photo_store().read(photo.file_key) for photo in (other, twin)]
    for name, content in everything.items():
        assert not any(one in content or one in name.encode() for one in foreign), name
    # And the other way round they would have been found.
    outside = b"".join(members(export(session, school, tmp_path / "school.zip")).values())
    assert all(one in outside for one in (b"OUTSIDE-ID", b"OUTSIDE-NOTE", vector.tobytes()))


def test_another_face_model_looks_at_the_photos_itself(
    app: Flask, session: Session, lived_in: Organization, elsewhere: Organization, tmp_path: Path
) -> None:
    path = export(session, lived_in, tmp_path / "export.zip")
    with writing(session):
        other = made_up_model("other", fingerprint="f" * 64, dimension=4)
        session.add(other)
        session.flush()
        session.execute(update(Installation).values(face_model_id=other.id))
    before = told(session, lived_in)
    taken = take(session, elsewhere, path)
    after = told(session, elsewhere)
    assert {name: row[:3] for name, row in after["people"].items()} == {
        name: row[:3] for name, row in before["people"].items()
    }
    # They are enrolled when the workers have looked at their photos; an alias was for good.
    assert [name for name, row in after["people"].items() if row[3]] == ["A1"]
    assert after["files"] == before["files"]
    assert {values[2] for values in after["photos"].values()} == {WorkState.QUEUED}
    assert after["faces"] == {}
    assert after["thresholds"] == (None, None, None)
    decided = after["pairs"]["Ben", "Cleo"]
    assert decided[0] == PairStatus.DISTINCT
    assert decided[1] == -1.0
    assert decided[2:6] == before["pairs"]["Ben", "Cleo"][2:6]
    assert ("Cleo", "Dora") not in after["pairs"]
    assert {row.what for row in taken.not_taken} == {"threshold", "pair"}


def test_audit_is_in_it_and_the_act_is_in_the_audit(
    session: Session, lived_in: Organization, elsewhere: Organization, tmp_path: Path
) -> None:
    path = export(session, lived_in, tmp_path / "export.zip")
    audit = members(path)["audit.csv"].decode("utf-8-sig").splitlines()
    assert audit[0] == "at,actor,address,action,subject_type,subject_id,details"
    assert any(",person.merged," in line for line in audit)
    take(session, elsewhere, path)
    last = session.scalars(
        select(AuditEvent).where(AuditEvent.organization_id == elsewhere.id).order_by(AuditEvent.id.desc())
    ).first()
    assert last is not None
    assert (last.action, last.details) == (
        "organization.imported",
        {"from": "Alpha Clinic", "people": 5, "photos": 8},
    )


def test_photo_deleted_while_the_export_runs_is_left_out_and_told(
    session: Session, clinic: Organization, elsewhere: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    gone, stays = enrolled("Gone"), enrolled("Stays")
    photo_store().delete(gone.file_key)
    path = export(session, clinic, tmp_path / "export.zip")
    assert rows(path, "left_out.jsonl") == [{"photo": gone.id}]
    taken = take(session, elsewhere, path)
    assert [(row.what, row.external_id) for row in taken.not_taken] == [("photo", "Gone")]
    assert {name for name, _ in told(session, elsewhere)["photos"]} == {"Stays"}
    assert stays.sha256 in told(session, elsewhere)["files"]


def test_photo_whose_file_is_damaged_is_left_out_and_told(
    session: Session, clinic: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    damaged, _ = enrolled("Damaged"), enrolled("Sound")
    (photo_store().folder / damaged.file_key).write_bytes(b"\xff\xd8\xff something else")
    path = export(session, clinic, tmp_path / "export.zip")
    assert rows(path, "left_out.jsonl") == [{"photo": damaged.id}]
    assert f"photos/{damaged.sha256}" not in members(path)


def test_manifest_says_what_there_is(session: Session, lived_in: Organization, tmp_path: Path) -> None:
    manifest = json.loads(members(export(session, lived_in, tmp_path / "export.zip"))["manifest.json"])
    model = session.scalars(select(FaceModel)).one()
    assert manifest["face_model"] == {
        "fingerprint": model.fingerprint, "name": "made-up", "engine": "insightface", "dimension": 8,
    }  # fmt: skip
    assert manifest["thresholds"] == {"search": 0.45, "duplicates": 0.52}
    assert manifest["counts"]["people.jsonl"] == 5
    assert manifest["organization"] == {"slug": "alpha-clinic", "name": "Alpha Clinic"}


def test_empty_organization_can_be_moved(
    session: Session, clinic: Organization, elsewhere: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    path = export(session, elsewhere, tmp_path / "export.zip")
    enrolled("Someone")  # an installation has its face model when anybody is enrolled
    assert take(session, elsewhere, path).people == 0
