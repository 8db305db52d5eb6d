"""Calibrations: what similarity scores mean, measured on an organization's own people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from jobs import process
from jobs.claimed import given_back_on_failure
from jobs.error_rates.measuring import measure as measure_curves
from jobs.error_rates.samples import Mated, NonMated
from jobs.gallery.exact import ExactGallery
from jobs.slices import Slice
from portal import queues
from portal.calibration.models import Calibration
from portal.calibration.services import PEOPLE_NEEDED
from portal.calibration.work import (
    Measured,
    claim_calibration,
    first_faces,
    keep_collected,
    known_mates,
    people_with_several_faces,
    record_measured,
    record_too_few,
    undecided_pairs,
)
from portal.extensions import db
from portal.organizations.models import Organization

# As many people as tell a rate of 1 in 1,000 well; of more, these are drawn by lot.
SAMPLED_PEOPLE = 5_000
# The highest non-mated scores that are kept of each.
SCORES_OF_EACH = 10
# People who are compared before somebody looks whether a search waits: 0.16 s in 200,000 templates of 512.
COMPARED_AT_ONCE = 32


class Collected(TypedDict):
    """What is kept between two slices: the sample, and the first of its people with their scores."""

    # [person id, face id] of each.
    sample: list[list[int]]
    # Of the first people of the sample: similarity scores, falling, and whom the first is with. Who was
    # deleted meanwhile has none.
    scores: list[list[float]]
    nearest: list[int]


def measure(calibration_id: int) -> None:
    """Measure, or go on measuring; what is left is sent again."""
    queues.forget_waiting("jobs.calibration.measure", calibration_id)
    worker, session = process.current().worker.name, db.session()
    calibration = claim_calibration(session, worker, calibration_id)
    if calibration is None:
        return
    organization_id = calibration.organization_id
    time_is_up = Slice().is_over
    with given_back_on_failure(Calibration, [calibration_id]):
        # Read before the gallery is opened: what joins in between is counted again, and not missed.
        version = session.get_one(Organization, organization_id).gallery_version
        gallery = process.current().galleries.open(session, organization_id)
        collected = cast(Collected | None, calibration.collected) or _sample(gallery)
        mates = known_mates(session, organization_id)
        session.rollback()
        while len(collected["scores"]) < len(collected["sample"]):
            _collect(gallery, mates, collected)
            if time_is_up():
                keep_collected(session, worker, calibration_id, cast(dict[str, Any], collected))
                queues.enqueue_calibration(calibration_id)
                return
        non_mated = _non_mated(collected)
        if len(non_mated.person_ids) < PEOPLE_NEEDED:
            record_too_few(session, worker, calibration_id, gallery.people)
            return
        measured = _measured(organization_id, gallery, version, non_mated)
        record_measured(session, worker, calibration_id, measured)


def _sample(gallery: ExactGallery) -> Collected:
    """Who is compared: everybody, or as many as are drawn; each with the first of their faces."""
    people = _drawn(gallery.person_ids())
    first = first_faces(db.session(), process.current().face_model_id, people)
    return Collected(sample=[[person, face] for person, face in first], scores=[], nearest=[])


def _drawn(people: list[int]) -> list[int]:
    """At most SAMPLED_PEOPLE of the people, the same ones of the same people every time."""
    if len(people) <= SAMPLED_PEOPLE:
        return people
    places = np.random.default_rng(len(people)).choice(len(people), SAMPLED_PEOPLE, replace=False)
    return [people[place] for place in np.sort(places)]


def _collect(gallery: ExactGallery, mates: dict[int, set[int]], collected: Collected) -> None:
    """Compare the next people of the sample with everybody else."""
    done = len(collected["scores"])
    block = collected["sample"][done : done + COMPARED_AT_ONCE]
    found = gallery.non_mates([face for _, face in block], SCORES_OF_EACH, mates)
    columns = (found.face_ids.tolist(), found.scores.astype(np.float64), found.others.tolist())
    by_face = {face: (scores, others) for face, scores, others in zip(*columns, strict=True)}
    for _, face in block:
        scores, others = by_face.get(face, (np.empty(0), [0]))
        collected["scores"].append(scores[~np.isnan(scores)].tolist())
        collected["nearest"].append(others[0])


def _non_mated(collected: Collected) -> NonMated:
    columns = (collected["sample"], collected["nearest"], collected["scores"])
    rows = [
        (person, nearest, scores) for (person, _), nearest, scores in zip(*columns, strict=True) if scores
    ]
    table = np.full((len(rows), SCORES_OF_EACH), -np.inf)
    for row, (_, _, scores) in enumerate(rows):
        table[row, : len(scores)] = scores
    return NonMated(_ids(row[0] for row in rows), table, _ids(row[1] for row in rows))


def _measured(organization_id: int, gallery: ExactGallery, version: int, non_mated: NonMated) -> Measured:
    session = db.session()
    several = people_with_several_faces(session, organization_id, process.current().face_model_id)
    own = gallery.similarity_within(_drawn(several))
    mated = Mated(own.person_ids, own.scores.astype(np.float64))
    return Measured(
        gallery_people=gallery.people,
        gallery_version=version,
        sampled_people=len(non_mated.person_ids),
        mated_people=mated.people,
        mated_photos=len(mated.scores),
        undecided_pairs=undecided_pairs(session, organization_id),
        curves=measure_curves(non_mated, mated if mated.people else None, gallery.people),
    )


def _ids(ids: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(ids, np.int64)
