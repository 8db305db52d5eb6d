"""The organization: its counts, and what its scores mean."""

from __future__ import annotations

from flask import Blueprint

from portal.api.access import current_organization
from portal.api.contract import operation
from portal.api.organization.schemas import PhotoCounts, Scores, Statistics, Threshold
from portal.api.problems import Problem, ProblemDetails
from portal.api.schemas import FaceModel
from portal.calibration.bands import pair_bands, search_bands
from portal.calibration.curves import error_rates_at
from portal.calibration.services import current, curves_of
from portal.duplicates.pairs import count_to_decide
from portal.extensions import db
from portal.installation.services import current_face_model
from portal.installation.thresholds import thresholds_of
from portal.installation.workers import live_workers
from portal.keys.models import Scope
from portal.people.services import count_people
from portal.photos.services import count_photos

blueprint = Blueprint("api_organization", __name__, url_prefix="/api/v1")


@blueprint.get("/statistics")
@operation(Scope.READ, "organization", {200: Statistics})
def get_statistics() -> Statistics:
    """The organization in figures."""
    session, organization = db.session(), current_organization()
    model = current_face_model(session)
    photos = {state.value: count for state, count in count_photos(session, organization).items()}
    return Statistics(
        people=count_people(session, organization),
        photos=PhotoCounts(**photos),
        pairs_to_decide=count_to_decide(session, organization),
        workers=len(live_workers(session)),
        face_model=FaceModel.of(model) if model else None,
    )


@blueprint.get("/scores")
@operation(Scope.READ, "organization", {200: Scores, 409: ProblemDetails})
def get_scores() -> Scores:
    """What similarity scores mean: the thresholds in force, and what they cost, with intervals."""
    session, organization = db.session(), current_organization()
    model, thresholds = current_face_model(session), thresholds_of(session, organization)
    if model is None or thresholds is None:
        raise Problem(409, "No face model has been chosen yet: that happens when the first worker starts.")
    calibration = current(session, organization)
    curves = curves_of(calibration)
    search, duplicates = thresholds.search, thresholds.duplicates
    return Scores(
        search=Threshold.of(
            search,
            thresholds.search_chosen,
            search_bands(curves, search),
            error_rates_at(curves, search) if curves else None,
        ),
        duplicates=Threshold.of(
            duplicates,
            thresholds.duplicates_chosen,
            pair_bands(curves, duplicates),
            error_rates_at(curves, duplicates) if curves else None,
        ),
        calibrated_at=calibration.measured_at if calibration else None,
        people=curves["people"] if curves else None,
        face_model=FaceModel.of(model),
    )
