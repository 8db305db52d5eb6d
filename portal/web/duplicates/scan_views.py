"""The pages of scans, and of photos that are unlike the others of their person."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.calibration.services import current
from portal.extensions import db
from portal.installation.thresholds import thresholds_of
from portal.paging import CursorError
from portal.pairs import odd_photos, scans
from portal.pairs.models import DuplicateScan
from portal.pairs.scans import ScanError
from portal.photos.services import photos_of
from portal.web.accounts.access import current_actor, current_organization, requires

blueprint = Blueprint("scans", __name__, url_prefix="/duplicates")

NEVER = "never"


@blueprint.get("/scans")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    """Scans: the one under way, and those before."""
    return render_template("duplicates/scans.html", **_progress())


@blueprint.get("/scans/progress")
@requires(Permission.VIEW)
def progress() -> ResponseReturnValue:
    """The part of the page that is polled while a scan is under way."""
    return render_template("duplicates/_scans.html", **_progress())


@blueprint.post("/scans")
@requires(Permission.ENROL)
def start() -> ResponseReturnValue:
    """Start a scan of all people."""
    try:
        scans.start_scan(db.session(), current_organization(), current_actor())
    except ScanError as error:
        return _back(str(error), "warning")
    return _back("All people are being compared with each other. You may leave this page.")


@blueprint.post("/scans/<int:scan_id>/cancel")
@requires(Permission.ENROL)
def cancel(scan_id: int) -> ResponseReturnValue:
    """End a scan where it is."""
    try:
        scans.cancel_scan(db.session(), current_actor(), _scan(scan_id))
    except ScanError as error:
        return _back(str(error), "warning")
    return _back("The scan is cancelled. The pairs it found stay.")


@blueprint.post("/scans/<int:scan_id>/retry")
@requires(Permission.ENROL)
def retry(scan_id: int) -> ResponseReturnValue:
    """Go on with a scan that was set aside."""
    try:
        scans.retry_scan(db.session(), current_organization(), current_actor(), _scan(scan_id))
    except ScanError as error:
        return _back(str(error), "warning")
    return _back("The scan goes on from where it was.")


@blueprint.post("/scans/schedule")
@requires(Permission.MANAGE)
def schedule() -> ResponseReturnValue:
    """Choose the hour of the nightly scan, or none."""
    chosen = request.form.get("hour", "")
    hour = None if chosen == NEVER else request.form.get("hour", -1, int)
    try:
        scans.schedule_scans(db.session(), current_organization(), current_actor(), hour)
    except ScanError as error:
        return _back(str(error), "warning")
    if hour is None:
        return _back("There is no nightly scan any more.")
    return _back(f"A scan compares all people every night, from {hour:02}:00 UTC.")


@blueprint.get("/photos")
@requires(Permission.VIEW)
def photos() -> ResponseReturnValue:
    """Photos that do not look like the others of their person."""
    session, organization = db.session(), current_organization()
    try:
        page = odd_photos.list_odd(session, organization, request.args.get("cursor"))
    except CursorError:
        return redirect(url_for("scans.photos"))
    return render_template(
        "duplicates/photos.html",
        page=page,
        others=photos_of(session, [odd.person for odd in page.items]),
        thresholds=thresholds_of(session, organization),
        calibrated=current(session, organization) is not None,
    )


@blueprint.post("/photos/<int:photo_id>/right")
@requires(Permission.ENROL)
def confirm(photo_id: int) -> ResponseReturnValue:
    """Say that a photo shows its person."""
    odd = odd_photos.find_odd(db.session(), current_organization(), photo_id) or abort(404)
    odd_photos.confirm(db.session(), current_actor(), odd)
    flash(f"The photo stays with {odd.person.name}. You will not be asked again.", "success")
    return redirect(request.referrer or url_for("scans.photos"))


def _scan(scan_id: int) -> DuplicateScan:
    return scans.find_scan(db.session(), current_organization(), scan_id) or abort(404)


def _progress() -> dict[str, Any]:
    """What the polled part shows, for the first paint and every poll alike."""
    session, organization = db.session(), current_organization()
    return {
        "unfinished": scans.unfinished_scan(session, organization),
        "scans": scans.latest_scans(session, organization),
        "scan_hour": organization.scan_hour,
        "thresholds": thresholds_of(session, organization),
    }


def _back(words: str, kind: str = "success") -> ResponseReturnValue:
    flash(words, kind)
    return redirect(url_for("scans.index"))
