"""Pairs whose best faces left the gallery: they are compared again with the faces that there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from portal.pairs.finding import FoundPair, both_in_gallery, faces_that_count, rescore
from portal.pairs.groups import regroup
from portal.pairs.locking import lock_pairs
from portal.pairs.models import DuplicatePair
from portal.photos.models import Face, GalleryRemoval


def mark_stale(session: Session, organization_id: int, after: int, up_to: int) -> None:
    """Remember that scores rest on faces which left the gallery after one version, up to another.

    In the caller's transaction, which holds the pairs.
    """
    of_organization = DuplicatePair.organization_id == organization_id
    left = select(GalleryRemoval.face_id).where(
        GalleryRemoval.organization_id == organization_id,
        GalleryRemoval.gallery_version > after,
        GalleryRemoval.gallery_version <= up_to,
    )
    # Deleted faces are no longer referred to; a score of -1 says that there was none before.
    gone = or_(DuplicatePair.face_a_id.is_(None), DuplicatePair.face_b_id.is_(None))
    for which in (
        [DuplicatePair.face_a_id.in_(left)],
        [DuplicatePair.face_b_id.in_(left)],
        [of_organization, gone, DuplicatePair.score > -1],
    ):
        session.execute(
            update(DuplicatePair)
            .where(*which)
            .values(stale=True)
            .execution_options(synchronize_session=False)
        )


def stale_pairs(session: Session, organization_id: int, after: int, limit: int) -> list[tuple[int, int, int]]:
    """Pairs with an id above `after` whose best faces are not in the gallery any more: (id, a, b)."""
    rows = session.execute(
        select(DuplicatePair.id, DuplicatePair.a_id, DuplicatePair.b_id)
        .where(
            DuplicatePair.organization_id == organization_id, DuplicatePair.stale, DuplicatePair.id > after
        )
        .order_by(DuplicatePair.id)
        .limit(limit)
    )
    return [(row.id, row.a_id, row.b_id) for row in rows]


def templates_of(session: Session, person_ids: Sequence[int]) -> dict[int, list[tuple[int, bytes]]]:
    """The gallery faces of people: by person (face id, template: float32, little-endian, unit length)."""
    found: dict[int, list[tuple[int, bytes]]] = {person_id: [] for person_id in person_ids}
    rows = session.execute(
        select(Face.id, Face.person_id, Face.template)
        .where(Face.person_id.in_(person_ids), Face.gallery_version.is_not(None))
        .order_by(Face.id)
    )
    for row in rows:
        if row.template is not None:
            found[row.person_id].append((row.id, row.template))
    return found


def remeasure(session: Session, organization_id: int, best: Mapping[int, FoundPair | None]) -> None:
    """Write the scores that stale pairs have now, by the pair's id, in the caller's transaction.

    None: one of the two has no face in the gallery, and nothing can be said (the score is -1 then, and the
    pair needs no decision). Pairs whose faces left meanwhile stay stale and are met again.
    """
    lock_pairs(session, organization_id)
    faces = faces_that_count(session, organization_id, [found for found in best.values() if found])
    stale = (
        select(DuplicatePair)
        .where(DuplicatePair.id.in_(best), DuplicatePair.stale)
        .order_by(DuplicatePair.id)
        .execution_options(populate_existing=True)
    )
    for pair in session.scalars(stale).all():
        found = best[pair.id]
        same_photo = False
        if found is not None:
            if not both_in_gallery(found, faces):
                continue
            same_photo = faces[found.face_a_id].sha256 == faces[found.face_b_id].sha256
        rescore(session, pair, found, same_photo)
        regroup(session, organization_id, (pair.a_id, pair.b_id))
