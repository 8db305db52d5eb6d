"""The page from which an admin takes everything of the organization out of the portal."""

from __future__ import annotations

from contextlib import ExitStack

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.database import now
from portal.extensions import db
from portal.installation.services import current_face_model
from portal.people.services import count_people
from portal.photos.services import count_photos
from portal.storage import photo_store
from portal.transfer.exporting import exported, record_export
from portal.transfer.zipping import pieces
from portal.web.accounts.access import current_actor, current_organization, requires

blueprint = Blueprint("export", __name__, url_prefix="/settings/export")


@blueprint.get("")
@requires(Permission.MANAGE)
def index() -> ResponseReturnValue:
    """What an export holds, and the button for it."""
    session, organization = db.session(), current_organization()
    return render_template(
        "export/index.html",
        people=count_people(session, organization),
        photos=sum(count_photos(session, organization).values()),
        face_model=current_face_model(session),
    )


@blueprint.post("")
@requires(Permission.MANAGE)
def download() -> ResponseReturnValue:
    """The export, piece by piece, when all rows have been read: only photos can be gone from then on."""
    session, organization, store = db.session(), current_organization(), photo_store()
    record_export(session, organization, current_actor())
    name = f"{organization.slug}-{now():%Y-%m-%d}.zip"
    with ExitStack() as files:
        export = files.enter_context(exported(session, organization, store))
        response = Response(
            pieces(export, store, lambda total, done: None),
            content_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
        response.call_on_close(files.pop_all().close)
    return response
