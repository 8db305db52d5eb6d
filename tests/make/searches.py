"""Searches that workers are done with."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.database import now, writing
from portal.organizations.models import Organization
from portal.photos.models import Photo
from portal.search.models import Candidate, ProbeFace, Search
from portal.search.services import create_search
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.make.face_models import face_model
from tests.make.people import TESTER, _found, stored, template
from tests.make.photos import picture


def add_search(
    session: Session, organization: Organization, *, candidates: tuple[Photo, ...] = (), faces: int = 2
) -> Search:
    """A search that a worker is done with; its candidates are the persons of these photos, best first."""
    store, model = photo_store(), face_model(session)
    upload = stored(store, organization, picture(200), "probe.jpg")
    for rendition in ("preview", "thumbnail"):
        store.write(upload.file.key, rendition, picture(200))
    search = create_search(session, organization, TESTER, upload)
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
