"""Bulk enrolment: photos are announced, sent, and followed."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response, abort, request, url_for

from portal.api.access import current_actor, current_organization, refuse_revoked_key
from portal.api.batches.schemas import (
    Announced,
    AnnouncedFiles,
    ArchiveProgress,
    Batch,
    BatchDecision,
    Batches,
    BatchInList,
    BatchPhotosForm,
    Choice,
    Files,
    Item,
    Items,
    ItemsQuery,
    ManifestForm,
    ManifestRows,
    NewArchive,
    NewBatch,
    PieceForm,
    PieceQuery,
)
from portal.api.contract import operation
from portal.api.cursors import bound, unbound
from portal.api.problems import Problem, ProblemDetails, answer
from portal.api.schemas import CursorQuery
from portal.batches import announcing, correcting, manifest_rows, receiving_archives, services
from portal.batches.announcing import DroppedFile
from portal.batches.columns import Column, columns_of
from portal.batches.list_lines import ManifestError
from portal.batches.manifest import MAX_MANIFEST_BYTES, read_manifest
from portal.batches.models import Batch as BatchRow
from portal.batches.naming import normal_path
from portal.batches.opening import BatchError, NotOpen
from portal.batches.progress import progress_of
from portal.batches.receiving import Arrival, receive
from portal.extensions import db
from portal.http.arrivals import discard, stored_arrivals
from portal.http.bodies import accepts_upload
from portal.http.uploads import CHUNK_BYTES, form_parts
from portal.keys.models import Scope
from portal.storage import photo_store

blueprint = Blueprint("api_batches", __name__, url_prefix="/api/v1/batches")

MIB = 1024**2


def refused(error: BatchError | ManifestError) -> Response:
    """What can't be done with a batch: 409 if it takes nothing at the moment."""
    return answer(Problem(409 if isinstance(error, NotOpen) else 422, str(error)))


blueprint.register_error_handler(BatchError, refused)
blueprint.register_error_handler(ManifestError, refused)


def _present(batch_id: int) -> Batch:
    return _answer(_batch(batch_id))


def _started(batch_id: int) -> tuple[Batch, int, dict[str, str]]:
    return _present(batch_id), 201, {"Location": url_for("api_batches.get_batch", batch_id=batch_id)}


@blueprint.get("")
@operation(Scope.ENROL, "batches", {200: Batches}, query=CursorQuery)
def list_batches(query: CursorQuery) -> Batches:
    """List batches, the newest first."""
    page = services.list_batches(db.session(), current_organization(), unbound(query.cursor, {}))
    return Batches(items=[BatchInList.of(batch) for batch in page.items], next_cursor=bound(page.next, {}))


@blueprint.post("")
@operation(Scope.ENROL, "batches", {201: Batch}, json=NewBatch, again=_started)
def start_batch(json: NewBatch) -> tuple[Batch, int, dict[str, str]]:
    """Begin a batch. Its manifest, if there is one, comes first; then photos are announced and sent."""
    batch = services.start_batch(
        db.session(),
        current_organization(),
        current_actor(),
        grouping=json.grouping,
        label=json.label,
        known=json.known,
        source=json.source,
    )
    return _started(batch.id)


@blueprint.get("/<int:batch_id>")
@operation(Scope.ENROL, "batches", {200: Batch})
def get_batch(batch_id: int) -> Batch:
    """A batch and how far it is."""
    return _present(batch_id)


@blueprint.get("/<int:batch_id>/items")
@operation(Scope.ENROL, "batches", {200: Items}, query=ItemsQuery)
def list_batch_items(batch_id: int, query: ItemsQuery) -> Items:
    """List the photos of a batch that are in a state."""
    batch, session = _batch(batch_id), db.session()
    filters = {"batch": batch_id, "state": query.state}
    page = services.list_items(session, batch, query.state, cursor=unbound(query.cursor, filters))
    services.record_view(session, current_actor(), batch)
    return Items(items=[Item.of(item) for item in page.items], next_cursor=bound(page.next, filters))


@blueprint.post("/<int:batch_id>/manifest")
@accepts_upload(MAX_MANIFEST_BYTES, streamed=True)
@operation(Scope.ENROL, "batches", {200: ManifestRows, 409: ProblemDetails}, form=ManifestForm)
def send_manifest(batch_id: int) -> ManifestRows:
    """Send the list of who is on which photo: external_id, name, photo. It comes first."""
    batch, came, columns = _batch(batch_id), False, ""
    with photo_store().temporary_file() as file:
        for part in form_parts(request):
            if part.name == "columns":
                columns = part.text()
                continue
            if part.name != "manifest":
                raise Problem.of_field(part.name, "The manifest comes as manifest.")
            came = True
            while chunk := part.read(CHUNK_BYTES):
                file.write(chunk)
        if not came:
            raise Problem.of_field("manifest", "Send the manifest as manifest.")
        file.seek(0)
        refuse_revoked_key()
        read = read_manifest(file, _columns(columns))
        return ManifestRows(rows=manifest_rows.add_manifest(db.session(), batch, read))


def _columns(text: str) -> list[Column] | None:
    try:
        return columns_of(text)
    except ValueError as error:
        raise Problem.of_field("columns", "A column is one of external_id, name, …, or -.") from error


@blueprint.post("/<int:batch_id>/files")
@accepts_upload(MIB)
@operation(Scope.ENROL, "batches", {200: AnnouncedFiles, 409: ProblemDetails}, json=Files)
def announce_files(batch_id: int, json: Files) -> AnnouncedFiles:
    """Announce photos by their paths. Send those whose state is expected, each under its ID."""
    dropped = []
    for number, file in enumerate(json.files):
        if not (path := normal_path(file.path)):
            raise Problem.of_field(f"files.{number}.path", "This path has no name of a file.")
        dropped.append(DroppedFile(path, file.size_bytes))
    refuse_revoked_key()
    items = announcing.announce(db.session(), _batch(batch_id), dropped)
    return AnnouncedFiles(items=[Announced.of(item) for item in items])


@blueprint.post("/<int:batch_id>/announced")
@operation(Scope.ENROL, "batches", {200: Batch, 409: ProblemDetails})
def end_announcing(batch_id: int) -> Batch:
    """Say that all photos were announced: the batch ends when they are enrolled."""
    announcing.announce_all(db.session(), _batch(batch_id))
    return _present(batch_id)


@blueprint.post("/<int:batch_id>/photos")
@accepts_upload(streamed=True)
@operation(Scope.ENROL, "batches", {200: AnnouncedFiles, 409: ProblemDetails}, form=BatchPhotosForm)
def send_photos(batch_id: int) -> AnnouncedFiles:
    """Send some of the photos, each as a field whose name is its ID; all are taken, or none of them."""
    batch, store = _batch(batch_id), photo_store()
    arrivals = stored_arrivals(request, batch, store)
    try:
        refuse_revoked_key()
        _refuse_unknown(batch, arrivals)
    except Problem:
        discard(arrivals, store)
        raise
    return AnnouncedFiles(
        items=[Announced.of(item) for item in receive(db.session(), batch, arrivals, store)]
    )


@blueprint.post("/<int:batch_id>/archives")
@operation(Scope.ENROL, "batches", {200: ArchiveProgress, 409: ProblemDetails}, json=NewArchive)
def announce_archive(batch_id: int, json: NewArchive) -> ArchiveProgress:
    """Announce a ZIP that comes in pieces, or learn where one that broke off goes on."""
    batch, session = _batch(batch_id), db.session()
    archive = receiving_archives.begin_archive(
        session, batch, normal_path(json.file_name) or "archive.zip", json.size_bytes
    )
    received_bytes = receiving_archives.resume_archive(session, batch, archive, photo_store())
    return ArchiveProgress(id=archive.id, received_bytes=received_bytes)


@blueprint.post("/<int:batch_id>/archives/<int:archive_id>")
@accepts_upload(17 * MIB, streamed=True)
@operation(
    Scope.ENROL,
    "batches",
    {200: ArchiveProgress, 409: ProblemDetails},
    query=PieceQuery,
    form=PieceForm,
)
def send_piece(batch_id: int, archive_id: int, query: PieceQuery) -> ArchiveProgress:
    """Send a piece of a ZIP. 409: it does not begin where the others end, and was not taken."""
    batch, session, store = _batch(batch_id), db.session(), photo_store()
    archive = receiving_archives.find_archive(session, batch, archive_id)
    if archive is None:
        abort(404, "There is no archive with this ID.")
    before = receiving_archives.resume_archive(session, batch, archive, store)
    parts = iter(form_parts(request))
    piece = next(parts, None)
    if piece is None or piece.name != "piece":
        raise Problem.of_field("piece", "Send the piece as piece.")
    refuse_revoked_key()
    size = receiving_archives.receive_piece(session, batch, archive, query.offset, piece, store)
    if query.offset != before:
        raise Problem(409, f"This piece was not taken: the next one begins at {size}.")
    for more in parts:
        words = f"Send one piece at a time: the first was taken, and the next one begins at {size}."
        raise Problem.of_field(more.name, words)
    return ArchiveProgress(id=archive.id, received_bytes=size)


@blueprint.post("/<int:batch_id>/decision")
@operation(Scope.ENROL, "batches", {200: Batch, 409: ProblemDetails}, json=BatchDecision, again=_present)
def decide_batch(batch_id: int, json: BatchDecision) -> Batch:
    """Pause, resume, cancel, finish, retry or undo a batch."""
    batch, session, actor, store = _batch(batch_id), db.session(), current_actor(), photo_store()
    try:
        match json.decision:
            case Choice.PAUSE:
                services.pause(session, actor, batch)
            case Choice.RESUME:
                services.resume(session, actor, batch)
            case Choice.CANCEL:
                services.cancel(session, actor, batch, store)
            case Choice.FINISH:
                services.finish_without_missing(session, actor, batch, store)
            case Choice.RETRY:
                correcting.retry(session, actor, batch)
            case Choice.UNDO:
                services.undo(session, actor, batch, store)
    except BatchError as error:
        raise Problem(409, str(error)) from error
    return _present(batch_id)


def _refuse_unknown(batch: BatchRow, arrivals: Sequence[Arrival]) -> None:
    """All photos are taken, or none of them. Raises Problem."""
    unknown = services.unknown_items(db.session(), batch, {arrival.item_id for arrival in arrivals})
    if unknown:
        raise Problem.of_field(str(unknown[0]), f"This batch has no photo with the ID {unknown[0]}.")


def _batch(batch_id: int) -> BatchRow:
    batch = services.find_batch(db.session(), current_organization(), batch_id)
    return batch or abort(404, "There is no batch with this ID.")


def _answer(batch: BatchRow) -> Batch:
    return Batch.at(progress_of(db.session(), batch))
