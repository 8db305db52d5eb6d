"""Calibrations: what similarity scores mean, from an organization's own people."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from jobs import process
from jobs.error_rates.measuring import measure as measure_curves
from jobs.error_rates.samples import Mated, NonMated
from jobs.gallery.exact import ExactGallery
from jobs.job import has_claimed, job
from jobs.slices import Slice
from portal import queues
from portal.calibration.models import Calibration
from portal.calibration.services import PEOPLE_NEEDED, usable_photos
from portal.calibration.work import (
    CalibrationResult,
    claim_calibration,
    faces_of,
    keep_collected,
    known_mates,
    people_with_several_photos,
    record_result,
    record_too_few,
    undecided_pairs,
)
from portal.extensions import db
from portal.organizations.models import Organization

# Enough people to tell a rate of 1 in 1,000 well; of more, this many are chosen at random.
SAMPLED_PEOPLE = 5_000
# The highest non-mated scores kept of each person.
SCORES_OF_EACH = 10
# Faces compared before a check whether a search waits: 0.16 s in 200,000 templates of 512.
COMPARED_AT_ONCE = 32
# A calibration whose gallery grew or shrank by this factor while it made way begins again.
CHANGED = 1.1


class Collected(TypedDict):
    """What is kept between two slices: the sample, and the first of its people with their scores."""

    # The gallery when the sample was drawn.
    version: int
    people: int
    photos: int
    # Of each: person id, face ids.
    sample: list[tuple[int, list[int]]]
    # Of the first people of the sample. People deleted meanwhile have none: None, and no scores.
    # The highest score of the first face with someone else, and with whom.
    highest: list[float | None]
    nearest: list[int]
    # The scores of all their faces with other people, each once, falling.
    pairs: list[list[float]]


@job
def measure(calibration_id: int) -> None:
    """Calibrate, or go on calibrating; the rest is requeued."""
    worker, session = process.current().worker.name, db.session()
    calibration = claim_calibration(session, worker, calibration_id)
    if calibration is None:
        return
    organization_id = calibration.organization_id
    time_is_up = Slice().is_over
    has_claimed(Calibration, [calibration_id])
    # Read before the gallery is opened: what joins in between is counted again, and not missed.
    version = session.get_one(Organization, organization_id).gallery_version
    gallery = process.current().galleries.open(session, organization_id)
    collected = cast(Collected | None, calibration.collected)
    if collected is None or _has_changed(gallery, collected):
        collected = _sample(gallery, organization_id, version)
    mates = known_mates(session, organization_id)
    session.rollback()
    while len(collected["highest"]) < len(collected["sample"]):
        _collect(gallery, mates, collected)
        if time_is_up():
            keep_collected(session, worker, calibration_id, cast(dict[str, Any], collected))
            queues.enqueue_calibration(calibration_id)
            return
    non_mated = _non_mated(collected)
    if len(non_mated.person_ids) < PEOPLE_NEEDED:
        record_too_few(session, worker, calibration_id, gallery.people)
        return
    result = _result(organization_id, gallery, collected, non_mated)
    record_result(session, worker, calibration_id, result)


def _has_changed(gallery: ExactGallery, collected: Collected) -> bool:
    """Whether this gallery's rates differ from those of the one that the sample was drawn from."""
    few, many = sorted((gallery.people, collected["people"]))
    return many > CHANGED * few


def _sample(gallery: ExactGallery, organization_id: int, version: int) -> Collected:
    """The people who are compared: everybody, or those who are drawn."""
    session, people = db.session(), _drawn(gallery.person_ids())
    return Collected(
        version=version,
        people=gallery.people,
        photos=usable_photos(session, session.get_one(Organization, organization_id)),
        sample=faces_of(session, process.current().face_model_id, people),
        highest=[],
        nearest=[],
        pairs=[],
    )


def _drawn(people: list[int]) -> list[int]:
    """At most SAMPLED_PEOPLE of the people, the same ones of the same people every time."""
    if len(people) <= SAMPLED_PEOPLE:
        return people
    places = np.random.default_rng(len(people)).choice(len(people), SAMPLED_PEOPLE, replace=False)
    return [people[place] for place in np.sort(places)]


def _collect(gallery: ExactGallery, mates: dict[int, set[int]], collected: Collected) -> None:
    """Compare the next people of the sample with everybody else."""
    block: list[list[int]] = []
    for _, faces in collected["sample"][len(collected["highest"]) :]:
        block.append(faces)
        if sum(map(len, block)) >= COMPARED_AT_ONCE:
            break
    found = gallery.non_mates([face for faces in block for face in faces], SCORES_OF_EACH, mates)
    by_face = {
        face: [(other, score) for other, score in zip(others, scores, strict=True) if other]
        for face, others, scores in zip(
            found.face_ids.tolist(), found.others.tolist(), found.scores.tolist(), strict=True
        )
    }
    for faces in block:
        met = [by_face[face] for face in faces if by_face.get(face)]
        nearest, highest = met[0][0] if met else (0, None)
        collected["highest"].append(highest)
        collected["nearest"].append(nearest)
        collected["pairs"].append(_best_of_each(met))


def _best_of_each(met: list[list[tuple[int, float]]]) -> list[float]:
    """The highest scores with other people, each of these once; of (other, score) for each face."""
    best: dict[int, float] = {}
    for other, score in chain.from_iterable(met):
        best[other] = max(score, best.get(other, score))
    return sorted(best.values(), reverse=True)[:SCORES_OF_EACH]


def _non_mated(collected: Collected) -> NonMated:
    columns = (collected["sample"], collected["highest"], collected["nearest"], collected["pairs"])
    rows = [row for row in zip(*columns, strict=True) if row[1] is not None]
    pairs = np.full((len(rows), SCORES_OF_EACH), -np.inf)
    for place, (_, _, _, scores) in enumerate(rows):
        pairs[place, : len(scores)] = scores
    return NonMated(
        _ids(person for (person, _), _, _, _ in rows),
        np.array([highest for _, highest, _, _ in rows], np.float64),
        pairs,
        _ids(nearest for _, _, nearest, _ in rows),
    )


def _result(
    organization_id: int, gallery: ExactGallery, collected: Collected, non_mated: NonMated
) -> CalibrationResult:
    session = db.session()
    several = people_with_several_photos(session, organization_id, process.current().face_model_id)
    own = gallery.similarity_within(_drawn(several))
    mated = Mated(own.person_ids, own.scores.astype(np.float64))
    return CalibrationResult(
        gallery_people=collected["people"],
        gallery_version=collected["version"],
        sampled_people=len(non_mated.person_ids),
        mated_people=mated.people,
        mated_photos=len(mated.scores),
        photos=collected["photos"],
        undecided_pairs=undecided_pairs(session, organization_id),
        curves=measure_curves(non_mated, mated if mated.people else None, collected["people"]),
    )


def _ids(ids: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(ids, np.int64)
