"""People of an export are taken into an organization: some at a time, each of them whole."""

from __future__ import annotations

import io
from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError

from portal.database import end_reading, writing
from portal.installation.services import lock_face_model
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.storage import PhotoStore
from portal.transfer import format as fmt
from portal.transfer.inserting import insert_matched
from portal.transfer.into import Into, Taken, Tell
from portal.transfer.matching import Cluster, clusters, match
from portal.transfer.opening import ExportError
from portal.transfer.staging import Staged
from portal.work.models import WorkState

# How often people may be changed by others just when they are taken.
ATTEMPTS = 5


class _Changed(Exception):
    """Someone changed these people between the look at them and the lock on them."""


def take_people(into: Into, staged: Staged, taken: Taken, tell: Tell) -> None:
    """Take all people who can be taken, with their photos and faces. Raises ExportError."""
    total = staged.count("people")
    done = 0
    for some in clusters(staged):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _take(into, staged, some, taken)
                break
            except (_Changed, IntegrityError) as error:
                if attempt == ATTEMPTS:
                    raise ExportError(
                        "Others change the same people all the time. Run the same command again: it goes on."
                    ) from error
        done += sum(len(cluster.people) for cluster in some)
        tell("People", total, done)


def _take(into: Into, staged: Staged, some: Sequence[Cluster], taken: Taken) -> None:
    session, organization, store = into.session, into.organization, into.store
    planned = match(session, organization, some)
    end_reading(session)  # photos are stored next, which can take long
    with store.arriving():
        keys: dict[int, str] = {}
        try:
            with store.together():
                for found in planned:
                    for photo in found.photos:
                        keys[photo.id] = _store_photo(staged, organization, store, photo)
            with staged.all_or_nothing(), writing(session):
                lock_face_model(session, into.face_model.id)
                if match(session, organization, some, hold=True) != planned:
                    raise _Changed
                added = insert_matched(into, staged, list(zip(some, planned, strict=True)), keys)
        except BaseException:
            for key in keys.values():
                store.delete(key)
            raise
    for cluster, found in zip(some, planned, strict=True):
        taken.people += 0 if found.here or found.left_out else len(cluster.people)
        taken.photos += len(found.photos)
        taken.not_taken += found.not_taken
    taken.queued += sum(state == WorkState.QUEUED for state in added)


def _store_photo(staged: Staged, organization: Organization, store: PhotoStore, photo: fmt.PhotoRow) -> str:
    """Put a photo with the pictures made of it into the store; returns its key."""
    content = staged.export.photo(photo.sha256, photo.size_bytes)
    pictures = {rendition: staged.export.rendition(photo.id, rendition) for rendition in fmt.RENDITIONS}
    key = store.receive(organization.id, io.BytesIO(content), MAX_PHOTO_BYTES).key
    for rendition, picture in pictures.items():
        if picture is not None:
            store.write(key, rendition, picture)
    return key
