"""Batches: announce photos, send them, follow what becomes of them, undo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from portal_client.calls import Call, Form, Listing, without_none
from portal_client.models import AnnouncedFiles, ArchiveProgress, Batch, BatchInList, Item, ManifestRows
from portal_client.reading import model
from portal_client.uploads import Source, upload_of

Choice = Literal["pause", "resume", "cancel", "finish", "retry", "undo"]
Grouping = Literal["folder", "file", "both"]
Label = Literal["external_id", "name", "id_name", "name_id"]
Known = Literal["add", "skip"]
ItemState = Literal[
    "expected", "received", "queued", "enrolled", "added", "already_there", "attention", "undone"
]


def list_batches() -> Listing[BatchInList]:
    """All batches, newest first."""
    return Listing("/batches", BatchInList)


def start_batch(
    source: str, *, grouping: Grouping | None = None, label: Label | None = None, known: Known | None = None
) -> Call[Batch]:
    """Begin a batch, whose photos are announced and sent next.

    source: where the photos come from, for staff. grouping: whether a folder or a file stands for one
    person; label: what its name is; neither where a manifest comes. known: what to do with photos of people
    who are enrolled already.
    """
    fields = {"source": source, "grouping": grouping, "label": label, "known": known}
    return Call("POST", "/batches", model(Batch), json=without_none(fields))


def get_batch(batch_id: int) -> Call[Batch]:
    """A batch and how far it is."""
    return Call("GET", f"/batches/{batch_id}", model(Batch))


def send_manifest(batch_id: int, manifest: Source, *, columns: str | None = None) -> Call[ManifestRows]:
    """Send the list of who is on which photo, as a spreadsheet or CSV, before any photo is announced.

    columns: what its columns are, from left to right, where the header does not say it:
    "external_id,first_name,last_name,photo,-".
    """
    form = Form({"columns": columns}, photos=[("manifest", upload_of(manifest))])
    return Call("POST", f"/batches/{batch_id}/manifest", model(ManifestRows), form=form)


def announce_files(batch_id: int, files: Iterable[tuple[str, int]]) -> Call[AnnouncedFiles]:
    """Announce photos by their paths and sizes in bytes; those that are wanted get the state `expected`."""
    listed = [{"path": path, "size_bytes": size} for path, size in files]
    return Call("POST", f"/batches/{batch_id}/files", model(AnnouncedFiles), json={"files": listed})


def end_announcing(batch_id: int) -> Call[Batch]:
    """Say that all photos are announced."""
    return Call("POST", f"/batches/{batch_id}/announced", model(Batch))


def send_photos(batch_id: int, photos: Mapping[int, Source]) -> Call[AnnouncedFiles]:
    """Send some of the announced photos, by their IDs."""
    form = Form(photos=[(str(number), upload_of(photo)) for number, photo in photos.items()])
    return Call("POST", f"/batches/{batch_id}/photos", model(AnnouncedFiles), form=form)


def announce_archive(batch_id: int, file_name: str, size_bytes: int) -> Call[ArchiveProgress]:
    """Announce a ZIP that is sent in pieces, or go on with one that was interrupted."""
    fields = {"file_name": file_name, "size_bytes": size_bytes}
    return Call("POST", f"/batches/{batch_id}/archives", model(ArchiveProgress), json=fields)


def send_piece(batch_id: int, archive_id: int, piece: Source, *, offset: int) -> Call[ArchiveProgress]:
    """Send a piece of a ZIP, of up to 16 MiB, which begins at `offset`: where the others end."""
    form = Form(photos=[("piece", upload_of(piece))])
    path = f"/batches/{batch_id}/archives/{archive_id}"
    return Call("POST", path, model(ArchiveProgress), {"offset": offset}, form=form)


def list_batch_items(batch_id: int, state: ItemState) -> Listing[Item]:
    """The photos of a batch that are in a state, such as `attention`."""
    return Listing(f"/batches/{batch_id}/items", Item, {"state": state})


def decide_batch(batch_id: int, decision: Choice) -> Call[Batch]:
    """Pause or resume a batch, cancel it, finish it without what did not come, retry, or undo all of it."""
    return Call("POST", f"/batches/{batch_id}/decision", model(Batch), json={"decision": decision})
