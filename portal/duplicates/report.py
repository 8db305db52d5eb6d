"""The report of pairs as CSV: streamed, safe in spreadsheets, of now or as it was on a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session, aliased

from portal.audit.services import Action, Actor, record
from portal.calibration.bands import Bands
from portal.csv_cells import csv_lines, safe_cell
from portal.database import now, writing
from portal.duplicates.pairs import Filter, conditions, says_something
from portal.installation.models import FaceModel
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, PairEvent, PairStatus
from portal.people.models import Merge, Person

FETCHED_AT_ONCE = 1_000
# Columns may be added behind; these keep their names and places.
COLUMNS = (
    "pair_id",
    "status",
    "score",
    "a_external_id",
    "a_name",
    "b_external_id",
    "b_name",
    "band",
    "same_photo",
    "found_at",
    "threshold",
    "face_model",
    "decided_at",
    "decided_by",
    "decided_score",
    "note",
    "a_person_id",
    "b_person_id",
    "a_batch_id",
    "b_batch_id",
)


class ReportError(ValueError):
    """Why a report can't be made, in words for staff."""


def end_of_day(day: date) -> datetime:
    """The moment (UTC) at which a day is over, for a report as it was then. Raises ReportError."""
    if day > now().date():
        raise ReportError("Choose today or an earlier day for the report.")
    return datetime.combine(day, time.max, UTC)


def report_lines(
    session: Session, organization: Organization, wanted: Filter, bands: Bands, at: datetime | None = None
) -> Iterator[str]:
    """The lines of the report, the header first, a thousand pairs in memory at a time.

    at: the moment as of which it is made; names and external ids are today's, people deleted since are
    not in it, and there is no band, as bands are of today's threshold.
    """
    rows = _rows(session, organization, wanted, at)
    return csv_lines(COLUMNS, (_cells(row, "" if at else _band(row, bands)) for row in rows))


def _rows(
    session: Session, organization: Organization, wanted: Filter, at: datetime | None
) -> Iterator[Row[*tuple[Any, ...]]]:
    query = _as_of(organization, wanted, at) if at else _of_now(organization, wanted)
    last = 0
    while True:
        rows = session.execute(
            query.where(DuplicatePair.id > last).order_by(DuplicatePair.id).limit(FETCHED_AT_ONCE)
        ).all()
        # Nothing is held between two reads: a download may be slow.
        session.rollback()
        if not rows:
            return
        yield from rows
        last = rows[-1].pair_id


def _select(*state: Any) -> Select[*tuple[Any, ...]]:
    a, b = aliased(Person, name="person_a"), aliased(Person, name="person_b")
    return (
        select(
            DuplicatePair.id.label("pair_id"),
            a.external_id.label("a_external_id"),
            a.name.label("a_name"),
            b.external_id.label("b_external_id"),
            b.name.label("b_name"),
            DuplicatePair.found_at,
            FaceModel.name.label("face_model"),
            a.id.label("a_person_id"),
            b.id.label("b_person_id"),
            a.batch_id.label("a_batch_id"),
            b.batch_id.label("b_batch_id"),
            *state,
        )
        .join(a, a.id == DuplicatePair.a_id)
        .join(b, b.id == DuplicatePair.b_id)
    )


def _of_now(organization: Organization, wanted: Filter) -> Select[*tuple[Any, ...]]:
    return (
        _select(
            DuplicatePair.status,
            DuplicatePair.score,
            DuplicatePair.same_photo,
            DuplicatePair.face_a_id,
            DuplicatePair.face_b_id,
            DuplicatePair.threshold,
            DuplicatePair.decided_at,
            DuplicatePair.decided_by,
            DuplicatePair.decided_score,
            DuplicatePair.note,
        )
        .join(FaceModel, FaceModel.id == DuplicatePair.face_model_id)
        .where(*conditions(organization, wanted))
    )


def _as_of(organization: Organization, wanted: Filter, at: datetime) -> Select[*tuple[Any, ...]]:
    """By the history of each pair: its last event by then, and its last decision if that stood."""
    past = aliased(PairEvent)
    last = select(func.max(past.id)).where(past.pair_id == DuplicatePair.id, past.at <= at).scalar_subquery()
    decided = PairEvent.status != PairStatus.OPEN
    query = (
        _select(
            PairEvent.status,
            PairEvent.score,
            PairEvent.same_photo,
            PairEvent.threshold,
            PairEvent.decided_at,
            PairEvent.decided_by,
            PairEvent.decided_score,
            PairEvent.note,
        )
        .join(PairEvent, PairEvent.id == last)
        .join(FaceModel, FaceModel.id == PairEvent.face_model_id)
        .where(DuplicatePair.organization_id == organization.id)
    )
    if wanted.status is not None:
        query = query.where(PairEvent.status == wanted.status)
    both = (DuplicatePair.a_id, DuplicatePair.b_id)
    of_alias = select(Merge.id).where(
        Merge.absorbed_id.in_(both),
        Merge.merged_at <= at,
        Merge.undone_at.is_(None) | (Merge.undone_at > at),
    )
    merged = (PairEvent.status == PairStatus.DUPLICATE) & of_alias.where(Merge.survivor_id.in_(both)).exists()
    # As groups.needs_decision and pairs.conditions have it for now.
    told = decided | (PairEvent.score >= PairEvent.threshold)
    query = query.where(merged | told & ~of_alias.exists())
    if wanted.least_score is not None:
        query = query.where(PairEvent.score >= wanted.least_score)
    anything = Filter(None, None, wanted.found_from, wanted.found_to, wanted.batch_id)
    return query.where(*conditions(organization, anything)[2:])


def _band(row: Row[*tuple[Any, ...]], bands: Bands) -> str:
    """What the score says, in a word; "" where nothing follows from it, as on the pages."""
    if not says_something(row):
        return ""
    return bands.of(row.score) or "uncalibrated"


def _cells(row: Row[*tuple[Any, ...]], band: str) -> list[str]:
    return [
        str(row.pair_id),
        str(row.status),
        f"{row.score:.6f}",
        safe_cell(row.a_external_id),
        safe_cell(row.a_name),
        safe_cell(row.b_external_id),
        safe_cell(row.b_name),
        band,
        "yes" if row.same_photo else "no",
        _moment(row.found_at),
        f"{row.threshold:.6f}",
        safe_cell(row.face_model),
        _moment(row.decided_at),
        safe_cell(row.decided_by),
        "" if row.decided_score is None else f"{row.decided_score:.6f}",
        safe_cell(row.note),
        str(row.a_person_id),
        str(row.b_person_id),
        str(row.a_batch_id or ""),
        str(row.b_batch_id or ""),
    ]


def _moment(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def record_report(
    session: Session, organization: Organization, actor: Actor, at: datetime | None = None
) -> None:
    """Write down that someone took pairs out of the portal."""
    with writing(session):
        record(
            session,
            actor,
            Action.PAIRS_REPORTED,
            organization_id=organization.id,
            subject_type="organization",
            subject_id=organization.id,
            details={"at": at.strftime("%Y-%m-%d")} if at else {},
        )
