"""Rows that workers would have written, for tests that are not about the face model."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.batches.models import ON_THE_WAY, Batch, BatchItem, Decision, KnownPeople
from portal.batches.naming import Grouping, Label
from portal.database import now, writing
from portal.enrolment.adding import create_person
from portal.installation.models import FaceModel, PermittedUse
from portal.installation.services import current_face_model, store_face_model
from portal.organizations.models import Organization
from portal.pairs.finding import FoundPair, record_found
from portal.pairs.models import DuplicatePair, OddPhoto
from portal.pairs.odd_photos import Likeness, record_likeness
from portal.people.models import Person
from portal.photos.gallery import next_version
from portal.photos.models import Face, Photo
from portal.photos.services import Upload
from portal.search.models import Candidate, ProbeFace, Search
from portal.search.services import create_search
from portal.storage import PhotoStore, photo_store
from portal.work.models import WorkState
from tests.photos import picture

SOMEBODY = Actor(None, "test")
DIMENSION = 8
THRESHOLD = 0.4
QUALITY = {"word": "good", "reasons": [], "eye_distance": 7.0, "sharpness": 1.0, "brightness": 0.5}


def made_up_model(name: str = "made-up", **values: Any) -> FaceModel:
    """A face model of short templates, which is not stored yet."""
    usual = {
        "fingerprint": f"{name:0>64}",
        "name": name,
        "source": name,
        "engine": "insightface",
        "dimension": DIMENSION,
        "threshold": THRESHOLD,
        "threshold_source": "made up",
        "licence": "none",
        "permitted_use": PermittedUse.ANY,
    }
    return FaceModel(**{**usual, **values})


def face_model(session: Session) -> FaceModel:
    """The installation's face model: the one that is stored, else a made-up one."""
    return current_face_model(session) or store_face_model(session, made_up_model())


def add_person(session: Session, organization: Organization, external_id: str, name: str = "Anna") -> Person:
    """A person without a photo."""
    return create_person(
        session, organization, SOMEBODY, external_id=external_id, name=name, photos=[], store=photo_store()
    )


def stored(store: PhotoStore, organization: Organization, content: bytes, name: str = "photo.jpg") -> Upload:
    """A photo in the store, as a form would have put it there."""
    return Upload(store.receive(organization.id, io.BytesIO(content), 1 << 30), name)


def template(direction: int = 0, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """A template of unit length, at right angles to those of other directions."""
    return np.eye(dimension, dtype=np.float32)[direction]


def add_photo(
    session: Session,
    person: Person,
    *,
    faces: int = 1,
    direction: int = 0,
    shade: int = 0,
    vector: NDArray[np.float32] | None = None,
) -> Photo:
    """A photo that a worker is done with: files, faces, and the first of them in the gallery.

    vector: the template of that one, instead of the one of a direction.
    """
    store, model = photo_store(), face_model(session)
    main = template(direction, model.dimension) if vector is None else vector
    organization = session.get_one(Organization, person.organization_id)
    upload = stored(store, organization, picture(shade))
    for rendition in ("preview", "thumbnail"):
        store.write(upload.file.key, rendition, picture(shade))  # type: ignore[arg-type]
    with writing(session):
        photo = Photo(
            organization_id=person.organization_id,
            person_id=person.id,
            state=WorkState.DONE if faces else WorkState.FAILED,
            reason=None if faces else "no_face",
            finished_at=now(),
            **_file(upload),
        )
        session.add(photo)
        session.flush()
        rows = [
            Face(
                photo_id=photo.id,
                organization_id=person.organization_id,
                person_id=person.id,
                face_model_id=model.id,
                template=None if number else main.tobytes(),
                **_found(number),
            )
            for number in range(faces)
        ]
        session.add_all(rows)
        session.flush()
        if rows:
            photo.main_face_id = rows[0].id
            rows[0].gallery_version = next_version(session, person.organization_id)
    return photo


def add_search(
    session: Session, organization: Organization, *, candidates: tuple[Photo, ...] = (), faces: int = 2
) -> Search:
    """A search that a worker is done with; its candidates are the persons of these photos, best first."""
    store, model = photo_store(), face_model(session)
    upload = stored(store, organization, picture(200), "probe.jpg")
    for rendition in ("preview", "thumbnail"):
        store.write(upload.file.key, rendition, picture(200))  # type: ignore[arg-type]
    search = create_search(session, organization, SOMEBODY, upload)
    with writing(session):
        probes = [
            ProbeFace(
                search_id=search.id,
                face_model_id=model.id,
                template=template(dimension=model.dimension).tobytes(),
                **_found(number),
            )
            for number in range(faces)
        ]
        session.add_all(probes)
        search.state, search.finished_at = WorkState.DONE, now()
        search.media_format, search.width, search.height = "JPEG", 64, 48
        session.flush()
        if not probes:
            search.state, search.reason = WorkState.FAILED, "no_face"
            return search
        search.face_id = probes[0].id
        probes[0].threshold, probes[0].gallery_people = model.threshold, len(candidates)
        session.add_all(
            Candidate(
                probe_face_id=probes[0].id,
                rank=rank,
                person_id=photo.person_id,
                face_id=photo.main_face_id or 0,
                score=0.9 - 0.2 * rank,
            )
            for rank, photo in enumerate(candidates, start=1)
        )
    return search


def add_batch(
    session: Session,
    organization: Organization,
    *items: dict[str, Any],
    decision: Decision = Decision.GO_ON,
    source: str = "from a browser",
) -> Batch:
    """A batch with these items, whose external ids are in their folders."""
    with writing(session):
        batch = Batch(
            organization_id=organization.id,
            created_by=SOMEBODY.name,
            source=source,
            grouping=Grouping.FOLDER,
            label=Label.EXTERNAL_ID,
            known=KnownPeople.ADD,
            decision=decision,
        )
        session.add(batch)
        session.flush()
        whose = {"batch_id": batch.id, "organization_id": organization.id}
        session.add_all(
            BatchItem(**whose, **item, path_key=item["path"], finished_at=_end_of(item)) for item in items
        )
    return batch


def _end_of(item: dict[str, Any]) -> datetime | None:
    return None if item["state"] in ON_THE_WAY else now()


def _file(upload: Upload) -> dict[str, Any]:
    return {
        "sha256": upload.file.sha256,
        "file_key": upload.file.key,
        "file_name": upload.name,
        "size_bytes": upload.file.size_bytes,
        "media_format": "JPEG",
        "width": 64,
        "height": 48,
    }


def _found(number: int) -> dict[str, Any]:
    left = 5.0 + 20 * number
    return {
        "box": [left, 5.0, left + 15, 25.0],
        "landmarks": [[left + 4, 10], [left + 11, 10], [left + 7, 14], [left + 4, 19], [left + 11, 19]],
        "detection_score": 0.9 - number / 10,
        "quality": QUALITY,
    }


def add_pair(session: Session, one: Photo, other: Photo, score: float = 0.6) -> DuplicatePair:
    """A pair of the people on two photos, as a worker would have found it by their main faces."""
    (a, face_a), (b, face_b) = sorted((photo.person_id, photo.main_face_id or 0) for photo in (one, other))
    found = FoundPair(a, b, face_a, face_b, score)
    with writing(session):
        record_found(session, one.organization_id, [found], THRESHOLD, face_model(session).id)
    pair = select(DuplicatePair).where(DuplicatePair.a_id == a, DuplicatePair.b_id == b)
    return session.scalars(pair).one()


def add_odd_photo(session: Session, photo: Photo, score: float = 0.1) -> OddPhoto:
    """A photo that a worker would have found unlike the others of its person."""
    with writing(session):
        likeness = Likeness(photo.main_face_id or 0, photo.person_id, score)
        record_likeness(session, photo.organization_id, [likeness], THRESHOLD)
    return session.get_one(OddPhoto, photo.id)
