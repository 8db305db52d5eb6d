"""The page that says what scores mean, and where an admin chooses the thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.calibration import services, words
from portal.calibration.choices import Choice, choices_for
from portal.calibration.choosing import Purpose, ThresholdError, choose_threshold, parse_threshold
from portal.calibration.curves import ErrorRates, error_rates_at, fpir_of_larger
from portal.calibration.models import Calibration
from portal.calibration.plot import Plot, plot_of
from portal.extensions import db
from portal.installation.services import current_face_model
from portal.installation.thresholds import Thresholds, thresholds_of
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.work.models import UNFINISHED

blueprint = Blueprint("calibration", __name__)

# The page says what becomes of a rate when there are this many times as many people.
LARGER = 10


@dataclass(frozen=True)
class Calibrated:
    """A calibration that is done, as the page shows it."""

    calibration: Calibration
    plot: Plot
    search: ErrorRates
    # About the FPIR at the threshold for searches with LARGER times as many people.
    fpir_of_larger: float


@dataclass(frozen=True)
class Scores:
    """What the page shows, for the first paint and every poll alike."""

    calibrating: bool
    # The newest calibration, if it failed.
    failed: Calibration | None
    # People with a usable photo, counted up to the number needed.
    people: int
    calibrated: Calibrated | None
    thresholds: Thresholds | None
    choices: dict[str, list[Choice]]
    # By purpose: what was typed, and what is wrong with it.
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@blueprint.get("/settings/scores")
@requires(Permission.MANAGE)
def show() -> ResponseReturnValue:
    """What scores mean here, and the thresholds."""
    return _page("calibration/show.html", _scores())


@blueprint.get("/settings/scores/state")
@requires(Permission.MANAGE)
def state() -> ResponseReturnValue:
    """The page's content, while it is polled."""
    return _page("calibration/_state.html", _scores())


@blueprint.post("/settings/scores")
@requires(Permission.MANAGE)
def choose() -> ResponseReturnValue:
    """Choose a threshold."""
    purpose = request.form.get("purpose", "")
    if purpose not in set(Purpose):
        abort(400)
    organization, chosen = current_organization(), request.form.get("threshold", "")
    typed = request.form.get("other", "")
    try:
        if not chosen:
            raise ThresholdError("Choose a threshold.")
        threshold = None if chosen == "card" else parse_threshold(typed if chosen == "other" else chosen)
        changed = choose_threshold(db.session(), organization, current_actor(), Purpose(purpose), threshold)
    except ThresholdError as error:
        scores = _scores(typed={purpose: typed}, errors={purpose: str(error)})
        return _page("calibration/show.html", scores), 422
    flash("The threshold is saved." if changed else "Nothing was changed.", "success")
    return redirect(url_for("calibration.show"))


@blueprint.post("/settings/scores/measure")
@requires(Permission.MANAGE)
def start() -> ResponseReturnValue:
    """Start a calibration now."""
    try:
        services.request_calibration(db.session(), current_organization(), current_actor())
    except services.CalibrationError as error:
        flash(str(error), "warning")
    return redirect(url_for("calibration.show"))


def _page(template: str, scores: Scores) -> str:
    return render_template(template, scores=scores, words=words, needed=services.PEOPLE_NEEDED, larger=LARGER)


def _scores(typed: dict[str, str] | None = None, errors: dict[str, str] | None = None) -> Scores:
    session, organization = db.session(), current_organization()
    model, thresholds = current_face_model(session), thresholds_of(session, organization)
    if model is None or thresholds is None:
        return Scores(False, None, 0, None, None, {})
    newest = services.newest(session, organization)
    in_force = services.current(session, organization)
    curves = services.curves_of(in_force)
    return Scores(
        newest is not None and newest.state in UNFINISHED,
        newest if newest is not None and newest.state == "failed" else None,
        services.people_in_gallery(session, organization, model, services.PEOPLE_NEEDED),
        None if in_force is None else _calibrated(in_force, thresholds),
        thresholds,
        {purpose: choices_for(purpose, thresholds, model.threshold, curves) for purpose in Purpose},
        typed or {},
        errors or {},
    )


def _calibrated(calibration: Calibration, thresholds: Thresholds) -> Calibrated:
    curves = services.curves_of(calibration)
    assert curves is not None, "a calibration in force has curves"
    search = error_rates_at(curves, thresholds.search)
    return Calibrated(
        calibration,
        plot_of(curves, thresholds.search, thresholds.duplicates),
        search,
        fpir_of_larger(search.fpir.value, LARGER),
    )
