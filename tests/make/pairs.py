"""People who are enrolled twice, and pairs that workers would have found."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.database import writing
from portal.organizations.models import Organization
from portal.pairs import remeasuring
from portal.pairs.finding import FoundPair, record_found
from portal.pairs.models import DuplicatePair, OddPhoto
from portal.pairs.odd_photos import Likeness, record_likeness
from portal.photos.models import Photo
from tests.make.face_models import THRESHOLD, face_model


def twins(lfw: Path, count: int) -> dict[str, bytes]:
    """Photos of people, each enrolled under two names: `A_…` has the first photo, `B_…` the second."""
    files: dict[str, bytes] = {}
    for folder in sorted(lfw.iterdir()):
        photos = sorted(folder.glob("*.jpg"))
        if len(photos) >= 2 and len(files) < 2 * count:
            files[f"A_{folder.name}/1.jpg"] = photos[0].read_bytes()
            files[f"B_{folder.name}/2.jpg"] = photos[1].read_bytes()
    return files


def mark_stale(session: Session, organization: Organization) -> None:
    """Note of which pairs a face left the gallery, as a pass does before it writes what it found."""
    with writing(session):
        row = session.get_one(Organization, organization.id, populate_existing=True)
        remeasuring.mark_stale(session, organization.id, 0, row.gallery_version)


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
