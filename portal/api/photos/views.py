"""Photos of people."""

from __future__ import annotations

from flask import Blueprint, Response, abort

from portal.api.access import current_actor, current_organization
from portal.api.contract import operation
from portal.api.etags import if_match, tagged
from portal.api.photos.schemas import MainFace, Photo
from portal.api.problems import Problem, ProblemDetails
from portal.extensions import db
from portal.http.pictures import send_original
from portal.keys.models import Scope
from portal.people import services
from portal.photos import services as photo_services
from portal.photos.metadata import FORMATS
from portal.photos.models import Photo as PhotoRow
from portal.removal.services import remove_photo
from portal.storage import photo_store
from portal.work.models import UNFINISHED

blueprint = Blueprint("api_photos", __name__, url_prefix="/api/v1/photos")


PhotoAnswer = tuple[Photo, int, dict[str, str]]


@blueprint.get("/<int:photo_id>")
@operation(Scope.READ, "photos", {200: Photo}, tagged=True)
def get_photo(photo_id: int) -> PhotoAnswer:
    """A photo and the faces found in it."""
    photo = _photo(photo_id)
    services.record_view(db.session(), current_organization(), current_actor(), photo.person)
    return tagged(Photo.of(photo))


@blueprint.delete("/<int:photo_id>")
@operation(Scope.ENROL, "photos", {204: None}, tagged=True)
def delete_photo(photo_id: int) -> tuple[str, int]:
    """Delete a photo with its faces and templates, for good."""
    remove_photo(
        db.session(),
        current_organization(),
        current_actor(),
        _photo(photo_id),
        photo_store(),
        if_match(lambda: Photo.of(_photo(photo_id))),
    )
    return "", 204


@blueprint.get("/<int:photo_id>/content")
@operation(
    Scope.READ,
    "photos",
    {200: None, 409: ProblemDetails},
    file=[kind.media_type for kind in FORMATS.values()],
)
def get_photo_content(photo_id: int) -> Response:
    """A photo, as it was sent but for its metadata; what is no JPEG, PNG or WebP comes as JPEG."""
    photo = _photo(photo_id)
    if photo.state in UNFINISHED:
        raise Problem(409, "This photo has not been processed yet. Ask again in a moment.")
    try:
        response = send_original(photo, f"photo-{photo.id}")
    except FileNotFoundError:
        abort(404, "The file of this photo is damaged or no longer there.")
    photo_services.record_download(db.session(), current_organization(), current_actor(), photo)
    return response


@blueprint.put("/<int:photo_id>/main-face")
@operation(Scope.ENROL, "photos", {202: Photo}, json=MainFace, tagged=True)
def choose_main_face(photo_id: int, json: MainFace) -> PhotoAnswer:
    """Let another face of the photo stand for the person."""
    photo, organization, actor = _photo(photo_id), current_organization(), current_actor()
    try:
        photo_services.choose_face(
            db.session(),
            organization,
            actor,
            photo,
            json.face_id,
            if_match(lambda: Photo.of(_photo(photo_id))),
        )
    except photo_services.PhotoError as error:
        raise Problem.of_field("face_id", str(error)) from error
    services.record_view(db.session(), organization, actor, photo.person)
    return tagged(Photo.of(_photo(photo_id)), 202)


def _photo(photo_id: int) -> PhotoRow:
    photo = photo_services.find_photo(db.session(), current_organization(), photo_id)
    if photo is None:
        abort(404, "There is no photo with this ID.")
    if photo.person.is_alias:
        into = photo.person.merged_into_id
        abort(404, f"This photo is hidden: its person was merged into the person with the ID {into}.")
    return photo
