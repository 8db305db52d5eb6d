"""Faces of photos that are looked at once and not kept."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from portal_client.calls import Call, Fields, Form
from portal_client.models import Comparison, Detection
from portal_client.reading import model
from portal_client.uploads import Source, upload_of

# The portal answers when a worker has looked, or says after so long that none was free.
HELD_S = 60.0


def detect_faces(image: Source, *, templates: bool | None = None) -> Call[Detection]:
    """Find the faces of a photo.

    templates: with their templates, for keys that have the scope admin.
    """
    form = Form(photos=[("image", upload_of(image))])
    query = {"templates": templates}
    return Call("POST", "/detections", model(Detection), query, form=form, held_s=HELD_S)


def compare_faces(
    image_a: Source | None = None,
    image_b: Source | None = None,
    *,
    template_a: bytes | None = None,
    template_b: bytes | None = None,
    face_model: str | None = None,
) -> Call[Comparison]:
    """Compare the main faces of two photos.

    A template may come in place of either, with the fingerprint of its face model.
    """
    images = {"image_a": image_a, "image_b": image_b}
    form = probe(images, {"template_a": template_a, "template_b": template_b}, face_model)
    return Call("POST", "/comparisons", model(Comparison), form=form, held_s=HELD_S)


def probe(
    images: Mapping[str, Source | None],
    templates: Mapping[str, bytes | None],
    face_model: str | None,
    others: Fields | None = None,
) -> Form:
    """A form of photos and of templates in place of photos, by the names of their fields."""
    encoded = {name: b64encode(one).decode() for name, one in templates.items() if one is not None}
    photos = [(name, upload_of(image)) for name, image in images.items() if image is not None]
    return Form({**(others or {}), **encoded, "face_model": face_model}, photos)
