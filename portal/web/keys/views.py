"""The page of API keys: which programs may act for the organization, and what each may do."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.extensions import db
from portal.keys import services
from portal.keys.models import Scope
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.accounts.forms import typed
from portal.web.keys.forms import SCOPES, KeyForm

blueprint = Blueprint("keys", __name__, url_prefix="/settings/keys")


@blueprint.get("")
@requires(Permission.MANAGE)
def index() -> ResponseReturnValue:
    """All keys, and the form for a new one."""
    return _page(KeyForm())


@blueprint.post("")
@requires(Permission.MANAGE)
def create() -> ResponseReturnValue:
    """Make a key. This answer alone shows it: nothing else holds it, not even the visitor's cookie."""
    form = KeyForm()
    if not form.validate_on_submit():
        return _page(form), 422
    scopes = [Scope(scope) for scope in form.scopes.data or []]
    try:
        key, token = services.create_key(
            db.session(),
            current_organization(),
            current_actor(),
            typed(form.name),
            scopes,
            form.expires_days.data,
        )
    except services.KeyRefused as error:
        form[error.field].errors = [str(error)]
        return _page(form), 422
    return _page(KeyForm(formdata=None), {"name": key.name, "token": token}), 201


@blueprint.post("/<int:key_id>/revoke")
@requires(Permission.MANAGE)
def revoke(key_id: int) -> ResponseReturnValue:
    """Make a key unusable."""
    key = services.find_key(db.session(), current_organization(), key_id) or abort(404)
    services.revoke_key(db.session(), current_actor(), key)
    flash(f"The key {key.name} is revoked; programs that use it are refused from now on.", "success")
    return redirect(url_for("keys.index"))


def _page(form: KeyForm, new_key: dict[str, str] | None = None) -> str:
    return render_template(
        "keys/index.html",
        form=form,
        new_key=new_key,
        keys=services.list_keys(db.session(), current_organization()),
        scopes=SCOPES,
    )
