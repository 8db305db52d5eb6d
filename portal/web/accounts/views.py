"""Pages of a user's own account: signing in and out, the password, the first run, accepting an invitation."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.accounts import invitations, services
from portal.accounts.models import Invitation, Role, User
from portal.audit.services import Actor
from portal.extensions import db
from portal.http.access import public
from portal.installation.models import LicenceChoice
from portal.organizations.models import Organization
from portal.organizations.services import OrganizationError
from portal.setting_up import first_run as first_run_services
from portal.setting_up.licensing import LicenceError, current_licence
from portal.web.accounts import kept_forms, limits, sessions
from portal.web.accounts.access import current_actor, current_membership, signed_in
from portal.web.accounts.forms import (
    ROLES,
    ChangePasswordForm,
    ConfirmedLicenceForm,
    ConfirmPasswordForm,
    FirstRunForm,
    NewPasswordForm,
    SignInForm,
    typed,
)
from portal.web.accounts.kept_forms import KeptForm

blueprint = Blueprint("accounts", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
@public
@limits.by_address
@limits.by_account
def sign_in() -> ResponseReturnValue:
    """Sign in with email and password."""
    if not services.any_user(db.session):
        return redirect(url_for("accounts.first_run"))
    if current_user.is_authenticated:
        return redirect(_next_page())
    form, kept = SignInForm(), kept_forms.of_request()
    if not form.validate_on_submit():
        return kept_forms.sign_in_page(form, kept), _status(form)
    try:
        user = services.sign_in(db.session, _address(), typed(form.email), typed(form.password))
    except services.CredentialsError as error:
        limits.count_failure()
        return kept_forms.sign_in_page(form, kept, str(error)), 401
    if kept is not None:
        return _go_on(user, kept)
    return _begin(user, services.first_organization_id(db.session, user))


@blueprint.post("/logout")
@signed_in
def sign_out() -> ResponseReturnValue:
    """Close the session."""
    membership = current_membership()
    services.sign_out(db.session, current_actor(), membership.organization if membership else None)
    sessions.end()
    flash("You are signed out.", "success")
    return redirect(url_for("accounts.sign_in"))


@blueprint.route("/account", methods=["GET", "POST"])
@signed_in
@limits.by_address
@limits.by_account
def account() -> ResponseReturnValue:
    """The user's organizations, and another password."""
    form = ChangePasswordForm()
    if not form.validate_on_submit():
        return render_template("accounts/account.html", form=form, roles=ROLES), _status(form)
    user = sessions.current_account()
    membership = current_membership()
    organization = membership.organization if membership else None
    try:
        services.change_password(
            db.session, organization, current_actor(), user, typed(form.current), typed(form.password)
        )
    except services.CredentialsError as error:
        limits.count_failure()
        form.current.errors = [str(error)]
        return render_template("accounts/account.html", form=form, roles=ROLES), 422
    except services.PasswordError as error:
        form.password.errors = [str(error)]
        return render_template("accounts/account.html", form=form, roles=ROLES), 422
    sessions.begin(user, organization.id if organization else None)
    flash("Your password is changed. You are signed out everywhere else.", "success")
    return redirect(url_for("accounts.account"))


@blueprint.route("/first-run", methods=["GET", "POST"])
@public
@limits.by_address
def first_run() -> ResponseReturnValue:
    """Make the first organization and its admin; only while there is no user."""
    if services.any_user(db.session):
        abort(404)
    data_dir = current_app.config["PORTAL"].data_dir
    first_run_services.first_run_code(data_dir)
    licence = current_licence(db.session())
    if licence is not None and licence.is_to_confirm:
        form = ConfirmedLicenceForm()
        form.offer(licence)
    else:
        form = FirstRunForm()
    if not form.validate_on_submit():
        return render_template("accounts/first_run.html", form=form, licence=licence), _status(form)
    try:
        user = first_run_services.create_first_admin(
            db.session,
            Actor(None, "first-run page", _address()),
            data_dir,
            code=typed(form.code),
            organization=typed(form.organization),
            email=typed(form.email),
            password=typed(form.password),
            licence=_licence_choice(form),
        )
    except services.CredentialsError as error:
        limits.count_failure()
        form.code.errors = [str(error)]
    except LicenceError as error:
        form.licence.errors = [str(error)]
    except OrganizationError as error:
        form.organization.errors = [str(error)]
    except services.EmailError as error:
        form.email.errors = [str(error)]
    except services.PasswordError as error:
        form.password.errors = [str(error)]
    except services.AccountError as error:
        flash(str(error), "danger")
        return redirect(url_for("accounts.sign_in"))
    else:
        flash("The portal is set up, and you are its first admin.", "success")
        return _begin(user, services.first_organization_id(db.session, user))
    return render_template("accounts/first_run.html", form=form, licence=licence), 422


@blueprint.route("/invitations/<token>", methods=["GET", "POST"])
@public
@limits.by_address
@limits.by_account
def accept_invitation(token: str) -> ResponseReturnValue:
    """Become a member: with a new account, with one's password, or by a click where one is signed in."""
    invitation = invitations.find_open(db.session, token)
    if invitation is None:
        return render_template("accounts/invitation_gone.html"), 404
    existing = services.find_user(db.session, invitation.email)
    form = ConfirmPasswordForm() if existing else NewPasswordForm()
    if current_user.is_authenticated:
        if existing is None or existing.id != current_user.id:
            return render_template("accounts/invitation_of_other.html", invitation=invitation), 403
        if request.method == "POST":
            return _join(invitation, token, existing)
    elif form.validate_on_submit():
        try:
            if existing is None:
                user = invitations.accept_as_new_user(db.session, _address(), token, typed(form.password))
                return _begin(user, invitation.organization_id)
            user = services.sign_in(db.session, _address(), existing.email, typed(form.password))
        except services.CredentialsError:
            limits.count_failure()
            form.password.errors = ["This is not the password of your account."]
        except invitations.InvitationGoneError:
            return render_template("accounts/invitation_gone.html"), 404
        except services.AccountError as error:
            form.password.errors = [str(error)]
        else:
            return _join(invitation, token, user)
    page = render_template(
        "accounts/invitation.html",
        invitation=invitation,
        may_do=ROLES[Role(invitation.role)],
        has_account=existing is not None,
        form=form,
    )
    return page, _status(form)


def _go_on(user: User, kept: KeptForm) -> ResponseReturnValue:
    """Go on with a form where its session has ended: whose it is not sees nothing of it."""
    first = services.first_organization_id(db.session, user)
    if kept.owner.user_id != user.id:
        flash("The form that was open here is someone else's. Nothing of it was kept.", "warning")
        return _begin(user, first)
    organization = db.session.get(Organization, kept.owner.organization_id or 0)
    if organization is None or not services.is_member(db.session(), user, organization):
        flash("You are no longer a member of the organization under which the form was opened.", "warning")
        return _begin(user, first)
    sessions.begin(user, kept.owner.organization_id)
    return kept_forms.go_on_page(kept)


def _join(invitation: Invitation, token: str, user: User) -> ResponseReturnValue:
    try:
        organization_id = invitations.accept_as_user(db.session, _address(), token, user)
    except invitations.InvitationGoneError:
        return render_template("accounts/invitation_gone.html"), 404
    except services.AccountError as error:
        flash(str(error), "info")
        organization_id = invitation.organization_id
    return _begin(user, organization_id)


def _begin(user: User, organization_id: int | None) -> ResponseReturnValue:
    # Flashes are kept in the session, which begins again here.
    flashes = session.get("_flashes")
    sessions.begin(user, organization_id)
    if flashes:
        session["_flashes"] = flashes
    if organization_id is None:
        flash(
            "You are not a member of any organization at the moment. Ask an admin to invite you.", "warning"
        )
        return redirect(url_for("accounts.account"))
    return redirect(_next_page())


def _licence_choice(form: FirstRunForm) -> LicenceChoice | None:
    """What was chosen, or None if nothing was, or nothing possible."""
    chosen = request.form.get("licence") if isinstance(form, ConfirmedLicenceForm) else None
    return LicenceChoice(chosen) if chosen in set(LicenceChoice) else None


def _next_page() -> str:
    return sessions.local_path(request.args.get("next")) or url_for("dashboard.index")


def _status(form: SignInForm) -> int:
    """The status of a page with this form: 422 if something in it has to be corrected."""
    return 422 if form.errors else 200


def _address() -> str:
    return request.remote_addr or ""
