"""The first page: what there is, what is being processed, what happened lately."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.extensions import db
from portal.web.accounts.access import current_organization, requires
from portal.web.dashboard import services

blueprint = Blueprint("dashboard", __name__)


@blueprint.get("/")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    """The dashboard."""
    return render_template("dashboard/index.html", **_overview())


@blueprint.get("/overview")
@requires(Permission.VIEW)
def overview() -> ResponseReturnValue:
    """The part of the dashboard that is polled while photos are processed."""
    return render_template("dashboard/_overview.html", **_overview())


def _overview() -> dict[str, Any]:
    return {"overview": services.overview(db.session(), current_organization())}
