"""Photos of people."""

from __future__ import annotations

from portal_client.calls import Call
from portal_client.models import Photo
from portal_client.reading import content, model, nothing


def get_photo(photo_id: int) -> Call[Photo]:
    """A photo and the faces in it."""
    return Call("GET", f"/photos/{photo_id}", model(Photo))


def get_photo_content(photo_id: int) -> Call[bytes]:
    """The photo itself, without metadata; what is no JPEG, PNG or WebP comes as JPEG."""
    return Call("GET", f"/photos/{photo_id}/content", content)


def delete_photo(photo_id: int, *, if_match: str | None = None) -> Call[None]:
    """Delete a photo with its faces and templates, for good."""
    return Call("DELETE", f"/photos/{photo_id}", nothing, if_match=if_match)


def choose_main_face(photo_id: int, face_id: int, *, if_match: str | None = None) -> Call[Photo]:
    """Let another face of the photo stand for the person."""
    path = f"/photos/{photo_id}/main-face"
    return Call("PUT", path, model(Photo), json={"face_id": face_id}, if_match=if_match)
