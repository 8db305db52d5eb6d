"""The members page: who is in the organization, with which role, and who is invited."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.accounts import invitations, members
from portal.accounts.models import Membership, Role
from portal.accounts.roles import Permission
from portal.accounts.services import EmailError
from portal.extensions import db
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.accounts.forms import ROLES, InviteForm, RoleForm, typed

blueprint = Blueprint("members", __name__, url_prefix="/members")

# Where the link of a new invitation waits for the page that shows it, once.
NEW_LINK = "new_invitation"


@blueprint.get("")
@requires(Permission.MANAGE)
def index() -> ResponseReturnValue:
    """All members, the open invitations, and the form to invite."""
    return _page(InviteForm(), session.pop(NEW_LINK, None))


@blueprint.post("/invitations")
@requires(Permission.MANAGE)
def invite() -> ResponseReturnValue:
    """Make an invitation; the page after it shows the link."""
    form = InviteForm()
    if not form.validate_on_submit():
        return _page(form), 422
    role = Role(form.role.data)
    try:
        token = invitations.invite(
            db.session, current_organization(), current_actor(), typed(form.email), role
        )
    except EmailError as error:
        form.email.errors = [str(error)]
        return _page(form), 422
    session[NEW_LINK] = {
        "organization_id": current_organization().id,
        "email": typed(form.email).strip(),
        "url": url_for("accounts.accept_invitation", token=token, _external=True),
    }
    return redirect(url_for("members.index"))


@blueprint.post("/invitations/<int:invitation_id>/revoke")
@requires(Permission.MANAGE)
def revoke(invitation_id: int) -> ResponseReturnValue:
    """Make an open invitation unusable."""
    revoked = invitations.revoke(db.session, current_organization(), current_actor(), invitation_id)
    if revoked is None:
        abort(404)
    flash(f"The invitation for {revoked.email} is revoked; its link no longer works.", "success")
    return redirect(url_for("members.index"))


@blueprint.post("/<int:membership_id>/role")
@requires(Permission.MANAGE)
def change_role(membership_id: int) -> ResponseReturnValue:
    """Give a member another role."""
    member = _member_or_404(membership_id)
    form = RoleForm()
    if not form.validate_on_submit():
        abort(400, "Choose one of the roles.")
    role = Role(form.role.data)
    try:
        changed = members.change_role(db.session, current_organization(), current_actor(), member, role)
    except members.MemberError as error:
        flash(str(error), "danger")
    else:
        if changed:
            flash(f"{member.user.email} is now {_with_article(role)}.", "success")
    return _after_change(member)


@blueprint.post("/<int:membership_id>/remove")
@requires(Permission.MANAGE)
def remove(membership_id: int) -> ResponseReturnValue:
    """End a membership."""
    member = _member_or_404(membership_id)
    organization = current_organization()
    try:
        members.remove_member(db.session, organization, current_actor(), member)
    except members.MemberError as error:
        flash(str(error), "danger")
        return redirect(url_for("members.index"))
    if member.user_id == current_user.id:
        return redirect(url_for("accounts.account"))  # which says that the membership is over
    flash(f"{member.user.email} is no longer a member of {organization.name}.", "success")
    return redirect(url_for("members.index"))


def _page(form: InviteForm, new_link: dict[str, object] | None = None) -> str:
    organization = current_organization()
    if new_link and new_link["organization_id"] != organization.id:
        new_link = None
    return render_template(
        "members/index.html",
        members=members.list_members(db.session, organization),
        invitations=invitations.list_open(db.session, organization),
        form=form,
        new_link=new_link,
        roles=ROLES,
    )


def _member_or_404(membership_id: int) -> Membership:
    member = members.find_member(db.session, current_organization(), membership_id)
    if member is None:
        abort(404)
    return member


def _after_change(member: Membership) -> ResponseReturnValue:
    # Someone who has just given up the admin's role can't see the members page any more.
    if member.user_id == current_user.id and member.role != Role.ADMIN:
        return redirect(url_for("accounts.account"))
    return redirect(url_for("members.index"))


def _with_article(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role}"
