"""Calibrations, as workers handle them: claimed, kept between two slices, and written when done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.calibration.curves import Curves
from portal.calibration.models import Calibration
from portal.calibration.services import TOO_FEW_PEOPLE
from portal.chunks import chunks
from portal.database import now, writing
from portal.pairs.groups import needs_decision
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.models import Merge
from portal.photos.models import Face, Photo
from portal.work.claims import claim, close, lock_claimed, lock_queued, requeue_untouched
from portal.work.models import WorkState

PEOPLE_AT_ONCE = 500


@dataclass(frozen=True)
class CalibrationResult:
    """What a worker found."""

    gallery_people: int
    gallery_version: int
    sampled_people: int
    mated_people: int
    mated_photos: int
    photos: int
    undecided_pairs: int
    curves: Curves


def claim_calibration(session: Session, worker: str, calibration_id: int) -> Calibration | None:
    """Claim a queued calibration; None if it is gone or someone else's."""
    with writing(session):
        calibration = lock_queued(session, Calibration, calibration_id)
        if calibration is not None:
            claim(session, Calibration, worker, [calibration_id])
    return calibration


def faces_of(session: Session, face_model_id: int, people: Sequence[int]) -> list[tuple[int, list[int]]]:
    """(person id, face ids): the faces in the gallery of each of these people, in the order of the ids."""
    faces: dict[int, list[int]] = {}
    for ids in chunks(people, PEOPLE_AT_ONCE):
        rows = session.execute(
            select(Face.person_id, Face.id)
            .where(
                Face.person_id.in_(ids),
                Face.face_model_id == face_model_id,
                Face.gallery_version.is_not(None),
            )
            .order_by(Face.id)
        )
        for person_id, face_id in rows:
            faces.setdefault(person_id, []).append(face_id)
    return sorted(faces.items())


def people_with_several_photos(session: Session, organization_id: int, face_model_id: int) -> list[int]:
    """The people who have more than one face in the gallery, and were enrolled with them.

    Merged people are left out: their photos came together because they are alike, and those that are not
    were never found. With them it would seem that nobody is missed.
    """
    merged = select(Merge.survivor_id).where(
        Merge.organization_id == organization_id, Merge.undone_at.is_(None)
    )
    return list(
        session.scalars(
            select(Face.person_id)
            .where(
                Face.organization_id == organization_id,
                Face.face_model_id == face_model_id,
                Face.gallery_version.is_not(None),
                Face.person_id.not_in(merged),
            )
            .group_by(Face.person_id)
            .having(func.count() > 1)
            .order_by(Face.person_id)
        )
    )


def known_mates(session: Session, organization_id: int) -> dict[int, set[int]]:
    """By person: those who are the same person, as staff decided, or have the very same photo.

    A score of two copies of one file tells nothing about two people. Where a and b are one person, and b
    and c, then so are a and c.
    """
    decided = session.execute(
        select(DuplicatePair.a_id, DuplicatePair.b_id).where(
            DuplicatePair.organization_id == organization_id,
            DuplicatePair.status == PairStatus.DUPLICATE,
        )
    )
    mates = _groups((a, b) for a, b in decided)
    for people in _with_the_same_photo(session, organization_id):
        for person in people:
            mates[person] |= people - {person}
    return mates


def _with_the_same_photo(session: Session, organization_id: int) -> list[set[int]]:
    """People who have the very same file, by file."""
    files = select(Photo.sha256).where(Photo.organization_id == organization_id)
    shared = files.group_by(Photo.sha256).having(func.count(Photo.person_id.distinct()) > 1)
    rows = session.execute(
        select(Photo.sha256, Photo.person_id).where(
            Photo.organization_id == organization_id, Photo.sha256.in_(shared)
        )
    )
    people: defaultdict[str, set[int]] = defaultdict(set)
    for sha256, person_id in rows:
        people[sha256].add(person_id)
    return list(people.values())


def _groups(pairs: Iterable[tuple[int, int]]) -> defaultdict[int, set[int]]:
    """By person: the others with whom they are linked."""
    group_of: dict[int, set[int]] = {}
    for a, b in pairs:
        group = group_of.get(a, {a}) | group_of.get(b, {b})
        group_of.update(dict.fromkeys(group, group))
    return defaultdict(set, {person: group - {person} for person, group in group_of.items()})


def undecided_pairs(session: Session, organization_id: int) -> int:
    """Undecided pairs above the duplicates' threshold whose score says something."""
    undecided = (
        DuplicatePair.organization_id == organization_id,
        needs_decision(),
        ~DuplicatePair.same_photo,
    )
    return session.scalar(select(func.count()).where(*undecided)) or 0


def keep_collected(session: Session, worker: str, calibration_id: int, collected: dict[str, Any]) -> None:
    """Keep what was collected, and queue the calibration again: others have their turn."""
    with writing(session):
        calibration = lock_claimed(session, Calibration, worker, calibration_id)
        if calibration is not None:
            calibration.collected = collected
            session.flush()
            requeue_untouched(session, Calibration, worker, [calibration_id])


def record_result(session: Session, worker: str, calibration_id: int, result: CalibrationResult) -> None:
    """Write the finished calibration: from now on it is in force."""
    with writing(session):
        calibration = lock_claimed(session, Calibration, worker, calibration_id)
        if calibration is not None:
            for column, value in vars(result).items():
                setattr(calibration, column, value)
            calibration.measured_at, calibration.collected = now(), None
            close(calibration, WorkState.DONE)


def record_too_few(session: Session, worker: str, calibration_id: int, people: int) -> None:
    """Write that there are not enough people (any more)."""
    with writing(session):
        calibration = lock_claimed(session, Calibration, worker, calibration_id)
        if calibration is not None:
            calibration.gallery_people, calibration.collected = people, None
            close(calibration, WorkState.FAILED, TOO_FEW_PEOPLE)
