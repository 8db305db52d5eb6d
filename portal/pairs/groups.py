"""Groups: linked open pairs are one question, led by its strongest pair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, select, union_all, update
from sqlalchemy.orm import Session, aliased

from portal.chunks import chunks
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.models import Person
from portal.webhooks.models import Event
from portal.webhooks.outbox import emit

# Numbers in one IN list.
ASKED_AT_ONCE = 500


def are_people() -> ColumnElement[bool]:
    """The condition for pairs of two people of whom neither was merged into someone else."""
    a, b = aliased(Person), aliased(Person)
    return (
        select(a.id).where(a.id == DuplicatePair.a_id, ~a.is_alias).exists()
        & select(b.id).where(b.id == DuplicatePair.b_id, ~b.is_alias).exists()
    )


def needs_decision() -> ColumnElement[bool]:
    """The condition for pairs that need a decision: open, above the threshold, and both are people.

    A person who was merged into another does not count: the survivor's pairs stand for them.
    """
    is_open = DuplicatePair.status == PairStatus.OPEN
    return is_open & (DuplicatePair.score >= DuplicatePair.threshold) & are_people()


def has_one_of(person_ids: Collection[int]) -> ColumnElement[bool]:
    """The condition for pairs that one of these people is in.

    Looked up by their ids: with an OR of the two columns SQLite walks through all pairs of the organization.
    """
    ids = union_all(
        select(DuplicatePair.id).where(DuplicatePair.a_id.in_(person_ids)),
        select(DuplicatePair.id).where(DuplicatePair.b_id.in_(person_ids)),
    )
    return DuplicatePair.id.in_(ids)


def regroup(session: Session, organization_id: int, person_ids: Iterable[int]) -> None:
    """Work out again the groups in which these people are, or were, in the caller's transaction.

    Pairs that need a decision and did not before are told to who wants to hear of them.
    """
    session.flush()
    pairs = _pairs_around(session, organization_id, sorted(set(person_ids)))
    asked = [pair for pair in pairs.values() if pair.asked]
    root = _roots((pair.a_id, pair.b_id) for pair in asked)
    leaders: dict[int, int] = {}
    for pair in sorted(asked, key=lambda pair: (-pair.score, pair.id)):
        leaders.setdefault(root[pair.a_id], pair.id)
    changed = []
    for pair in pairs.values():
        group = root[pair.a_id] if pair.asked else None
        leads = group is not None and leaders[group] == pair.id
        if (pair.group_id, pair.leads) != (group, leads):
            changed.append({"id": pair.id, "group_id": group, "leads": leads})
    if changed:
        session.execute(update(DuplicatePair), changed)
    found = [
        {"pair_id": pair.id, "person_ids": [pair.a_id, pair.b_id]}
        for pair in sorted(asked, key=lambda pair: pair.id)
        if pair.group_id is None
    ]
    emit(session, organization_id, Event.DUPLICATE_FOUND, found)


def partners_of(session: Session, person_ids: Sequence[int]) -> set[int]:
    """Who is in a pair with one of these people; called before these people are deleted."""
    rows = session.execute(select(DuplicatePair.a_id, DuplicatePair.b_id).where(has_one_of(person_ids)))
    return {person_id for pair in rows for person_id in pair} - set(person_ids)


def _pairs_around(
    session: Session, organization_id: int, person_ids: Sequence[int]
) -> dict[int, Row[*tuple[Any, ...]]]:
    """The pairs of these people, and all others of the groups that these are in, by id."""
    columns = select(
        DuplicatePair.id,
        DuplicatePair.a_id,
        DuplicatePair.b_id,
        DuplicatePair.score,
        DuplicatePair.group_id,
        DuplicatePair.leads,
        needs_decision().label("asked"),
    ).where(DuplicatePair.organization_id == organization_id)
    found: dict[int, Row[*tuple[Any, ...]]] = {}
    for part in chunks(person_ids, ASKED_AT_ONCE):
        found.update((row.id, row) for row in session.execute(columns.where(has_one_of(part))))
    groups = {row.group_id for row in found.values()} - {None}
    for part in chunks(sorted(groups), ASKED_AT_ONCE):
        inside = columns.where(DuplicatePair.group_id.in_(part))
        found.update((row.id, row) for row in session.execute(inside))
    return found


def _roots(edges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The smallest member of everybody's group (union-find with path halving)."""
    parent: dict[int, int] = {}

    def find(one: int) -> int:
        parent.setdefault(one, one)
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for a, b in edges:
        low, high = sorted((find(a), find(b)))
        parent[high] = low
    return {one: find(one) for one in list(parent)}
