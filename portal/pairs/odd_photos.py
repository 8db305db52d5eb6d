"""Photos that do not look like the others of their person: maybe filed under the wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.orm import Session, selectinload

from portal.audit.services import Action, Actor, record
from portal.chunks import chunks
from portal.database import now, writing
from portal.locks import lock, lock_rows
from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_page
from portal.pairs.groups import ASKED_AT_ONCE
from portal.pairs.models import OddPhoto
from portal.photos.models import Face, Photo

PAGE_SIZE = 30


@dataclass(frozen=True)
class Likeness:
    """A gallery face, and its highest score with the other faces of its person: cosine, -1…1."""

    face_id: int
    person_id: int
    score: float


def record_likeness(
    session: Session, organization_id: int, found: Sequence[Likeness], threshold: float
) -> None:
    """Write down which of these faces' photos are odd, in the caller's transaction; the others are not (now).

    What a member confirmed stays confirmed.
    """
    for part in chunks(found, ASKED_AT_ONCE):
        _record_some(session, organization_id, part, threshold)


def _record_some(session: Session, organization_id: int, found: Sequence[Likeness], threshold: float) -> None:
    in_gallery = select(Face.id, Face.photo_id, Face.person_id).where(
        Face.id.in_([one.face_id for one in found]),
        Face.organization_id == organization_id,
        Face.gallery_version.is_not(None),
    )
    faces = {row.id: row for row in lock_rows(session, in_gallery, read=True, key_share=True)}
    there = [one for one in found if one.face_id in faces and faces[one.face_id].person_id == one.person_id]
    photos = {faces[one.face_id].photo_id: one for one in there}
    known = set(session.scalars(select(OddPhoto.photo_id).where(OddPhoto.photo_id.in_(photos))))
    fine = [photo_id for photo_id in known if photos[photo_id].score >= threshold]
    session.execute(delete(OddPhoto).where(OddPhoto.photo_id.in_(fine)))
    odd = {photo_id: one for photo_id, one in photos.items() if one.score < threshold}
    fresh = [
        {
            "photo_id": photo_id,
            "organization_id": organization_id,
            "person_id": one.person_id,
            "score": one.score,
            "threshold": threshold,
        }
        for photo_id, one in odd.items()
        if photo_id not in known
    ]
    if fresh:
        session.execute(insert(OddPhoto), fresh)
    changed = [
        {"photo_id": photo_id, "score": one.score, "threshold": threshold, "person_id": one.person_id}
        for photo_id, one in odd.items()
        if photo_id in known
    ]
    if changed:
        session.execute(update(OddPhoto), changed)


def list_odd(session: Session, organization: Organization, cursor: str | None = None) -> Page[OddPhoto]:
    """A page of photos to look at, the least alike first. Raises paging.CursorError."""
    query = (
        select(OddPhoto)
        .options(selectinload(OddPhoto.person), selectinload(OddPhoto.photo).selectinload(Photo.faces))
        .where(OddPhoto.organization_id == organization.id, *_are_odd())
    )
    rows = fetch_page(
        session,
        query,
        (OddPhoto.score, OddPhoto.photo_id),
        Cursor.decode(cursor, (float, int)) if cursor else None,
        PAGE_SIZE,
        lambda row: (row[0].score, row[0].photo_id),
    )
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def odd_photos_of(session: Session, person_ids: Sequence[int]) -> dict[int, OddPhoto]:
    """The photos of these people that are to be looked at, by photo id."""
    rows = session.scalars(select(OddPhoto).where(OddPhoto.person_id.in_(person_ids), *_are_odd()))
    return {odd.photo_id: odd for odd in rows}


def _are_odd() -> tuple[ColumnElement[bool], ...]:
    """The conditions for photos that nobody has checked, of people who have others to compare them with."""
    others = select(Face.id).where(
        Face.person_id == OddPhoto.person_id,
        Face.photo_id != OddPhoto.photo_id,
        Face.gallery_version.is_not(None),
    )
    return OddPhoto.checked_at.is_(None), others.exists()


def find_odd(session: Session, organization: Organization, photo_id: int) -> OddPhoto | None:
    """An odd photo of this organization; None for one that is not there or another's."""
    return session.scalar(
        select(OddPhoto).where(OddPhoto.photo_id == photo_id, OddPhoto.organization_id == organization.id)
    )


def confirm(session: Session, actor: Actor, odd: OddPhoto) -> None:
    """Take a photo off the list: it shows the person. Raises Gone."""
    with writing(session):
        lock(session, odd)
        odd.checked_at, odd.checked_by = now(), actor.name
        record(
            session,
            actor,
            Action.PHOTO_CHECKED,
            organization_id=odd.organization_id,
            subject_type="person",
            subject_id=odd.person_id,
            details={"photo": odd.photo_id},
        )
