"""People with given templates, as if workers had looked at their photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from portal.database import writing
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.photos.gallery import next_version
from portal.photos.models import Face, Photo
from portal.work.models import WorkState
from tests.rows import QUALITY, face_model

# By external id: the templates of a person, float32 of unit length, one for each photo.
People = dict[str, list[NDArray[np.float32]]]


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
