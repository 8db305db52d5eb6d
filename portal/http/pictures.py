"""Pictures of photos, as browsers get them: without metadata, never kept without asking again."""

from __future__ import annotations

from flask import Response, abort, request

from portal.photos.metadata import FORMATS, FileFormat, UnreadableContainer, stripped
from portal.photos.models import UploadedPhoto
from portal.storage import Rendition, photo_store


def send_picture(photo: UploadedPhoto, rendition: Rendition) -> Response:
    """What a worker made of a photo for pages to show; 404 if it made nothing.

    A small upright JPEG has no preview of its own: it is shown itself.
    """
    response = Response(mimetype="image/jpeg", headers={"Cache-Control": "private, no-cache"})
    response.set_etag(f"{photo.sha256}-{photo.finished_at}")
    if response.make_conditional(request).status_code != 304:
        response.data = _content(photo, rendition)
    return response


def send_original(photo: UploadedPhoto, name: str) -> Response:
    """The whole photo, to be saved: as it came but for its metadata, or the JPEG that a worker made of it.

    Raises FileNotFoundError if it is not there, or too damaged to tell metadata from picture.
    """
    content, kind = _without_metadata(photo)
    return Response(
        content,
        content_type=kind.media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind.extension}"'},
    )


def _content(photo: UploadedPhoto, rendition: Rendition) -> bytes:
    try:
        return photo_store().read(photo.file_key, rendition)
    except FileNotFoundError:
        if rendition != "preview" or photo.media_format != "JPEG":
            abort(404)
    try:
        return _without_metadata(photo)[0]
    except FileNotFoundError:
        abort(404)


def _without_metadata(photo: UploadedPhoto) -> tuple[bytes, FileFormat]:
    # What the portal has turned, and what browsers can't show, is kept as a JPEG that it made.
    if photo.media_format in FORMATS and not photo.turned_by:
        try:
            content = photo_store().read(photo.file_key)
            return stripped(content, photo.media_format), FORMATS[photo.media_format]
        except UnreadableContainer:
            # Perhaps its end is missing and its picture is whole: then the worker made a JPEG of it.
            pass
    return photo_store().read(photo.file_key, "converted"), FORMATS["JPEG"]
