"""Photos of a batch as they arrive in forms: each in the store before the next one is read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import abort
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from portal.batches.models import Batch, Decision
from portal.batches.opening import NotOpen
from portal.batches.reasons import ItemReason
from portal.batches.receiving import Arrival
from portal.http.uploads import form_parts
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.storage import FileTooLarge, PhotoStore

PHOTOS_A_REQUEST = 100
# Of an item, in the name of its photo.
NUMBER = re.compile(r"[0-9]{1,18}")


def stored_arrivals(request: Request, batch: Batch, store: PhotoStore) -> list[Arrival]:
    """The photos of a form, each under the number of its item; all are stored, or none of them.

    A photo of more than MAX_PHOTO_BYTES comes with that as its reason. Raises NotOpen, and BadRequest for
    another name, or more than PHOTOS_A_REQUEST photos.
    """
    if batch.decision != Decision.GO_ON:
        raise NotOpen(batch.decision)
    arrivals: list[Arrival] = []
    try:
        with store.together():
            for part in form_parts(request):
                if part.file_name is None:
                    abort(400, f"The field {part.name} is no file.")
                if not NUMBER.fullmatch(part.name):
                    abort(400, "Send each photo under the ID that it has in the batch.")
                if len(arrivals) == PHOTOS_A_REQUEST:
                    abort(400, f"Send {PHOTOS_A_REQUEST} photos at most in one request.")
                try:
                    file = store.receive(batch.organization_id, part, MAX_PHOTO_BYTES)
                    arrivals.append(Arrival(int(part.name), file))
                except FileTooLarge:
                    arrivals.append(Arrival(int(part.name), None, ItemReason.TOO_LARGE))
    except (HTTPException, OSError):
        discard(arrivals, store)
        raise
    return arrivals


def discard(arrivals: Sequence[Arrival], store: PhotoStore) -> None:
    """Remove what was stored of photos that are not taken."""
    for arrival in arrivals:
        if arrival.file is not None:
            store.delete(arrival.file.key)
