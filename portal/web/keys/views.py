"""The page of API keys: which programs may act for the organization, and what each may do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.extensions import db
from portal.keys import services
from portal.keys.models import Scope
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.accounts.forms import typed
from portal.web.keys.forms import SCOPES, KeyForm

blueprint = Blueprint("keys", __name__, url_prefix="/settings/keys")

# Where a new key waits for the page that shows it, once.
NEW_KEY = "new_key"


@blueprint.get("")
@requires(Permission.MANAGE)
def index() -> ResponseReturnValue:
    """All keys, and the form for a new one."""
    return _page(KeyForm(), session.pop(NEW_KEY, None))


@blueprint.post("")
@requires(Permission.MANAGE)
def create() -> ResponseReturnValue:
    """Make a key; the page after it shows it."""
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
    session[NEW_KEY] = {"organization_id": current_organization().id, "name": key.name, "token": token}
    return redirect(url_for("keys.index"))


@blueprint.post("/<int:key_id>/revoke")
@requires(Permission.MANAGE)
def revoke(key_id: int) -> ResponseReturnValue:
    """Make a key unusable."""
    key = services.find_key(db.session(), current_organization(), key_id) or abort(404)
    services.revoke_key(db.session(), current_actor(), key)
    flash(f"The key {key.name} is revoked; programs that use it are refused from now on.", "success")
    return redirect(url_for("keys.index"))


def _page(form: KeyForm, new_key: dict[str, Any] | None = None) -> str:
    # A key that was made for another organization, in which the member was a moment ago, is not shown here.
    if new_key is not None and new_key["organization_id"] != current_organization().id:
        new_key = None
    return render_template(
        "keys/index.html",
        form=form,
        new_key=new_key,
        keys=services.list_keys(db.session(), current_organization()),
        scopes=SCOPES,
    )
