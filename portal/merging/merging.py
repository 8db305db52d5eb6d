"""Two people who are one person are merged, and parted again if that was wrong.

The absorbed person stays as an alias (portal.people.aliases): name and external id remain reserved, photos
move to the survivor. Merges into the same person are undone in reverse order, so that an undo finds what
its merge left.
"""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.locks import lock
from portal.merging.carrying import carry_over, undo_carry_over
from portal.merging.moving import give_back, hand_over, reveal_hidden_copies
from portal.organizations.models import Organization
from portal.pairs.locking import lock_pairs
from portal.people.aliases import (
    absorbed_by,
    aliases_of,
    index_words,
    lock_with_aliases,
    standing_merges,
)
from portal.people.models import Merge, Person
from portal.people.search_terms import key_of
from portal.queues import enqueue_comparison


class MergeError(ValueError):
    """Why people can't be merged or a merge can't be undone, in words for staff."""


def merge_people(
    session: Session,
    organization: Organization,
    actor: Actor,
    survivor: Person,
    absorbed: Person,
    *,
    name: str,
    external_id: str,
) -> Merge:
    """Make two people one: photos and aliases of `absorbed` become the survivor's; nothing is deleted.

    In the caller's transaction; the caller asks for a comparison afterwards (queues.enqueue_comparison).
    name and external_id are what is kept, each a value of one of the two; the other value stays with the
    alias. Raises MergeError, and Gone.
    """
    ids = survivor.id, absorbed.id
    if ids[0] == ids[1]:
        raise MergeError("A person can't be merged with themselves. Choose two people.")
    # Before the people, as in the workers that add pairs.
    lock_pairs(session, organization.id)
    held = lock_with_aliases(session, organization, ids)
    survivor, absorbed = (held[person_id] for person_id in ids)
    for person in (survivor, absorbed):
        _refuse_merged(session, person)
    _refuse_others(survivor, absorbed, name, external_id)
    merge = Merge(
        organization_id=organization.id,
        survivor_id=survivor.id,
        absorbed_id=absorbed.id,
        merged_by_id=actor.user_id,
        merged_by=actor.name,
        before={"survivor": _fields(survivor), "absorbed": _fields(absorbed)},
        photo_ids=hand_over(session, organization, absorbed.id, survivor.id),
    )
    session.add(merge)
    if name != survivor.name:
        _name(survivor, name)
        _name(absorbed, merge.before["survivor"]["name"])
    if external_id != survivor.external_id:
        _give_external_ids(session, survivor, external_id, absorbed, merge.before["survivor"]["external_id"])
    moment = survivor.updated_at = now()
    for person in (absorbed, *aliases_of(session, absorbed)):
        person.merged_into_id, person.updated_at = survivor.id, moment
    index_words(session, [survivor, absorbed])
    carry_over(session, merge)
    _record(session, actor, Action.PERSON_MERGED, merge, {"photos": len(merge.photo_ids)})
    return merge


def undo_merge(session: Session, organization: Organization, actor: Actor, merge: Merge) -> list[str]:
    """Make one person two again, as they were; returns what could not be undone, in sentences.

    What was changed on the survivor since then stays, and so do photos that were added. Raises MergeError,
    and Gone; nothing is changed then.
    """
    with writing(session):
        remarks = part_people(session, organization, actor, merge)
    enqueue_comparison(organization.id)
    return remarks


def part_people(session: Session, organization: Organization, actor: Actor, merge: Merge) -> list[str]:
    """What undo_merge does, in the caller's transaction, which asks for a comparison afterwards."""
    ids = merge.survivor_id, merge.absorbed_id
    lock_pairs(session, organization.id)
    held = lock_with_aliases(session, organization, ids)
    lock(session, merge)
    if merge.undone_at is not None:
        raise MergeError("This merge has already been undone.")
    if not _is_last(session, merge):
        raise MergeError("Undo the later merge first.")
    survivor, absorbed = (held[person_id] for person_id in ids)
    remarks = _restore_names(merge, survivor, absorbed)
    remarks += _restore_external_ids(session, merge, survivor, absorbed)
    moment = survivor.updated_at = absorbed.updated_at = merge.undone_at = now()
    for person_id in absorbed_by(session, absorbed.id):
        held[person_id].merged_into_id, held[person_id].updated_at = absorbed.id, moment
    absorbed.merged_into_id = None
    merge.undone_by = actor.name
    session.flush()
    lost = give_back(session, organization, merge)
    reveal_hidden_copies(session, organization, [survivor.id])
    if lost:
        photos = "One photo" if lost == 1 else f"{lost} photos"
        remarks.append(f"{photos} of {absorbed.name} had been removed since the merge and can't be restored.")
    index_words(session, [survivor, absorbed])
    undo_carry_over(session, merge)
    _record(session, actor, Action.MERGE_UNDONE, merge, {"photos": len(merge.photo_ids) - lost})
    return remarks


def merges_of(session: Session, organization: Organization, person: Person) -> list[Merge]:
    """The merges that made others aliases of this person and are not undone, newest first.

    The first of them is the one that can be undone next.
    """
    merges = standing_merges(session, [alias.id for alias in aliases_of(session, person)])
    return [merge for merge in merges if merge.organization_id == organization.id]


def find_merge(session: Session, organization: Organization, person: Person, merge_id: int) -> Merge | None:
    """A merge of others into this person of this organization; None if it is not there or another's."""
    return session.scalar(
        select(Merge).where(
            Merge.id == merge_id,
            Merge.organization_id == organization.id,
            Merge.survivor_id == person.id,
        )
    )


def _refuse_merged(session: Session, person: Person) -> None:
    if person.is_alias:
        survivor = session.get_one(Person, person.merged_into_id)
        raise MergeError(
            f"{person.name} ({person.external_id}) has already been merged into {survivor.name} "
            f"({survivor.external_id})."
        )


def _refuse_others(survivor: Person, absorbed: Person, name: str, external_id: str) -> None:
    if name not in (survivor.name, absorbed.name):
        raise MergeError("The name to keep must be that of one of the two. Choose again.")
    if external_id not in (survivor.external_id, absorbed.external_id):
        raise MergeError("The external ID to keep must be that of one of the two. Choose again.")


def _is_last(session: Session, merge: Merge) -> bool:
    """Whether nothing was merged into the survivor since then, nor the survivor into someone else."""
    later = select(Merge.id).where(
        Merge.id > merge.id,
        Merge.undone_at.is_(None),
        or_(Merge.survivor_id == merge.survivor_id, Merge.absorbed_id == merge.survivor_id),
    )
    return session.scalar(later.limit(1)) is None


def _restore_names(merge: Merge, survivor: Person, absorbed: Person) -> list[str]:
    before, own = merge.before["survivor"]["name"], merge.before["absorbed"]["name"]
    if absorbed.name == own:
        return []  # each kept their own
    unchanged = survivor.name == own
    _name(absorbed, own)
    if unchanged:
        _name(survivor, before)
        return []
    return [f"The name {survivor.name} was given after the merge, so it stays."]


def _restore_external_ids(session: Session, merge: Merge, survivor: Person, absorbed: Person) -> list[str]:
    before, own = merge.before["survivor"]["external_id"], merge.before["absorbed"]["external_id"]
    if absorbed.external_id == own:
        return []  # each kept their own
    if survivor.external_id == own:
        _give_external_ids(session, survivor, before, absorbed, own)
        return []
    remark = f"The external ID {survivor.external_id} was given after the merge, so it stays."
    if session.scalar(
        select(Person.id).where(Person.organization_id == merge.organization_id, Person.external_id == own)
    ):
        return [
            remark,
            f"The external ID {own} now belongs to someone else: {absorbed.name} has {absorbed.external_id}.",
        ]
    absorbed.external_id = own
    return [remark]


def _give_external_ids(
    session: Session, survivor: Person, external_id: str, absorbed: Person, others: str
) -> None:
    """Swap external ids, which are unique at every moment."""
    # No one has this one: an external id has no control characters.
    absorbed.external_id = f"\x1f{absorbed.id}"
    session.flush()
    survivor.external_id = external_id
    session.flush()
    absorbed.external_id = others
    session.flush()


def _name(person: Person, name: str) -> None:
    person.name, person.name_key = name, key_of(name)


def _fields(person: Person) -> dict[str, str]:
    return {"name": person.name, "external_id": person.external_id}


def _record(session: Session, actor: Actor, action: Action, merge: Merge, details: dict[str, int]) -> None:
    record(
        session,
        actor,
        action,
        organization_id=merge.organization_id,
        subject_type="person",
        subject_id=merge.survivor_id,
        # Names are not written down: the trail outlives the people's deletion.
        details={**details, "external_id": merge.before["absorbed"]["external_id"]},
    )
