"""Pairs are handed out one after the other, a group at a time, to members who may decide."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, func, or_, select, tuple_, union_all
from sqlalchemy.orm import Session

from portal.accounts.models import Membership
from portal.accounts.roles import ROLES_WITH, Permission
from portal.audit.services import Actor
from portal.database import now
from portal.duplicates.pairs import Filter, conditions, whole_rows
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair

# Other pairs of a group that the entry of its strongest one in the list shows.
PAIRS_OF_GROUP_SHOWN = 20


def groups_of(session: Session, pairs: Sequence[DuplicatePair]) -> dict[int, list[DuplicatePair]]:
    """The strongest other pairs of each group that one of these pairs leads, by the leading pair's id."""
    leaders = {pair.group_id: pair for pair in pairs if pair.leads and pair.group_id is not None}
    found: dict[int, list[DuplicatePair]] = {pair.id: [] for pair in leaders.values()}
    if leaders:
        strongest_first = DuplicatePair.score.desc(), DuplicatePair.id
        # Group by group: numbered all at once, every pair of a big one would be sorted.
        others = [
            select(DuplicatePair.id)
            .where(
                DuplicatePair.organization_id == pair.organization_id,
                DuplicatePair.group_id == group_id,
                ~DuplicatePair.leads,
            )
            .order_by(*strongest_first)
            .limit(PAIRS_OF_GROUP_SHOWN)
            .subquery()
            for group_id, pair in leaders.items()
        ]
        ids = union_all(*(select(part.c.id) for part in others))
        query = whole_rows(select(DuplicatePair).where(DuplicatePair.id.in_(ids)))
        for pair in session.scalars(query.order_by(*strongest_first)):
            if pair.group_id is not None:
                found[leaders[pair.group_id].id].append(pair)
    return found


def group_of(session: Session, pair: DuplicatePair) -> list[DuplicatePair]:
    """The other pairs of a pair's group, strongest first."""
    if pair.group_id is None:
        return []
    query = select(DuplicatePair).where(
        DuplicatePair.organization_id == pair.organization_id,
        DuplicatePair.group_id == pair.group_id,
        DuplicatePair.id != pair.id,
    )
    strongest_first = query.order_by(DuplicatePair.score.desc(), DuplicatePair.id)
    return list(session.scalars(whole_rows(strongest_first.limit(PAIRS_OF_GROUP_SHOWN))))


def group_sizes(session: Session, pairs: Sequence[DuplicatePair]) -> dict[int, int]:
    """How many pairs are in the group of each of these pairs, by the pair's id."""
    groups = {pair.group_id for pair in pairs if pair.group_id is not None}
    if not groups:
        return {}
    sizes = session.execute(
        select(DuplicatePair.group_id, func.count().label("pairs"))
        .where(DuplicatePair.organization_id == pairs[0].organization_id, DuplicatePair.group_id.in_(groups))
        .group_by(DuplicatePair.group_id)
    )
    counts = {row.group_id: row.pairs for row in sizes}
    return {pair.id: counts.get(pair.group_id, 0) for pair in pairs if pair.group_id is not None}


def who_may_decide(organization: Organization) -> Select[int]:
    """The ids of the members who may decide pairs."""
    return select(Membership.user_id).where(
        Membership.organization_id == organization.id,
        Membership.role.in_(ROLES_WITH[Permission.ENROL]),
    )


def next_pair(
    session: Session,
    organization: Organization,
    actor: Actor,
    beside: DuplicatePair | None = None,
    *,
    backwards: bool = False,
) -> DuplicatePair | None:
    """The pair to look at next: the strongest that nobody else has, or the one after (before) `beside`.

    Pairs that a colleague asked them about come first; pairs they left to others do not come again.
    """
    member_id = actor.user_id
    free = (
        *conditions(organization, Filter()),
        or_(
            DuplicatePair.reserved_by_id.is_(None),
            DuplicatePair.reserved_by_id == member_id,
            DuplicatePair.reserved_until < now(),
        ),
        or_(
            DuplicatePair.asked_id == member_id,
            DuplicatePair.asked_id.is_(None),
            # The member who was asked may have left.
            DuplicatePair.asked_id.not_in(who_may_decide(organization)),
        ),
        or_(DuplicatePair.unsure_by_id.is_(None), DuplicatePair.unsure_by_id != member_id),
    )
    position = tuple_(DuplicatePair.score, DuplicatePair.id)
    strongest_first = DuplicatePair.score.desc(), DuplicatePair.id.desc()
    query = select(DuplicatePair).where(*free).limit(1)
    if beside is None:
        # By their ids: they are few, and those that are free may be many. Even one that does not lead its
        # group: it is this very pair that they are asked about.
        asked_of_member = select(DuplicatePair.id).where(DuplicatePair.asked_id == member_id)
        asked = session.scalar(query.where(DuplicatePair.id.in_(asked_of_member)).order_by(*strongest_first))
        if asked is not None:
            return asked
    query = query.where(DuplicatePair.leads)
    if beside is not None and backwards:
        return session.scalar(
            query.where(position > (beside.score, beside.id)).order_by(DuplicatePair.score, DuplicatePair.id)
        )
    if beside is not None:
        query = query.where(position < (beside.score, beside.id))
    return session.scalar(query.order_by(*strongest_first))
