"""Why a photo could not be used, in words for staff. Codes are stored; the words may change."""

from __future__ import annotations

from enum import StrEnum

MAX_PHOTO_BYTES = 25 * 1024 * 1024
# Well above what telephones take; what is decoded of the largest is reduced (jobs.faces.decode).
MAX_PHOTO_PIXELS = 120_000_000

# What is read, as staff call it.
FORMAT_WORDS = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF, BMP or JPEG 2000"
SIZE_WORDS = f"up to {MAX_PHOTO_BYTES // 1024**2} MiB and {MAX_PHOTO_PIXELS // 1_000_000} megapixels each"


class Reason(StrEnum):
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    PDF = "pdf"
    UNSUPPORTED_FORMAT = "unsupported_format"
    DAMAGED = "damaged"
    TOO_MANY_PIXELS = "too_many_pixels"
    NO_FACE = "no_face"
    SET_ASIDE = "set_aside"
    FILE_MISSING = "file_missing"
    FACE_MODEL_CHANGED = "face_model_changed"
    UNLIKE_OTHERS = "unlike_others"


# What happened, and what to do next.
WORDS: dict[Reason, tuple[str, str]] = {
    Reason.EMPTY: ("The file is empty.", "Save the photo again and add it again."),
    Reason.NOT_AN_IMAGE: (
        "The file is not a photo.",
        f"Add a photo: {FORMAT_WORDS}.",
    ),
    Reason.PDF: (
        "This is a PDF, which is a document and not a photo.",
        "Open it, save or export each page as a JPEG picture, one photo a person, and add those.",
    ),
    Reason.UNSUPPORTED_FORMAT: (
        "This kind of image can't be read here.",
        "Save it as JPEG or PNG and add it again.",
    ),
    Reason.DAMAGED: (
        "The photo is damaged or was cut off on the way.",
        "Copy it again from the camera or the original folder and add it again.",
    ),
    Reason.TOO_MANY_PIXELS: (
        f"The photo has more than {MAX_PHOTO_PIXELS // 1_000_000} megapixels.",
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
    Reason.UNLIKE_OTHERS: (
        "The face does not look like the others that came under this name.",
        "On the batch's page, say whether they are one person, or each file is a person of its own.",
    ),
}
