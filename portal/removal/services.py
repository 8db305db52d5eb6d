"""People and photos go: with everything that rests on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.batches.models import FORGOTTEN, BatchItem
from portal.database import Gone, Precondition, now, unconditional, writing
from portal.keys.idempotency import forget_answers
from portal.locks import lock
from portal.organizations.models import Organization
from portal.pairs.groups import partners_of, regroup
from portal.pairs.locking import lock_pairs
from portal.people.aliases import lock_person, lock_with_aliases
from portal.people.models import Merge, Person, PersonWord
from portal.photos.models import Photo
from portal.photos.services import count_photos_of, delete_photos, delete_photos_of, record_photo_event
from portal.storage import PhotoStore


def remove_photo(
    session: Session,
    organization: Organization,
    actor: Actor,
    photo: Photo,
    store: PhotoStore,
    precondition: Precondition = unconditional,
) -> None:
    """Remove a photo with its faces, templates and files; the faces leave the gallery. Raises Gone.

    Copies of it that aliases of the person keep hidden go with it.
    """
    person = photo.person
    with writing(session):
        lock_pairs(session, organization.id)
        lock_person(session, person)
        lock(session, photo)
        if photo.person_id != person.id:
            raise Gone  # a merge that was undone took it elsewhere
        precondition()
        aliases = select(Person.id).where(Person.merged_into_id == person.id)
        copies = session.scalars(
            select(Photo.id).where(Photo.person_id.in_(aliases), Photo.sha256 == photo.sha256)
        )
        keys = delete_photos(session, organization, [photo.id, *copies])
        person.updated_at = now()
        forget_answers(session, organization.id)
        record_photo_event(session, organization, actor, Action.PHOTO_REMOVED, photo)
    for key in keys:
        store.delete(key)


def delete_person(
    session: Session,
    organization: Organization,
    actor: Actor,
    person: Person,
    store: PhotoStore,
    precondition: Precondition = unconditional,
) -> None:
    """Delete a person with photos, faces, templates and files; the faces leave the gallery and old searches.

    Everybody who was merged into them goes with them. Raises Gone.
    """
    person_id = person.id
    with writing(session):
        lock_pairs(session, organization.id)
        held = lock_with_aliases(session, organization, [person_id])
        if held[person_id].is_alias:
            raise Gone
        precondition()
        photos = count_photos_of(session, held)
        keys = delete_photos_of(session, organization, list(held))
        delete_rows(session, organization, list(held))
        for one in held.values():
            record(
                session,
                actor,
                Action.PERSON_DELETED,
                organization_id=organization.id,
                subject_type="person",
                subject_id=one.id,
                details={"external_id": one.external_id, "photos": photos[one.id]},
            )
    for key in keys:
        store.delete(key)


def delete_rows(session: Session, organization: Organization, ids: Sequence[int]) -> None:
    """Delete people who have no photos any more, in the transaction that deleted those, which holds pairs."""
    partners = partners_of(session, ids)
    session.execute(delete(PersonWord).where(PersonWord.person_id.in_(ids)))
    # The batches in which they came still count their photos, and forget whose they were.
    session.execute(
        update(BatchItem)
        .where(BatchItem.person_id.in_(ids))
        .values(FORGOTTEN)
        .execution_options(synchronize_session=False)
    )
    session.execute(delete(Person).where(Person.id.in_(ids), Person.organization_id == organization.id))
    forget_answers(session, organization.id)
    regroup(session, organization.id, partners)


def without_anything_left(session: Session, ids: Collection[int]) -> set[int]:
    """Those of people without photos of whom nothing is left anywhere.

    An alias whose photos moved with its merge is left as long as one of them is there; and a person who
    absorbed someone is left as long as that one is.
    """
    merges = session.scalars(
        select(Merge).where(
            Merge.undone_at.is_(None), or_(Merge.absorbed_id.in_(ids), Merge.survivor_id.in_(ids))
        )
    ).all()
    moved = {photo_id for merge in merges if merge.absorbed_id in ids for photo_id in merge.photo_ids}
    there = set(session.scalars(select(Photo.id).where(Photo.id.in_(moved))))
    left = set(ids) - {merge.absorbed_id for merge in merges if there & set(merge.photo_ids)}
    while kept := {
        merge.survivor_id for merge in merges if merge.survivor_id in left and merge.absorbed_id not in left
    }:
        left -= kept
    return left
