"""What is known about a person's pairs goes with the person when two are merged, and comes back.

The pairs of the absorbed person stay as they are: no one decides about them while that one is an alias,
and they are there again when the merge is undone.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.pairs.finding import add_event, is_another_question, open_again, tell_decided
from portal.pairs.groups import has_one_of, regroup
from portal.pairs.models import DuplicatePair, PairEventKind, PairStatus
from portal.people.models import Merge
from portal.photos.models import Face

# What someone made of a pair.
DECISION = ("status", "decided_at", "decided_by_id", "decided_by", "decided_score", "note")
COPIED = (
    *DECISION,
    "organization_id",
    "score",
    "same_photo",
    "stale",
    "face_model_id",
    "threshold",
    "unsure_by_id",
    "unsure_by",
    "asked_id",
)


def carry_over(session: Session, merge: Merge) -> None:
    """Let the survivor have the absorbed person's pairs, in the transaction of the merge.

    A pair of the absorbed person with a third one becomes the survivor's with that one, if they have none.
    If they have one, and it is open while the other was decided to be different people, it is decided so too,
    unless its score is clearly higher. The photos have moved, and the absorbed person is an alias, when this
    is called.
    """
    session.flush()
    of_survivor = _pairs_of(session, merge.survivor_id)
    of_absorbed = _pairs_of(session, merge.absorbed_id)
    for other_id, pair in of_absorbed.items():
        if other_id == merge.survivor_id:
            continue
        known = of_survivor.get(other_id)
        if known is None:
            known = _copy(pair, merge, other_id)
            session.add(known)
            session.flush()
            decided = known.status != PairStatus.OPEN
            kind = PairEventKind.DECIDED if decided else PairEventKind.FOUND
        elif known.status == PairStatus.OPEN and _answers(session, pair, known):
            for column in DECISION:
                setattr(known, column, getattr(pair, column))
            known.reserved_by_id = known.reserved_until = None
            known.merge_id, kind = merge.id, PairEventKind.DECIDED
        else:
            continue
        if kind == PairEventKind.DECIDED:
            # Decided by the member who did so then, not by the one who merged.
            add_event(session, known, kind, known.decided_by, known.decided_by_id)
            tell_decided(session, known)
        else:
            add_event(session, known, kind, merge.merged_by, merge.merged_by_id)
    _finish(session, merge, {*of_survivor, *of_absorbed})


def undo_carry_over(session: Session, merge: Merge) -> None:
    """Undo what carry_over did, in the transaction that undoes the merge.

    The two who were merged need a decision again. Pairs that it made are compared again, with the photos that
    are left. Those that it decided are open again, unless someone has decided them again since. The photos
    are back, and the absorbed person is no alias, when this is called.
    """
    session.flush()
    of_survivor = _pairs_of(session, merge.survivor_id)
    of_absorbed = _pairs_of(session, merge.absorbed_id)
    for other_id, pair in of_survivor.items():
        if other_id == merge.absorbed_id:
            if pair.status == PairStatus.DUPLICATE:
                open_again(session, pair, merge.undone_by)
            continue
        was_made = pair.found_at == merge.merged_at
        if not was_made and pair.merge_id != merge.id:
            continue
        pair.merge_id = None
        if was_made:
            # It rests on photos that are no longer this person's.
            pair.stale, pair.score = True, -1.0
            add_event(session, pair, PairEventKind.RESCORED, merge.undone_by)
        source = of_absorbed.get(other_id)
        if pair.decided_at is not None and source and source.decided_at == pair.decided_at:
            pair.note = ""
            open_again(session, pair, merge.undone_by)
    _finish(session, merge, {*of_survivor, *of_absorbed})


def _answers(session: Session, decided: DuplicatePair, other: DuplicatePair) -> bool:
    """Whether the decision on a pair holds for another one of the same people."""
    return decided.status == PairStatus.DISTINCT and not is_another_question(session, decided, other)


def _pairs_of(session: Session, person_id: int) -> dict[int, DuplicatePair]:
    """A person's pairs as they are, by the id of the other one."""
    pairs = session.scalars(
        select(DuplicatePair)
        .where(has_one_of([person_id]))
        .order_by(DuplicatePair.id)
        .execution_options(populate_existing=True)
    )
    return {pair.b_id if pair.a_id == person_id else pair.a_id: pair for pair in pairs}


def _copy(pair: DuplicatePair, merge: Merge, other_id: int) -> DuplicatePair:
    """The survivor's pair with a person with whom the absorbed person has one."""
    first = pair.a_id == merge.absorbed_id
    own, others = (pair.face_a_id, pair.face_b_id) if first else (pair.face_b_id, pair.face_a_id)
    (a_id, face_a_id), (b_id, face_b_id) = sorted(
        ((merge.survivor_id, own), (other_id, others)), key=lambda side: side[0]
    )
    return DuplicatePair(
        **{column: getattr(pair, column) for column in COPIED},
        a_id=a_id,
        b_id=b_id,
        face_a_id=face_a_id,
        face_b_id=face_b_id,
        # By this, undo_carry_over tells it from one that the merge only decided.
        found_at=merge.merged_at,
        merge_id=merge.id,
    )


def _finish(session: Session, merge: Merge, others: Iterable[int]) -> None:
    session.flush()
    _mark_faces_of_others(session, merge.survivor_id)
    regroup(session, merge.organization_id, {merge.survivor_id, merge.absorbed_id, *others})


def _mark_faces_of_others(session: Session, person_id: int) -> None:
    """Mark pairs to be compared again that rest on a face not of this person, or not in the gallery."""
    faces = select(Face.id).where(Face.person_id == person_id, Face.gallery_version.is_not(None))
    for side_id, face_id in (
        (DuplicatePair.a_id, DuplicatePair.face_a_id),
        (DuplicatePair.b_id, DuplicatePair.face_b_id),
    ):
        session.execute(
            update(DuplicatePair)
            .where(side_id == person_id, face_id.not_in(faces))
            .values(stale=True)
            .execution_options(synchronize_session=False)
        )
