"""Pairs, as workers find them: written down once, with the best pair of faces, and with their history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, tuple_
from sqlalchemy.orm import Session

from portal.chunks import chunks
from portal.database import now
from portal.locks import lock_rows
from portal.pairs.groups import ASKED_AT_ONCE, regroup
from portal.pairs.locking import lock_pairs
from portal.pairs.models import DuplicatePair, PairEvent, PairEventKind, PairStatus
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.webhooks.models import Event
from portal.webhooks.outbox import Data, emit

# A pair decided to be different people needs a decision again when what was missing to a score of 1 has
# become less by this part: 0.40 rises clearly with 0.60, 0.95 with 0.967.
CLEAR_RISE = 1 / 3
# Cosines of the same two templates differ by less than this, however they were worked out.
SAME_SCORE = 1e-5


@dataclass(frozen=True)
class FoundPair:
    """Two people and their best pair of faces; `a` has the lower id. score: cosine, -1…1."""

    a_id: int
    b_id: int
    face_a_id: int
    face_b_id: int
    score: float


def record_found(
    session: Session, organization_id: int, found: Sequence[FoundPair], threshold: float, face_model_id: int
) -> int:
    """Write pairs down, in the caller's transaction; returns how many are new.

    threshold: the one in force. New pairs below it are kept as well, and need no decision.

    Faces that have left the gallery since they were compared, and people who have been merged, are passed
    over: the pass meets them again if they come back.
    """
    new, touched = 0, set[int]()
    lock_pairs(session, organization_id)
    faces = faces_that_count(session, organization_id, found)
    for part in chunks(found, ASKED_AT_ONCE):
        sound = [pair for pair in part if both_in_gallery(pair, faces)]
        known = _known(session, sound)
        fresh = []
        for pair in sound:
            same_photo = faces[pair.face_a_id].sha256 == faces[pair.face_b_id].sha256
            before = known.get((pair.a_id, pair.b_id))
            if before is None:
                fresh.append((pair, same_photo))
            # A stale one is compared again with all faces that there are, not only with these.
            elif not before.stale and pair.score > before.score + SAME_SCORE:
                rescore(session, before, pair, same_photo)
                touched |= {pair.a_id, pair.b_id}
        _insert(session, organization_id, fresh, threshold, face_model_id)
        touched |= {person for pair, _ in fresh for person in (pair.a_id, pair.b_id)}
        new += len(fresh)
    if touched:
        regroup(session, organization_id, touched)
    return new


def rises_clearly(before: float, score: float) -> bool:
    """Whether a score is so much higher than at the decision that a new one is needed."""
    return score > before + SAME_SCORE and 1 - score <= (1 - before) * (1 - CLEAR_RISE)


def is_another_question(session: Session, decided: DuplicatePair, current: DuplicatePair) -> bool:
    """Whether the decision on `decided` leaves open what `current` is.

    current: the same pair as it is now, or another one of the same people.

    It does if the score is clearly higher than when it was decided. No score is higher than that of the very
    same photo, but then nothing was decided about faces from two files.
    """
    if decided.decided_score is None or rises_clearly(decided.decided_score, current.score):
        return True
    needs_decision = current.score >= current.threshold and not current.same_photo
    return needs_decision and _was_same_photo(session, decided)


def _was_same_photo(session: Session, pair: DuplicatePair) -> bool:
    """Whether a pair's faces were of the very same photo when it was decided."""
    when_decided = (
        select(PairEvent.same_photo)
        .where(PairEvent.pair_id == pair.id, PairEvent.kind == PairEventKind.DECIDED)
        .order_by(PairEvent.id.desc())
        .limit(1)
    )
    return bool(session.scalar(when_decided))


def faces_that_count(
    session: Session, organization_id: int, pairs: Sequence[FoundPair]
) -> dict[int, Row[*tuple[Any, ...]]]:
    """The faces of these pairs that are in the gallery; they can't leave before the transaction ends."""
    people = sorted({person for pair in pairs for person in (pair.a_id, pair.b_id)})
    for ids in chunks(people, ASKED_AT_ONCE):
        lock_rows(session, select(Person.id).where(Person.id.in_(ids)), read=True, key_share=True)
    best = sorted({face for pair in pairs for face in (pair.face_a_id, pair.face_b_id)})
    found: dict[int, Row[*tuple[Any, ...]]] = {}
    for ids in chunks(best, ASKED_AT_ONCE):
        faces = (
            select(Face.id, Face.person_id, Photo.sha256)
            .join(Photo, Photo.id == Face.photo_id)
            .where(
                Face.id.in_(ids), Face.organization_id == organization_id, Face.gallery_version.is_not(None)
            )
        )
        # None of them leaves the gallery before the pairs that rest on them can be seen.
        found |= {row.id: row for row in lock_rows(session, faces, read=True)}
    return found


def both_in_gallery(pair: FoundPair, faces: dict[int, Row[*tuple[Any, ...]]]) -> bool:
    a, b = faces.get(pair.face_a_id), faces.get(pair.face_b_id)
    return a is not None and b is not None and (a.person_id, b.person_id) == (pair.a_id, pair.b_id)


def _known(session: Session, pairs: Sequence[FoundPair]) -> dict[tuple[int, int], DuplicatePair]:
    of_two = tuple_(DuplicatePair.a_id, DuplicatePair.b_id)
    rows = session.scalars(
        select(DuplicatePair)
        .where(
            # The first condition adds nothing: SQLite finds the rows by it, and walks through all without it.
            DuplicatePair.a_id.in_({pair.a_id for pair in pairs}),
            of_two.in_([(pair.a_id, pair.b_id) for pair in pairs]),
        )
        .execution_options(populate_existing=True)
    )
    return {(pair.a_id, pair.b_id): pair for pair in rows}


def _insert(
    session: Session,
    organization_id: int,
    fresh: Sequence[tuple[FoundPair, bool]],
    threshold: float,
    face_model_id: int,
) -> None:
    if not fresh:
        return
    moment = now()
    shared = {"organization_id": organization_id, "threshold": threshold, "face_model_id": face_model_id}
    ids = session.scalars(
        insert(DuplicatePair).returning(DuplicatePair.id, sort_by_parameter_order=True),
        [
            {**vars(pair), **shared, "same_photo": same, "found_at": moment, "updated_at": moment}
            for pair, same in fresh
        ],
    ).all()
    session.execute(
        insert(PairEvent),
        [
            {
                **shared,
                "pair_id": pair_id,
                "kind": PairEventKind.FOUND,
                "at": moment,
                "status": PairStatus.OPEN,
                "score": pair.score,
                "same_photo": same,
            }
            for pair_id, (pair, same) in zip(ids, fresh, strict=True)
        ],
    )


def rescore(session: Session, pair: DuplicatePair, found: FoundPair | None, same_photo: bool) -> None:
    """Give a known pair its new best faces; it is open again if and while that needs a new decision."""
    kind = PairEventKind.RESCORED
    pair.face_a_id, pair.face_b_id = (found.face_a_id, found.face_b_id) if found else (None, None)
    pair.score, pair.same_photo, pair.stale = found.score if found else -1.0, same_photo, False
    # The decision on a pair that was opened again by its score is kept, and holds again when that is gone;
    # not when it is only hidden by a photo that both have.
    if pair.decided_score is not None and pair.status != PairStatus.DUPLICATE:
        is_another = is_another_question(session, pair, pair)
        if pair.status == PairStatus.DISTINCT and is_another:
            pair.status, kind = PairStatus.OPEN, PairEventKind.REOPENED
        elif pair.status == PairStatus.OPEN and not is_another and not pair.same_photo:
            pair.status = PairStatus.DISTINCT
    add_event(session, pair, kind)


def add_event(
    session: Session,
    pair: DuplicatePair,
    kind: PairEventKind,
    actor: str = "",
    actor_id: int | None = None,
) -> None:
    """Write down how a pair is from now on, in the caller's transaction."""
    pair.updated_at = now()
    session.add(
        PairEvent(
            at=pair.updated_at,
            organization_id=pair.organization_id,
            pair_id=pair.id,
            kind=kind,
            actor=actor,
            actor_id=actor_id,
            status=pair.status,
            score=pair.score,
            threshold=pair.threshold,
            face_model_id=pair.face_model_id,
            same_photo=pair.same_photo,
            decided_at=pair.decided_at,
            decided_by=pair.decided_by,
            decided_score=pair.decided_score,
            note=pair.note,
        )
    )


def open_again(session: Session, pair: DuplicatePair, actor: str, actor_id: int | None = None) -> None:
    """Undo the decision on a pair, in the caller's transaction."""
    pair.status, pair.decided_by = PairStatus.OPEN, ""
    pair.decided_at = pair.decided_by_id = pair.decided_score = None
    add_event(session, pair, PairEventKind.UNDONE, actor, actor_id)
    tell_decided(session, pair)


def tell_decided(session: Session, pair: DuplicatePair, merged_into_id: int | None = None) -> None:
    """Tell webhooks how a pair was decided, or that it is open again, in the transaction of that.

    merged_into_id: the person into whom the other one was merged with the decision.
    """
    decision: Data = {
        "pair_id": pair.id,
        "person_ids": [pair.a_id, pair.b_id],
        "status": pair.status,
        "merged_into_id": merged_into_id,
    }
    emit(session, pair.organization_id, Event.DUPLICATE_DECIDED, [decision])
