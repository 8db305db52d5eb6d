"""People with photos and templates, as if workers had looked at their photos."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.database import now, writing
from portal.enrolment.adding import create_person
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.gallery import next_version
from portal.photos.models import Face, Photo
from portal.photos.services import Upload
from portal.storage import PhotoStore, photo_store
from portal.work.models import WorkState
from tests.make.face_models import DIMENSION, face_model
from tests.make.photos import picture

# By external id: the templates of a person, float32 of unit length, one for each photo.
People = dict[str, list[NDArray[np.float32]]]
TESTER = Actor(None, "test")
QUALITY = {"word": "good", "reasons": [], "eye_distance": 7.0, "sharpness": 1.0, "brightness": 0.5}


def enrol_templates(session: Session, organization: Organization, people: People) -> dict[str, int]:
    """Enrol people whose photos have these templates; returns their ids. There are no files."""
    model = face_model(session)
    with writing(session):
        rows = {
            external_id: Person(
                organization_id=organization.id,
                external_id=external_id,
                name=external_id,
                name_key=external_id.casefold(),
            )
            for external_id in people
        }
        session.add_all(rows.values())
        session.flush()
        version = next_version(session, organization.id)
        for external_id, templates in people.items():
            for number, template in enumerate(templates):
                key = f"{organization.id}/{external_id}/{number}"
                photo = Photo(
                    organization_id=organization.id,
                    person_id=rows[external_id].id,
                    state=WorkState.DONE,
                    sha256=key,
                    file_key=key,
                    file_name="photo.jpg",
                    size_bytes=1,
                )
                session.add(photo)
                session.flush()
                session.add(
                    Face(
                        photo_id=photo.id,
                        organization_id=organization.id,
                        person_id=rows[external_id].id,
                        face_model_id=model.id,
                        box=[0.0, 0.0, 10.0, 10.0],
                        landmarks=[[0.0, 0.0]] * 5,
                        detection_score=0.9,
                        quality=QUALITY,
                        template=template.astype("<f4").tobytes(),
                        gallery_version=version,
                    )
                )
    return {external_id: person.id for external_id, person in rows.items()}


def towards(*coordinates: float, dimension: int = 8) -> NDArray[np.float32]:
    """A template of unit length whose first coordinates are as these are to each other."""
    vector = np.zeros(dimension, np.float32)
    vector[: len(coordinates)] = coordinates
    unit: NDArray[np.float32] = vector / np.linalg.norm(vector)
    return unit


def add_person(session: Session, organization: Organization, external_id: str, name: str = "Anna") -> Person:
    """A person without a photo."""
    return create_person(
        session, organization, TESTER, external_id=external_id, name=name, photos=[], store=photo_store()
    )


def stored(store: PhotoStore, organization: Organization, content: bytes, name: str = "photo.jpg") -> Upload:
    """A photo in the store, as a form would have put it there."""
    return Upload(store.receive(organization.id, io.BytesIO(content), 1 << 30), name)


def template(direction: int = 0, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """A template of unit length, at right angles to those of other directions."""
    unit: NDArray[np.float32] = np.eye(dimension, dtype=np.float32)[direction]
    return unit


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
        store.write(upload.file.key, rendition, picture(shade))
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
