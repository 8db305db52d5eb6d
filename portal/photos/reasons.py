"""Why a photo could not be used, in words for staff. Codes are stored; the words may change."""

from __future__ import annotations

from enum import StrEnum

MAX_PHOTO_BYTES = 25 * 1024 * 1024
MAX_PHOTO_PIXELS = 50_000_000


class Reason(StrEnum):
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    DAMAGED = "damaged"
    TOO_MANY_PIXELS = "too_many_pixels"
    NO_FACE = "no_face"
    SET_ASIDE = "set_aside"
    FILE_MISSING = "file_missing"
    FACE_MODEL_CHANGED = "face_model_changed"


# What happened, and what to do next.
WORDS: dict[Reason, tuple[str, str]] = {
    Reason.EMPTY: ("The file is empty.", "Save the photo again and add it again."),
    Reason.NOT_AN_IMAGE: ("The file is not a photo.", "Add a JPEG, PNG, WebP or HEIC photo."),
    Reason.UNSUPPORTED_FORMAT: (
        "This kind of image can't be read here.",
        "Save it as JPEG, PNG, WebP or HEIC and add it again.",
    ),
    Reason.DAMAGED: (
        "The photo is damaged or was cut off on the way.",
        "Copy it again from the camera or the original folder and add it again.",
    ),
    Reason.TOO_MANY_PIXELS: (
        "The photo has more than 50 megapixels.",
        "Save a smaller copy and add that.",
    ),
    Reason.NO_FACE: (
        "No face was found in the photo.",
        "Use a photo that shows the face from the front, larger and in good light.",
    ),
    Reason.SET_ASIDE: (
        "The photo could not be processed: it stopped the program three times.",
        "Save it again in another format and add that, or tell whoever runs the portal.",
    ),
    Reason.FILE_MISSING: (
        "The stored file is no longer there.",
        "Add the photo again, and tell whoever runs the portal.",
    ),
    Reason.FACE_MODEL_CHANGED: (
        "The portal has another face model now than the one that made this template.",
        "Send the photo.",
    ),
}
