"""Pairs of an export, with what was decided about them and their history, are taken into an organization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, tuple_
from sqlalchemy.orm import Session

from portal.chunks import chunks
from portal.database import writing
from portal.installation.services import lock_face_model
from portal.installation.thresholds import thresholds_of
from portal.locks import lock_rows
from portal.pairs.finding import add_event, tell_decided
from portal.pairs.groups import regroup
from portal.pairs.locking import lock_pairs
from portal.pairs.models import DuplicatePair, PairEvent, PairEventKind, PairStatus
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.transfer import format as fmt
from portal.transfer.into import Into, Taken, Tell
from portal.transfer.report import NotTaken
from portal.transfer.staging import Staged

PAIRS_AT_ONCE = 200

LEFT_OUT = "One of the two people was left out."
ONE_PERSON = "The two are one person here."
DECIDED_OTHERWISE = "Something else was decided about the two here, and that stays."
FOUND_AGAIN = "Nothing was decided about the two: the present face model compares them itself."


def take_pairs(into: Into, staged: Staged, taken: Taken, tell: Tell) -> None:
    """Take the pairs of people who were taken. What was decided here is never changed."""
    session = into.session
    total, done = staged.count("pairs"), 0
    ids = [pair_id for (pair_id,) in staged.database.execute("SELECT id FROM pairs ORDER BY id")]
    for part in chunks(ids, PAIRS_AT_ONCE):
        marks = ", ".join("?" * len(part))
        query = f"SELECT body FROM pairs WHERE id IN ({marks}) ORDER BY id"  # noqa: S608
        rows = staged.rows(fmt.PairRow, query, *part)
        with writing(session):
            lock_face_model(session, into.face_model.id)
            lock_pairs(session, into.organization.id)
            _take(into, staged, rows, taken)
        done += len(rows)
        tell("Pairs", total, done)


def _take(into: Into, staged: Staged, rows: Sequence[fmt.PairRow], taken: Taken) -> None:
    session, organization = into.session, into.organization
    names, here = _people(staged, rows)
    ids = sorted(here.values())
    held = select(Person.id).where(Person.id.in_(ids), Person.organization_id == organization.id)
    there = set(lock_rows(session, held, read=True, key_share=True).scalars())
    here = {old: new for old, new in here.items() if new in there}
    known = _known(session, rows, here)
    session.refresh(organization)
    in_force = thresholds_of(session, organization)
    assert in_force is not None, "there is a face model"
    touched: set[int] = set()
    for row in rows:
        problem = ""
        two = tuple(sorted(here[one] for one in (row.a, row.b) if one in here))
        if len(two) < 2:
            problem = LEFT_OUT
        elif two[0] == two[1]:
            problem = ONE_PERSON
        elif (pair := known.get((two[0], two[1]))) is not None:
            problem = _decide(session, pair, row, taken)
        elif not into.same_face_model and row.decided_at is None:
            problem = FOUND_AGAIN
        else:
            _insert(into, staged, row, (here[row.a], here[row.b]), in_force.duplicates)
            taken.pairs += 1
        touched |= set(two) if not problem else set()
        if problem:
            detail = " and ".join(names[one] for one in (row.a, row.b))
            taken.not_taken.append(NotTaken("pair", problem, detail=detail))
    if touched:
        regroup(session, organization.id, touched)


def _people(staged: Staged, rows: Sequence[fmt.PairRow]) -> tuple[dict[int, str], dict[int, int]]:
    """The external ids, and the ids here, of the people of pairs, by their ids in the export."""
    ids = sorted({one for row in rows for one in (row.a, row.b)})
    marks = ", ".join("?" * len(ids))
    query = f"SELECT id, external_id, new_id FROM people WHERE id IN ({marks})"  # noqa: S608
    found = staged.database.execute(query, ids).fetchall()
    return {old: name for old, name, _ in found}, {old: new for old, _, new in found if new is not None}


def _known(
    session: Session, rows: Sequence[fmt.PairRow], here: dict[int, int]
) -> dict[tuple[int, int], DuplicatePair]:
    """The pairs that are here already, by the ids of the two people."""
    twos = [tuple(sorted((here[row.a], here[row.b]))) for row in rows if row.a in here and row.b in here]
    found = session.scalars(
        select(DuplicatePair)
        .where(
            # For SQLite, which finds the rows by it.
            DuplicatePair.a_id.in_({two[0] for two in twos}),
            tuple_(DuplicatePair.a_id, DuplicatePair.b_id).in_(twos),
        )
        .execution_options(populate_existing=True)
    )
    return {(pair.a_id, pair.b_id): pair for pair in found}


def _decide(session: Session, pair: DuplicatePair, row: fmt.PairRow, taken: Taken) -> str:
    """Let a decision of the export hold for a pair that is here, if nobody decided about it here.

    Returns why it can't, "" if it does or there is nothing to decide.
    """
    if row.status == PairStatus.OPEN or row.status == pair.status:
        return ""
    if pair.status != PairStatus.OPEN or pair.decided_score is not None:
        return DECIDED_OTHERWISE
    for column in fmt.DECISION:
        setattr(pair, column, getattr(row, column))
    pair.reserved_by_id = pair.reserved_until = None
    add_event(session, pair, PairEventKind.DECIDED, row.decided_by)
    tell_decided(session, pair)
    taken.pairs += 1
    return ""


def _insert(
    into: Into,
    staged: Staged,
    row: fmt.PairRow,
    people: tuple[int, int],
    threshold: float,
) -> None:
    """Make a pair with its history. Another face model's scores mean nothing here: then it has none yet."""
    session, same_model = into.session, into.same_face_model
    faces = [_face_here(into, staged, one) if same_model else None for one in (row.face_a, row.face_b)]
    (a_id, face_a), (b_id, face_b) = sorted(zip(people, faces, strict=True), key=lambda side: side[0])
    merge = staged.database.execute("SELECT new_id FROM merges WHERE id = ?", (row.merge,)).fetchone()
    pair = DuplicatePair(
        **{column: getattr(row, column) for column in (*fmt.DECISION, "found_at", "unsure_by")},
        organization_id=into.organization.id,
        a_id=a_id,
        b_id=b_id,
        face_a_id=face_a,
        face_b_id=face_b,
        # As a pair that can't be compared (yet) has it; see portal.pairs.remeasuring.
        score=row.score if same_model else -1.0,
        same_photo=row.same_photo and same_model,
        stale=same_model and (row.stale or None in (face_a, face_b)) and row.score > -1,
        face_model_id=into.face_model.id,
        threshold=threshold,
        merge_id=merge[0] if merge else None,
    )
    session.add(pair)
    session.flush()
    events = staged.rows(fmt.EventRow, "SELECT body FROM events WHERE pair = ? ORDER BY id", row.id)
    if events:
        whose = {
            "pair_id": pair.id,
            "organization_id": into.organization.id,
            "face_model_id": into.face_model.id,
        }
        session.execute(insert(PairEvent), [event.model_dump(exclude={"pair"}) | whose for event in events])


def _face_here(into: Into, staged: Staged, face_id: int | None) -> int | None:
    """The face that one of the export is here: that which was taken, or one of its photo and its template."""
    query = """
        SELECT f.new_id, f.template, p.sha256, o.new_id FROM faces f JOIN photos p ON p.id = f.photo
        JOIN people o ON o.id = p.person WHERE f.id = ?"""
    found: tuple[Any, ...] | None = staged.database.execute(query, (face_id,)).fetchone()
    if found is None or found[1] is None:
        return None
    new_id, template, sha256, person_id = found
    here = select(Face.id).where(Face.organization_id == into.organization.id)
    if new_id is not None:
        return into.session.scalar(here.where(Face.id == new_id))
    of_photo = here.join(Photo, Photo.id == Face.photo_id).where(
        Photo.person_id == person_id, Photo.sha256 == sha256, Face.template == staged.template(template)
    )
    return into.session.scalar(of_photo.order_by(Face.id).limit(1))
