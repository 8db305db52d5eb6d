"""An organization's settings, and switching from one organization to another."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.members import memberships_of
from portal.accounts.roles import Permission
from portal.calibration.services import current
from portal.extensions import db
from portal.installation.thresholds import thresholds_of
from portal.installation.workers import live_workers
from portal.organizations.services import OrganizationError, change_settings, record_switch
from portal.setting_up.licensing import ANSWERED, current_licence, given_answers
from portal.web.accounts import sessions
from portal.web.accounts.access import current_actor, current_organization, requires, signed_in
from portal.web.accounts.forms import typed
from portal.web.organizations.forms import FIRST, LAST, SettingsForm

blueprint = Blueprint("organizations", __name__)


@blueprint.post("/organizations/switch")
@signed_in
def switch() -> ResponseReturnValue:
    """Go on in another organization of the user."""
    chosen = request.form.get("organization_id", "")
    by_id = {str(one.organization_id): one for one in memberships_of(db.session, sessions.current_account())}
    if chosen not in by_id:
        abort(404)
    record_switch(db.session, by_id[chosen].organization, current_actor())
    sessions.switch_to(by_id[chosen])
    flash(f"You are now in {by_id[chosen].organization.name}.", "success")
    return redirect(url_for("dashboard.index"))


@blueprint.route("/settings", methods=["GET", "POST"])
@requires(Permission.MANAGE)
def settings() -> ResponseReturnValue:
    """The organization's settings, and the face model that all organizations share."""
    organization = current_organization()
    form = SettingsForm(obj=organization)
    if form.validate_on_submit():
        try:
            changed = change_settings(
                db.session,
                organization,
                current_actor(),
                name=typed(form.name),
                retention_days=form.retention_days.data or 0,
            )
        except OrganizationError as error:
            form.name.errors = [str(error)]
        else:
            flash("The settings are saved." if changed else "Nothing was changed.", "success")
            return redirect(url_for("organizations.settings"))
    page = render_template(
        "organizations/settings.html",
        form=form,
        first_day=FIRST,
        last_day=LAST,
        licence=current_licence(db.session()),
        licence_answers=given_answers(db.session(), organization),
        answered=ANSWERED,
        thresholds=thresholds_of(db.session(), organization),
        calibrated=current(db.session(), organization) is not None,
        workers=live_workers(db.session),
    )
    return page, 422 if form.errors else 200
