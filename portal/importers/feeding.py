"""Photos of other systems go the way of all bulk enrolment: a batch that knows who is on which photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.batches.announcing import DroppedFile
from portal.batches.importing import Opened, SourcePhoto, UnreadablePhoto, hand_over
from portal.batches.manifest import ManifestRow
from portal.batches.manifest_rows import add_manifest
from portal.batches.models import Batch, KnownPeople
from portal.batches.reasons import words_of
from portal.batches.services import find_unfinished, items_needing_attention, start_batch
from portal.organizations.models import Organization
from portal.people.services import PersonError, clean_external_id
from portal.storage import PhotoStore
from portal.transfer.report import NotTaken

SAME_BUT_FOR_SPACES = "Another person of the source has this external ID, but for spaces."


class ImportFailed(ValueError):
    """Why nothing can be taken from another system, in words for staff."""


@dataclass(frozen=True)
class ForeignPhoto:
    """A photo in another system, and who is on it.

    path: unlike that of all others. open: may raise UnreadablePhoto, and then `reason` says why.
    """

    path: str
    external_id: str
    name: str
    open: Callable[[], Opened]


@dataclass(frozen=True)
class Foreign:
    """All that another system has: its photos, and what can't be taken, with the reasons.

    words: what the batch calls it; an interrupted batch from the same source goes on.
    """

    words: str
    photos: Sequence[ForeignPhoto]
    not_taken: Sequence[NotTaken]


def feed(
    session: Session,
    organization: Organization,
    actor: Actor,
    foreign: Foreign,
    known: KnownPeople,
    store: PhotoStore,
    tell: Callable[[int, int], None],
    not_taken: list[NotTaken],
) -> Batch:
    """Hand the photos of another system over to the workers; what an earlier import did is not done again.

    `not_taken` gets what can't be read. Raises ImportFailed if there is no photo, and BatchError.
    """
    photos = _told_apart(foreign.photos, not_taken)
    not_taken += foreign.not_taken
    if not photos:
        raise ImportFailed(_nothing(foreign, not_taken))
    batch = find_unfinished(session, organization, foreign.words)
    if batch is None:
        batch = start_batch(
            session, organization, actor, grouping=None, label=None, known=known, source=foreign.words
        )
    if not batch.has_manifest:
        rows = (
            ManifestRow(line, photo.external_id, photo.name, (photo.path,))
            for line, photo in enumerate(photos, 1)
        )
        add_manifest(session, batch, rows, typed=False)
    sources = [SourcePhoto(DroppedFile(photo.path, 0), _noting(photo, not_taken)) for photo in photos]
    hand_over(session, batch, sources, store, tell)
    return batch


def attention(session: Session, batch: Batch, not_taken: Sequence[NotTaken]) -> list[NotTaken]:
    """The photos of a batch that need attention, as rows of the report, but for those that it has already."""
    known = {row.detail for row in not_taken if row.what == "photo"}
    return [
        NotTaken("photo", words_of(item.reason)[0], item.external_id, item.name, item.detail or item.path)
        for item in items_needing_attention(session, batch)
        if item.path not in known
    ]


def _told_apart(photos: Sequence[ForeignPhoto], not_taken: list[NotTaken]) -> list[ForeignPhoto]:
    """The photos, without those of people whom only spaces tell from others: they are not made one."""
    whose: dict[str, str] = {}
    kept = []
    for photo in photos:
        try:
            cleaned = clean_external_id(photo.external_id)
        except PersonError:
            cleaned = photo.external_id  # the batch says what is wrong with it
        if whose.setdefault(cleaned, photo.external_id) == photo.external_id:
            kept.append(photo)
        else:
            not_taken.append(
                NotTaken("photo", SAME_BUT_FOR_SPACES, photo.external_id, photo.name, photo.path)
            )
    return kept


def _noting(photo: ForeignPhoto, not_taken: list[NotTaken]) -> Callable[[], Opened]:
    """Open a photo, and write down why if that is not possible."""

    def opened() -> Opened:
        try:
            return photo.open()
        except UnreadablePhoto as error:
            not_taken.append(NotTaken("photo", str(error), photo.external_id, photo.name, photo.path))
            raise

    return opened


def _nothing(foreign: Foreign, not_taken: Sequence[NotTaken]) -> str:
    if not not_taken:
        return f"There is no photo {foreign.words}."
    return f"There is no photo {foreign.words} that can be taken: {not_taken[0].reason}"
