"""The pairs that are there, and those that have to be."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from portal.duplicates.pairs import Filter, list_pairs
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.models import Person
from portal.photos.models import Face

Found = dict[tuple[str, str], float]


def expected(session: Session, organization_id: int, threshold: float) -> Found:
    """All pairs of people of whom two gallery faces reach the threshold, by external ids: plain NumPy."""
    session.rollback()
    rows = session.execute(
        select(Person.external_id, Person.id, Face.template)
        .join(Face, Face.person_id == Person.id)
        .where(Person.organization_id == organization_id, Face.gallery_version.is_not(None))
        .order_by(Person.id)
    ).all()
    vectors = np.stack([np.frombuffer(row.template, "<f4") for row in rows]).astype(np.float64)
    found: Found = {}
    for i, j in zip(*np.nonzero(np.triu(vectors @ vectors.T >= threshold, 1)), strict=True):
        if rows[i].id != rows[j].id:
            key = (rows[i].external_id, rows[j].external_id)
            found[key] = max(found.get(key, -1.0), float(vectors[i] @ vectors[j]))
    return found


def recorded(session: Session, organization_id: int) -> Found:
    """The pairs that were written down, by external ids."""
    session.rollback()
    a, b = aliased(Person), aliased(Person)
    rows = session.execute(
        select(a.external_id, b.external_id, DuplicatePair.score)
        .join(a, a.id == DuplicatePair.a_id)
        .join(b, b.id == DuplicatePair.b_id)
        .where(DuplicatePair.organization_id == organization_id)
    )
    return {(row[0], row[1]): row[2] for row in rows}


def same(found: Found, wanted: Found) -> bool:
    """Whether these are the same pairs with the same scores, but for the rounding of float32."""
    return found.keys() == wanted.keys() and all(abs(found[pair] - wanted[pair]) < 1e-4 for pair in wanted)


def pair_of(session: Session, one_id: int, other_id: int) -> DuplicatePair:
    """The pair of two people as it is now."""
    session.rollback()
    a_id, b_id = sorted((one_id, other_id))
    pair = select(DuplicatePair).where(DuplicatePair.a_id == a_id, DuplicatePair.b_id == b_id)
    return session.scalars(pair.execution_options(populate_existing=True)).one()


def queue(session: Session, organization: Organization) -> list[int]:
    """The ids of the pairs in the queue, strongest first."""
    session.rollback()
    return [pair.id for pair in list_pairs(session, organization, Filter()).items]


def assert_grouped(session: Session, organization_id: int) -> None:
    """Pairs that are asked, and hang together, are one group with one leader; the others are in none."""
    session.rollback()
    session.expire_all()
    pairs = session.scalars(
        select(DuplicatePair)
        .where(DuplicatePair.organization_id == organization_id)
        .order_by(DuplicatePair.score.desc(), DuplicatePair.id)
    ).all()
    asked = [
        pair
        for pair in pairs
        if pair.status == PairStatus.OPEN
        and pair.score >= pair.threshold
        and pair.a.merged_into_id is pair.b.merged_into_id is None
    ]
    group = {person_id: person_id for pair in asked for person_id in (pair.a_id, pair.b_id)}
    for pair in asked:
        low, high = sorted((group[pair.a_id], group[pair.b_id]))
        group = {person_id: low if mine == high else mine for person_id, mine in group.items()}
    leaders: dict[int, int] = {}
    for pair in asked:
        leaders.setdefault(group[pair.a_id], pair.id)
    wanted = {pair.id: (group[pair.a_id], pair.id in leaders.values()) for pair in asked}
    assert {pair.id: (pair.group_id, pair.leads) for pair in pairs} == {
        pair.id: wanted.get(pair.id, (None, False)) for pair in pairs
    }
