"""Templates that other programs made, in place of photos."""

from __future__ import annotations

import math
import struct
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from portal.api.problems import Problem
from portal.extensions import db
from portal.installation.services import current_face_model
from portal.photos.services import Upload

TEMPLATE = Field(
    None,
    description="In place of a photo, the template of a face: its float32 numbers, little-endian, in base64.",
)


def _of_a_template(fingerprint: str, others: ValidationInfo) -> str:
    if all(value is None for name, value in others.data.items() if name.startswith("template")):
        raise PydanticCustomError("no_template", "It goes with a template, and none was sent.")
    return fingerprint


# Declared behind the fields for templates that it goes with.
Fingerprint = Annotated[
    Annotated[str, AfterValidator(_of_a_template)] | None,
    Field(
        description="The fingerprint of the face model that made a template: that of the portal's own.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]
# A template has unit length, but for rounding.
LENGTH_TOLERANCE = 1e-3


@dataclass(frozen=True)
class SentTemplate:
    """A template (float32, little-endian, unit length) and the stored face model that made it."""

    content: bytes
    face_model_id: int


def probe_of(
    photos: Sequence[Upload], image: str, template: str | None, field: str, fingerprint: str | None
) -> Upload | SentTemplate:
    """What a form has to be compared: the photo in the field `image` or the template in `field`, one of them.

    fingerprint: of the face model that made the template. Raises Problem (422).
    """
    if bool(photos) == (template is not None):
        raise Problem.of_field(image, f"Send a photo as {image}, or a template as {field}: one of the two.")
    return photos[0] if template is None else _template_of(field, template, fingerprint)


def _template_of(field: str, text: str, fingerprint: str | None) -> SentTemplate:
    """The template in a field.

    fingerprint: of the face model that made it. Raises Problem (422) if that is not the portal's, or the
    template is none of it.
    """
    model = current_face_model(db.session())
    if model is None or model.fingerprint != fingerprint:
        words = (
            "This is not the fingerprint of the portal's face model. Templates of two face models can't be "
            "compared: send the photo."
        )
        raise Problem.of_field("face_model", words)
    try:
        content = b64decode(text, validate=True)
    except ValueError as error:
        raise Problem.of_field(field, "The template is not in base64.") from error
    if len(content) != 4 * model.dimension:
        words = f"A template has {model.dimension} float32 numbers; these are {len(content)} bytes."
        raise Problem.of_field(field, words)
    length = math.hypot(*struct.unpack(f"<{model.dimension}f", content))
    if not abs(length - 1) <= LENGTH_TOLERANCE:
        raise Problem.of_field(field, f"A template has unit length; that of this one is {length:.4g}.")
    return SentTemplate(content, model.id)
