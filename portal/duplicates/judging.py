"""What staff decide about pairs: one person, different people, not sure; and undoing that."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from portal.accounts.models import User
from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.duplicates.handing_out import who_may_decide
from portal.locks import lock
from portal.merging.merging import merge_people, part_people
from portal.organizations.models import Organization
from portal.pairs.finding import add_event, open_again, tell_decided
from portal.pairs.groups import regroup
from portal.pairs.locking import lock_pairs
from portal.pairs.models import DuplicatePair, PairEventKind, PairStatus
from portal.people.aliases import lock_with_aliases
from portal.people.models import Merge, Person
from portal.queues import enqueue_comparison
from portal.text import TextError, clean_note

# How long a pair is kept for a member after its page was last heard from.
RESERVED_FOR = timedelta(seconds=90)
NOTE_LENGTH = 2000


class PairError(ValueError):
    """Why something can't be done with a pair, in words for staff."""


def reserve(session: Session, actor: Actor, pair: DuplicatePair) -> bool:
    """Reserve a pair for a member who looks at it; False if it is reserved for someone else. Raises Gone."""
    with writing(session):
        lock_pairs(session, pair.organization_id)
        lock(session, pair)
        if is_reserved(pair, actor):
            return False
        if pair.status == PairStatus.OPEN:
            _reserve_group(session, pair, actor)
    return True


def release(session: Session, actor: Actor, pair: DuplicatePair) -> None:
    """Let others have a pair. Raises Gone."""
    with writing(session):
        lock_pairs(session, pair.organization_id)
        lock(session, pair)
        if pair.reserved_by_id == actor.user_id:
            _release_group(session, pair, actor)


def _reserve_group(session: Session, pair: DuplicatePair, actor: Actor) -> None:
    """All pairs of a group are one question: a member who looks at one of them has them all.

    Except those that someone else has: two groups that two members look at may have become one.
    """
    free = or_(
        DuplicatePair.reserved_by_id.is_(None),
        DuplicatePair.reserved_by_id == actor.user_id,
        DuplicatePair.reserved_until < now(),
    )
    _set_reservation(session, pair, free, actor.user_id, now() + RESERVED_FOR)


def _release_group(session: Session, pair: DuplicatePair, actor: Actor) -> None:
    _set_reservation(session, pair, DuplicatePair.reserved_by_id == actor.user_id, None, None)


def _set_reservation(
    session: Session,
    pair: DuplicatePair,
    which: ColumnElement[bool],
    user_id: int | None,
    until: datetime | None,
) -> None:
    same = DuplicatePair.id == pair.id
    if pair.group_id is not None:
        same |= (DuplicatePair.organization_id == pair.organization_id) & (
            DuplicatePair.group_id == pair.group_id
        )
    session.execute(
        update(DuplicatePair)
        .where(same, which)
        .values(reserved_by_id=user_id, reserved_until=until)
        .execution_options(synchronize_session=False)
    )


def is_reserved(pair: DuplicatePair, actor: Actor) -> bool:
    """Whether a pair is reserved for someone else for the moment."""
    return (
        pair.reserved_by_id not in (None, actor.user_id)
        and pair.reserved_until is not None
        and pair.reserved_until > now()
    )


def decide(session: Session, actor: Actor, pair: DuplicatePair, status: PairStatus, note: str = "") -> None:
    """Say that two people are one (without merging them), or are not. Raises PairError, and Gone."""
    note = _clean_note(note)
    with writing(session):
        lock_pairs(session, pair.organization_id)
        _lock_open(session, actor, pair)
        _decide(session, actor, pair, status, note)


def decide_and_merge(
    session: Session,
    organization: Organization,
    actor: Actor,
    pair: DuplicatePair,
    *,
    survivor: Person,
    absorbed: Person,
    name: str,
    external_id: str,
    note: str = "",
) -> Merge:
    """Merge two people into one, and note it, or do neither; see merging.merge_people.

    Raises what that raises, PairError, and Gone.
    """
    note = _clean_note(note)
    with writing(session):
        merge = merge_people(
            session, organization, actor, survivor, absorbed, name=name, external_id=external_id
        )
        _lock_open(session, actor, pair, merging=True)
        _decide(session, actor, pair, PairStatus.DUPLICATE, note, merge.survivor_id)
    enqueue_comparison(organization.id)
    return merge


def leave_open(
    session: Session, actor: Actor, pair: DuplicatePair, note: str, asked: User | None = None
) -> None:
    """Leave a pair to someone else: with a note, for anyone or for a member who is asked.

    Raises PairError, and Gone.
    """
    note = _clean_note(note)
    if asked is not None and asked.id == actor.user_id:
        raise PairError("Choose someone other than yourself, or leave the pair to anyone.")
    with writing(session):
        lock_pairs(session, pair.organization_id)
        _lock_open(session, actor, pair)
        pair.note, pair.unsure_by_id, pair.unsure_by = note, actor.user_id, actor.name
        pair.asked_id = asked.id if asked else None
        _release_group(session, pair, actor)
        add_event(session, pair, PairEventKind.UNSURE, actor.name, actor.user_id)
        _record(session, actor, Action.PAIR_UNSURE, pair, asked=asked.email if asked else "")


def undo_decision(
    session: Session,
    organization: Organization,
    actor: Actor,
    pair: DuplicatePair,
    decided_at: datetime | None,
) -> list[str]:
    """Open a decided pair again; if the two were merged for it, that is undone.

    decided_at: when the decision to undo was made; a newer one stays. Returns what of the merge could not
    be undone, in sentences. Raises PairError, Gone, and what merging.undo_merge raises.
    """
    merge = merge_of(session, pair)
    with writing(session):
        lock_pairs(session, organization.id)
        if merge is not None:
            lock_with_aliases(session, organization, (merge.survivor_id, merge.absorbed_id))
        _lock_decided(session, pair, decided_at, merge)
        if merge is not None:
            remarks = part_people(session, organization, actor, merge)
        else:
            remarks = []
            open_again(session, pair, actor.name, actor.user_id)
            _record(session, actor, Action.PAIR_UNDONE, pair)
            regroup(session, pair.organization_id, (pair.a_id, pair.b_id))
    if merge is not None:
        enqueue_comparison(organization.id)
    return remarks


def _lock_decided(
    session: Session, pair: DuplicatePair, decided_at: datetime | None, merge: Merge | None
) -> None:
    """Hold a pair whose decision can be undone, in a transaction that holds the organization's pairs."""
    lock(session, pair)
    if pair.status == PairStatus.OPEN:
        raise PairError("Nothing has been decided about this pair.")
    if pair.decided_at != decided_at:
        raise PairError(f"This pair was decided again, by {pair.decided_by}. Look at it again.")
    alias = None if merge else _alias_in(session, pair)
    if alias is not None:
        # No one decides about an alias: the pair would be open in vain, and the other one stay decided.
        kept = session.get_one(Person, alias.merged_into_id)
        raise PairError(
            f"{alias.name} was merged into {kept.name} ({kept.external_id}). "
            f"Decide on the pair of {kept.name} instead, or undo that merge first."
        )


def merge_of(session: Session, pair: DuplicatePair) -> Merge | None:
    """The merge that made the two one person, if it stands."""
    return session.scalar(
        select(Merge)
        .where(
            Merge.undone_at.is_(None),
            Merge.survivor_id.in_((pair.a_id, pair.b_id)),
            Merge.absorbed_id.in_((pair.a_id, pair.b_id)),
        )
        .order_by(Merge.id.desc())
        .limit(1)
    )


def can_be_asked(session: Session, organization: Organization, actor: Actor) -> list[User]:
    """The other members who may decide, by address."""
    others = select(User).where(User.id.in_(who_may_decide(organization)), User.id != actor.user_id)
    return list(session.scalars(others.order_by(User.email)))


def _clean_note(text: str) -> str:
    try:
        return clean_note(text, NOTE_LENGTH)
    except TextError as error:
        raise PairError(str(error)) from error


def _lock_open(session: Session, actor: Actor, pair: DuplicatePair, *, merging: bool = False) -> None:
    """Hold a pair that someone may decide, in a transaction that holds the organization's pairs.

    merging: it is the one that has just merged the two with each other.
    """
    lock(session, pair)
    if pair.status != PairStatus.OPEN:
        raise PairError(f"This pair has already been decided, by {pair.decided_by}. Look at it again.")
    if is_reserved(pair, actor):
        raise PairError("Someone else is looking at this pair. Go on with the next one.")
    if merging:
        return
    merged = _alias_in(session, pair)
    if merged is not None:
        raise PairError(f"{merged.name} was merged into someone else. Go on with the next pair.")


def _alias_in(session: Session, pair: DuplicatePair) -> Person | None:
    """The one of the two who was merged into someone."""
    return session.scalars(
        select(Person)
        .where(Person.id.in_((pair.a_id, pair.b_id)), Person.is_alias)
        .order_by(Person.id)
        .execution_options(populate_existing=True)
    ).first()


def _decide(
    session: Session,
    actor: Actor,
    pair: DuplicatePair,
    status: PairStatus,
    note: str,
    merged_into_id: int | None = None,
) -> None:
    pair.status, pair.decided_at, pair.decided_score = status, now(), pair.score
    pair.decided_by_id, pair.decided_by = actor.user_id, actor.name
    pair.note = note or pair.note
    pair.unsure_by_id, pair.unsure_by, pair.asked_id = None, "", None
    # Before the group is worked out again: its pairs are free again.
    _release_group(session, pair, actor)
    add_event(session, pair, PairEventKind.DECIDED, actor.name, actor.user_id)
    _record(session, actor, Action.PAIR_DECIDED, pair, status=status)
    tell_decided(session, pair, merged_into_id)
    regroup(session, pair.organization_id, (pair.a_id, pair.b_id))


def _record(session: Session, actor: Actor, action: Action, pair: DuplicatePair, **details: Any) -> None:
    people = select(Person.id, Person.external_id).where(Person.id.in_((pair.a_id, pair.b_id)))
    ids = {row.id: row.external_id for row in session.execute(people)}
    record(
        session,
        actor,
        action,
        organization_id=pair.organization_id,
        subject_type="pair",
        subject_id=pair.id,
        details={"external_ids": [ids[pair.a_id], ids[pair.b_id]], **details},
    )


def record_view(session: Session, actor: Actor, pair: DuplicatePair) -> None:
    """Write down that someone viewed a pair, and so two people."""
    with writing(session):
        _record(session, actor, Action.PAIR_VIEWED, pair)
