"""Pairs, as staff look at them: listed and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.orm import Session, aliased, selectinload

from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_changes, fetch_page
from portal.pairs.groups import are_people, has_one_of, needs_decision
from portal.pairs.models import DuplicatePair, PairEvent, PairStatus
from portal.people.aliases import alias_ids
from portal.people.models import Merge, Person
from portal.photos.models import Face

PAIRS_A_PAGE = 20
# The score of a pair that can't be compared; see remeasuring.remeasure.
NO_SCORE = -1.0
# A person in this many open pairs is pointed out: a poor photo, or a face that resembles many.
MANY_PAIRS = 5


@dataclass(frozen=True)
class Filter:
    """Which pairs are meant. Dates are of the day (UTC) on which the pair was found, both included."""

    status: PairStatus | None = PairStatus.OPEN
    least_score: float | None = None
    found_from: date | None = None
    found_to: date | None = None
    # Pairs with a person whom this batch enrolled.
    batch_id: int | None = None

    @property
    def is_queue(self) -> bool:
        """Whether these are all pairs that wait for a decision."""
        return self == Filter()


def _day(moment: date) -> datetime:
    return datetime.combine(moment, time(), UTC)


def _is_decided(organization: Organization) -> ColumnElement[bool]:
    """The condition for pairs that were decided, of people who are no aliases, or of two who were merged.

    What was decided about an alias and others went to their survivor, and is listed there.
    """
    both = (DuplicatePair.a_id, DuplicatePair.b_id)
    merged = select(Merge.id).where(
        Merge.undone_at.is_(None), Merge.survivor_id.in_(both), Merge.absorbed_id.in_(both)
    )
    aliases = alias_ids(organization)
    return (DuplicatePair.status != PairStatus.OPEN) & (
        DuplicatePair.a_id.not_in(aliases) & DuplicatePair.b_id.not_in(aliases)
        | (DuplicatePair.status == PairStatus.DUPLICATE) & merged.exists()
    )


def conditions(organization: Organization, wanted: Filter) -> list[ColumnElement[bool]]:
    """The conditions for an organization's pairs that a filter lets through."""
    found = [DuplicatePair.organization_id == organization.id]
    if wanted.status == PairStatus.OPEN:
        found.append(needs_decision())
    elif wanted.status is not None:
        found.append((DuplicatePair.status == wanted.status) & _is_decided(organization))
    else:
        found.append(_is_decided(organization) | needs_decision())
    if wanted.least_score is not None:
        found.append(DuplicatePair.score >= wanted.least_score)
    if wanted.found_from is not None:
        found.append(DuplicatePair.found_at >= _day(wanted.found_from))
    if wanted.found_to is not None:
        found.append(DuplicatePair.found_at < _day(wanted.found_to) + timedelta(days=1))
    if wanted.batch_id is not None:
        person = aliased(Person)
        found.append(
            select(person.id)
            .where(
                person.id.in_((DuplicatePair.a_id, DuplicatePair.b_id)), person.batch_id == wanted.batch_id
            )
            .exists()
        )
    return found


def whole_rows(query: Select[DuplicatePair]) -> Select[DuplicatePair]:
    """With everything that a pair's row on a page shows."""
    return query.options(
        selectinload(DuplicatePair.a),
        selectinload(DuplicatePair.b),
        selectinload(DuplicatePair.face_a).selectinload(Face.photo),
        selectinload(DuplicatePair.face_b).selectinload(Face.photo),
        selectinload(DuplicatePair.asked),
        selectinload(DuplicatePair.reserved_by),
    )


def list_pairs(
    session: Session, organization: Organization, wanted: Filter, cursor: str | None = None
) -> Page[DuplicatePair]:
    """A page of pairs, the highest score first; in the queue those that lead their group.

    With any filter, each pair that it lets through is listed by itself. Raises paging.CursorError if the
    cursor is damaged.
    """
    query = select(DuplicatePair).where(*conditions(organization, wanted))
    if wanted.is_queue:
        query = query.where(DuplicatePair.leads)
    return _by_score(session, query, cursor, PAIRS_A_PAGE)


def list_each(
    session: Session, organization: Organization, wanted: Filter, cursor: str | None, limit: int
) -> Page[DuplicatePair]:
    """A page of all pairs that a filter lets through, also those of one group, the highest score first.

    limit: how many a page has at most. Raises paging.CursorError if the cursor is damaged.
    """
    query = select(DuplicatePair).where(*conditions(organization, wanted))
    return _by_score(session, query, cursor, limit)


def list_changed(
    session: Session, organization: Organization, after: datetime, cursor: str | None, limit: int
) -> Page[DuplicatePair]:
    """A page of the pairs that changed after a moment, in the order in which they did; see fetch_changes.

    Also those that need no decision any more. Raises paging.CursorError if the cursor is damaged.
    """
    query = whole_rows(select(DuplicatePair).where(DuplicatePair.organization_id == organization.id))
    rows = fetch_changes(session, query, DuplicatePair.updated_at, DuplicatePair.id, after, cursor, limit)
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def _by_score(
    session: Session, query: Select[DuplicatePair], cursor: str | None, limit: int
) -> Page[DuplicatePair]:
    rows = fetch_page(
        session,
        whole_rows(query),
        (DuplicatePair.score, DuplicatePair.id),
        Cursor.decode(cursor, (float, int)) if cursor else None,
        limit,
        lambda row: (row[0].score, row[0].id),
        descending=True,
    )
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def strongest(session: Session, organization: Organization, wanted: Filter, most: int) -> list[DuplicatePair]:
    """The first pairs that a filter lets through, the highest score first."""
    query = whole_rows(select(DuplicatePair).where(*conditions(organization, wanted)))
    return list(
        session.scalars(query.order_by(DuplicatePair.score.desc(), DuplicatePair.id.desc()).limit(most))
    )


def says_something(pair: DuplicatePair | Row[Any]) -> bool:
    """Whether anything follows from the score of a pair.

    Of the very same photo nothing was learnt about two people; a pair that misses a face can't be compared.
    """
    compared = pair.face_a_id is not None and pair.face_b_id is not None and pair.score > NO_SCORE
    return compared and not pair.same_photo


def any_pair(session: Session, organization: Organization) -> bool:
    """Whether pairs that need or needed a decision were ever found."""
    found = select(DuplicatePair.id).where(*conditions(organization, Filter(None))).limit(1)
    return session.scalar(found) is not None


def count_groups(session: Session, organization: Organization, most: int) -> int:
    """How many groups wait for a decision, a single pair being one; counted up to `most`."""
    leading = (
        select(DuplicatePair.id)
        .where(
            DuplicatePair.organization_id == organization.id,
            DuplicatePair.status == PairStatus.OPEN,
            DuplicatePair.leads,
        )
        .limit(most)
    )
    return session.scalar(select(func.count()).select_from(leading.subquery())) or 0


def count_to_decide(session: Session, organization: Organization) -> int:
    """How many open pairs wait for a decision: those in a group, even a group of one pair."""
    waiting = (DuplicatePair.organization_id == organization.id, DuplicatePair.group_id.is_not(None))
    return session.scalar(select(func.count()).select_from(DuplicatePair).where(*waiting)) or 0


def find_pair(session: Session, organization: Organization, pair_id: int) -> DuplicatePair | None:
    """A pair of this organization with all that its page shows; None if not there or another's."""
    return session.scalar(
        whole_rows(
            select(DuplicatePair).where(
                DuplicatePair.id == pair_id, DuplicatePair.organization_id == organization.id
            )
        ).execution_options(populate_existing=True)
    )


def _shown_with(person: Person) -> ColumnElement[bool]:
    """The condition for the pairs that a person's page shows: to decide, or marked and not merged."""
    marked = (DuplicatePair.status == PairStatus.DUPLICATE) & are_people()
    return has_one_of([person.id]) & (needs_decision() | marked)


def pairs_of_person(session: Session, person: Person) -> tuple[list[DuplicatePair], int]:
    """The strongest pairs of a person, a page of them at most, and how many there are.

    Those that need a decision, and those that were marked as one person and not merged.
    """
    rows = session.execute(select(DuplicatePair.id, DuplicatePair.score).where(_shown_with(person))).all()
    shown = [row.id for row in sorted(rows, key=lambda row: (-row.score, row.id))[:PAIRS_A_PAGE]]
    found = session.scalars(whole_rows(select(DuplicatePair).where(DuplicatePair.id.in_(shown))))
    return sorted(found, key=lambda pair: shown.index(pair.id)), len(rows)


def count_open_pairs_of(session: Session, person_ids: Sequence[int]) -> dict[int, int]:
    """How many open pairs each of these people is in."""
    counts = dict.fromkeys(person_ids, 0)
    for column in (DuplicatePair.a_id, DuplicatePair.b_id):
        rows = session.execute(
            select(column, func.count()).where(column.in_(person_ids), needs_decision()).group_by(column)
        )
        for person_id, count in rows:
            counts[person_id] += count
    return counts


def history_of(session: Session, pair: DuplicatePair) -> list[PairEvent]:
    """What happened to a pair, the latest first."""
    return list(
        session.scalars(
            select(PairEvent).where(PairEvent.pair_id == pair.id).order_by(PairEvent.id.desc()).limit(50)
        )
    )
