"""Calibrations that workers would have written, for tests that are not about measuring."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy.orm import Session

from portal.calibration.curves import Curves, Estimate, Histogram
from portal.calibration.models import Calibration
from portal.calibration.services import (
    current,
)
from portal.database import now, writing
from portal.organizations.models import Organization
from portal.work.models import WorkState
from tests.make.face_models import face_model

PEOPLE = 1000
SCORES = [0.2, 0.3, 0.4, 0.5, 0.6, 1.0]


def curves(people: int = PEOPLE, **values: Any) -> Curves:
    """1 in 10 at 0.3, 1 in 100 at 0.4, 1 in 1,000 at 0.5, with intervals from a half to the double."""
    fpir = [1.0, 0.1, 0.01, 0.001, 0.0001, 0.0]
    fnir = [0.0, 0.01, 0.04, 0.1, 0.4, 1.0]
    made = Curves(
        people=people,
        thresholds=SCORES,
        fpir=_estimate(fpir, 2, 1.0),
        fnir=_estimate(fnir, 2, 1.0),
        false_pairs=_estimate([rate * people / 2 for rate in fpir], 2, people * people),
        false_pairs_from=0.25,
        non_mated=Histogram(start=0.2, width=0.1, counts=[700, 250, 40, 9, 1, 0, 0, 0]),
        mated=Histogram(start=0.2, width=0.1, counts=[1, 2, 5, 10, 40, 40, 2, 0]),
    )
    return cast(Curves, {**made, **values})


def add_calibration(session: Session, organization: Organization, **values: Any) -> Calibration:
    """A measurement that is done, unless the values say otherwise."""
    usual = {
        "state": WorkState.DONE,
        "finished_at": now(),
        "measured_at": now(),
        "gallery_people": PEOPLE,
        "gallery_version": 0,
        "sampled_people": PEOPLE,
        "mated_people": 50,
        "mated_photos": 100,
        "undecided_pairs": 0,
        "curves": curves(),
    }
    model = face_model(session)
    with writing(session):
        calibration = Calibration(
            organization_id=organization.id, face_model_id=model.id, **{**usual, **values}
        )
        session.add(calibration)
    return calibration


def _estimate(value: list[float], factor: float, most: float) -> Estimate:
    return Estimate(
        value=value, low=[one / factor for one in value], high=[min(factor * one, most) for one in value]
    )


def measured(session: Session, organization: Organization) -> Calibration:
    session.rollback()
    calibration = current(session, organization)
    assert calibration is not None
    return calibration
