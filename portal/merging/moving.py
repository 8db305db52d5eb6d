"""Photos that go from one person to another when these are merged, and back.

The same photo twice is one photo of the survivor: the absorbed person's copy of what the survivor has stays
with the alias, hidden, and out of the gallery. Whatever an alias hides, its survivor has.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session, aliased

from portal.locks import lock_rows
from portal.organizations.models import Organization
from portal.pairs.models import OddPhoto
from portal.people.aliases import standing_merges
from portal.people.models import Merge, Person
from portal.photos.gallery import join_gallery, leave_gallery
from portal.photos.models import Face, Photo


def hand_over(session: Session, organization: Organization, absorbed_id: int, survivor_id: int) -> list[int]:
    """Give the absorbed person's photos to the survivor, in the transaction that merges; returns which.

    Those that the survivor already has stay, and leave the gallery.
    """
    of_both = select(Photo.id, Photo.person_id, Photo.sha256).where(
        Photo.person_id.in_((absorbed_id, survivor_id))
    )
    photos = lock_rows(session, of_both).all()
    known = {photo.sha256 for photo in photos if photo.person_id == survivor_id}
    of_absorbed = [photo for photo in photos if photo.person_id == absorbed_id]
    moved = [photo.id for photo in of_absorbed if photo.sha256 not in known]
    hidden = [photo.id for photo in of_absorbed if photo.sha256 in known]
    _move(session, organization, moved, survivor_id)
    leave_gallery(session, organization.id, _faces_in_gallery(session, hidden))
    return moved


def give_back(session: Session, organization: Organization, merge: Merge) -> int:
    """Give the absorbed person's photos back, in the transaction that undoes the merge.

    Those that were hidden join the gallery again. Returns how many no longer exist.
    """
    hidden = lock_rows(session, select(Photo.id).where(Photo.person_id == merge.absorbed_id)).scalars().all()
    join_gallery(session, organization.id, _main_faces(session, hidden))
    moved = select(Photo.id).where(Photo.id.in_(merge.photo_ids), Photo.person_id == merge.survivor_id)
    back = lock_rows(session, moved).scalars().all()
    _move(session, organization, back, merge.absorbed_id)
    return len(merge.photo_ids) - len(back)


def reveal_hidden_copies(session: Session, organization: Organization, person_ids: Collection[int]) -> None:
    """Let photos that aliases of these people hide take the place of copies that are gone.

    In the caller's transaction, which holds the people. They go back with the merge that made the alias,
    as if they had moved with it: so of several copies the one of the latest merge is revealed.
    """
    visible = aliased(Photo)
    rows = session.execute(
        select(Photo.id, Photo.person_id, Photo.sha256, Person.merged_into_id)
        .join(Person, Person.id == Photo.person_id)
        .where(
            Person.merged_into_id.in_(person_ids),
            ~exists().where(visible.person_id == Person.merged_into_id, visible.sha256 == Photo.sha256),
        )
    ).all()
    merges = {merge.absorbed_id: merge for merge in _on_the_way(session, {row.person_id for row in rows})}
    brought = set()
    for row in sorted(rows, key=lambda row: -merges[row.person_id].id):
        if (row.merged_into_id, row.sha256) in brought:
            continue
        brought.add((row.merged_into_id, row.sha256))
        person_id = row.person_id
        while (merge := merges.get(person_id)) is not None:
            merge.photo_ids = [*merge.photo_ids, row.id]
            person_id = merge.survivor_id
        _move(session, organization, [row.id], row.merged_into_id)
        join_gallery(session, organization.id, _main_faces(session, [row.id]))


def _on_the_way(session: Session, alias_ids: Collection[int]) -> list[Merge]:
    """The merges by which these aliases came to their survivor."""
    found: list[Merge] = []
    newly = standing_merges(session, alias_ids)
    while newly:
        found += newly
        known = {merge.absorbed_id for merge in found}
        newly = standing_merges(session, {merge.survivor_id for merge in newly} - known)
    return found


def _move(session: Session, organization: Organization, photo_ids: Collection[int], person_id: int) -> None:
    whose = {"person_id": person_id}
    for table, photo_id in ((Photo, Photo.id), (Face, Face.photo_id), (OddPhoto, OddPhoto.photo_id)):
        session.execute(
            update(table)
            .where(photo_id.in_(photo_ids))
            .values(whose)
            .execution_options(synchronize_session=False)
        )
    join_gallery(session, organization.id, _faces_in_gallery(session, photo_ids))


def _faces_in_gallery(session: Session, photo_ids: Collection[int]) -> list[int]:
    in_gallery = select(Face.id).where(Face.photo_id.in_(photo_ids), Face.gallery_version.is_not(None))
    return list(session.scalars(in_gallery))


def _main_faces(session: Session, photo_ids: Collection[int]) -> list[int]:
    """The faces that stand for a person, where their templates were made."""
    main = select(Face.id).join(Photo, Face.id == Photo.main_face_id)
    return list(session.scalars(main.where(Photo.id.in_(photo_ids), Face.template.is_not(None))))
