"""An organization moves with real faces: the same searches find the same people with the same scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session, undefer

from jobs.faces.pipeline import PhotoAnalysis
from portal.batches.importing import find_photos, find_source, import_source
from portal.batches.models import BatchArchive, KnownPeople
from portal.batches.naming import Grouping, Label
from portal.duplicates.judging import decide
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.pairs.locking import DuplicatePass
from portal.pairs.models import DuplicatePair, PairEvent, PairStatus
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.make.batches import finish
from tests.make.exports import export, members, rezipped, take
from tests.make.people import TESTER
from tests.make.photos import mate
from tests.run.workers import Worker

PEOPLE, PROBES = 300, 200


@pytest.fixture
def elsewhere(session: Session) -> Organization:
    """Where the clinic moves."""
    return create_organization(session, TESTER, "Elsewhere")


@pytest.fixture
def probes(lfw: Path, tmp_path: Path) -> list[bytes]:
    """Photos to search with; of the same people others lie in a folder that is imported, one a person."""
    folders = sorted(lfw.iterdir(), key=lambda folder: (len(list(folder.glob("*.jpg"))) < 2, folder.name))
    (tmp_path / "photos").mkdir()
    found = []
    for folder in folders[:PEOPLE]:
        first, *others = sorted(folder.glob("*.jpg"))
        (tmp_path / "photos" / f"{folder.name}.jpg").write_bytes(first.read_bytes())
        found += [other.read_bytes() for other in others[:1]]
    assert len(found) >= PROBES
    return found[:PROBES]


def enrol_all(session: Session, organization: Organization, folder: Path) -> None:
    source = find_source(folder)
    import_source(
        session,
        organization,
        TESTER,
        source,
        find_photos(source),
        photo_store(),
        grouping=Grouping.FILE,
        label=Label.EXTERNAL_ID,
        known=KnownPeople.ADD,
        tell=lambda total, done: None,
    )


def candidates(
    session: Session, worker: Worker, organization: Organization, probes: list[NDArray[np.float32]]
) -> list[list[tuple[str, float]]]:
    """Whom each probe finds, by external id, with the scores."""
    session.rollback()
    gallery = worker.process.galleries.open(session, organization.id)
    names = dict(
        session.execute(
            select(Person.id, Person.external_id).where(Person.organization_id == organization.id)
        ).all()
    )
    return [
        [(names[match.person_id], match.score) for match in gallery.search(probe, 20)] for probe in probes
    ]


def templates(session: Session, organization: Organization) -> dict[tuple[str, str], list[bytes | None]]:
    session.rollback()
    found: dict[tuple[str, str], list[bytes | None]] = {}
    faces = (
        select(Face, Photo.sha256, Person.external_id)
        .join(Photo, Photo.id == Face.photo_id)
        .join(Person, Person.id == Photo.person_id)
        .options(undefer(Face.template))
        .where(Face.organization_id == organization.id)
        .order_by(Face.id)
    )
    for face, sha256, name in session.execute(faces):
        found.setdefault((name, sha256), []).append(face.template)
    return found


def test_200_probes_find_the_same_people_with_the_same_scores(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    worker: Worker,
    probes: list[bytes],
    tmp_path: Path,
) -> None:
    enrol_all(session, clinic, tmp_path / "photos")
    finish(worker)
    found = [one for one in worker.process.pipeline.analyse(probes) if isinstance(one, PhotoAnalysis)]
    asked = [one.faces[one.main].template for one in found if one.main is not None]
    vectors = [vector for vector in asked if vector is not None]
    assert len(vectors) >= PROBES - 5
    pair = session.scalars(select(DuplicatePair).limit(1)).first()
    if pair is not None:
        decide(session, TESTER, pair, PairStatus.DISTINCT, "two people")
    before = candidates(session, worker, clinic, vectors)
    pairs = pairs_of(session, clinic)

    taken = take(session, elsewhere, export(session, clinic, tmp_path / "export.zip"))
    assert (taken.people, taken.queued, taken.not_taken) == (PEOPLE, 0, [])
    assert candidates(session, worker, elsewhere, vectors) == before
    assert templates(session, elsewhere) == templates(session, clinic)
    assert pairs_of(session, elsewhere) == pairs

    # The workers compare them as all that joins a gallery, find nothing new, and need not look at a photo.
    done = worker.work()
    assert "jobs.duplicates.compare_new" in done
    assert "jobs.enrolment.process_photos" not in done
    assert pairs_of(session, elsewhere) == pairs
    compared = session.scalars(
        select(DuplicatePass.compared_version).where(DuplicatePass.organization_id == elsewhere.id)
    ).one()
    assert compared == session.get_one(Organization, elsewhere.id).gallery_version


def pairs_of(session: Session, organization: Organization) -> list[tuple[str, str, str, float, int]]:
    """The pairs by external ids: status, score, and how long their history is."""
    session.rollback()
    names = dict(session.execute(select(Person.id, Person.external_id)).all())
    rows = session.scalars(select(DuplicatePair).where(DuplicatePair.organization_id == organization.id))
    return sorted(
        (
            names[pair.a_id],
            names[pair.b_id],
            pair.status,
            round(pair.score, 5),
            session.scalar(select(func.count()).where(PairEvent.pair_id == pair.id)) or 0,
        )
        for pair in rows
    )


def test_another_face_model_processes_the_photos(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    worker: Worker,
    lfw: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for one in sorted(lfw.iterdir())[:4]:
        (folder / f"{one.name}.jpg").write_bytes(next(iter(sorted(one.glob("*.jpg")))).read_bytes())
    enrol_all(session, clinic, folder)
    finish(worker)
    # As if it came from an installation with another one.
    files = members(export(session, clinic, tmp_path / "export.zip"))
    fingerprint = worker.process.pipeline.engine.pack.fingerprint.encode()
    files["manifest.json"] = files["manifest.json"].replace(fingerprint, b"0" * 64)
    taken = take(session, elsewhere, rezipped(tmp_path / "other.zip", files))
    assert (taken.people, taken.queued) == (4, 4)
    finish(worker)
    session.rollback()
    states = session.scalars(select(Photo.state).where(Photo.organization_id == elsewhere.id)).all()
    assert states == [WorkState.DONE] * 4
    assert templates(session, elsewhere) == templates(session, clinic)


def test_export_that_is_dropped_as_a_zip_of_photos_is_refused(
    session: Session, clinic: Organization, worker: Worker, lfw: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "A1.jpg").write_bytes(mate(lfw, "Aaron_Tippin"))
    enrol_all(session, clinic, tmp_path / "photos")
    finish(worker)
    path = export(session, clinic, tmp_path / "export.zip")
    session.rollback()
    enrol_all(session, clinic, path)
    finish(worker)
    session.rollback()
    problem = session.scalars(select(BatchArchive.problem)).one()
    assert "an export of a portal" in problem
    assert session.scalars(select(Person.external_id)).all() == ["A1"]
