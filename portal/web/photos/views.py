"""A photo of a person: its page, its files, and what can be done with it."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.extensions import db
from portal.http.pictures import send_original, send_picture
from portal.people.services import record_view
from portal.photos import services
from portal.photos.models import Photo
from portal.removal.services import remove_photo
from portal.storage import Rendition, photo_store
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.work.models import UNFINISHED

blueprint = Blueprint("enrolment", __name__)


@blueprint.get("/photos/<int:photo_id>")
@requires(Permission.VIEW)
def show(photo_id: int) -> ResponseReturnValue:
    """A photo with the faces that were found in it: this counts as viewing its person, too."""
    photo = _photo(photo_id)
    record_view(db.session(), current_organization(), current_actor(), photo.person)
    return render_template("photos/show.html", **_shown(photo))


@blueprint.get("/photos/<int:photo_id>/faces")
@requires(Permission.VIEW)
def faces(photo_id: int) -> ResponseReturnValue:
    """The faces part of a photo's page, while it is polled."""
    return render_template("photos/_faces.html", **_shown(_photo(photo_id)))


@blueprint.get("/photos/<int:photo_id>/<any(preview, thumbnail):rendition>")
@requires(Permission.VIEW)
def rendition(photo_id: int, rendition: Rendition) -> ResponseReturnValue:
    """A picture that a worker made of a photo; an earlier search may show one that is now hidden."""
    photo = services.find_photo(db.session(), current_organization(), photo_id) or abort(404)
    return send_picture(photo, rendition)


@blueprint.get("/photos/<int:photo_id>/original")
@requires(Permission.VIEW)
def original(photo_id: int) -> ResponseReturnValue:
    """The photo without its metadata: as it came, or the JPEG that a worker made of it."""
    photo = _photo(photo_id)
    if photo.media_format is None:
        abort(404)
    try:
        response = send_original(photo, f"photo-{photo.id}")
    except FileNotFoundError:
        flash("This photo can't be downloaded: its file is damaged or no longer there.", "warning")
        return redirect(url_for("enrolment.show", photo_id=photo.id))
    services.record_download(db.session(), current_organization(), current_actor(), photo)
    return response


@blueprint.post("/photos/<int:photo_id>/face")
@requires(Permission.ENROL)
def choose_face(photo_id: int) -> ResponseReturnValue:
    """Let another face of the photo stand for the person."""
    photo = _photo(photo_id)
    try:
        services.choose_face(
            db.session(), current_organization(), current_actor(), photo, request.form.get("face_id", 0, int)
        )
    except services.PhotoError as error:
        flash(str(error), "warning")
    return redirect(url_for("enrolment.show", photo_id=photo.id))


@blueprint.post("/photos/<int:photo_id>/retry")
@requires(Permission.ENROL)
def retry(photo_id: int) -> ResponseReturnValue:
    """Retry a photo that failed."""
    photo = _photo(photo_id)
    try:
        services.retry_photo(db.session(), current_organization(), current_actor(), photo)
        flash("The photo is being processed again.", "info")
    except services.PhotoError as error:
        flash(str(error), "warning")
    return redirect(url_for("people.show", person_id=photo.person_id))


@blueprint.post("/photos/<int:photo_id>/remove")
@requires(Permission.ENROL)
def remove(photo_id: int) -> ResponseReturnValue:
    """Remove a photo."""
    photo = _photo(photo_id)
    remove_photo(db.session(), current_organization(), current_actor(), photo, photo_store())
    flash("The photo is removed.", "success")
    return redirect(url_for("people.show", person_id=photo.person_id))


def _photo(photo_id: int) -> Photo:
    """The photo of a page or of an act; one that an alias hides leads to the person, and nothing is done."""
    photo = services.find_photo(db.session(), current_organization(), photo_id) or abort(404)
    if photo.person.is_alias:
        abort(redirect(url_for("people.show", person_id=photo.person_id)))
    return photo


def _shown(photo: Photo) -> dict[str, Photo | bool]:
    return {"photo": photo, "working": photo.state in UNFINISHED}
