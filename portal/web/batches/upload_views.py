"""What the script of the upload page asks for: readings of names, and files one after the other."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.batches import announcing, manifest_rows, receiving_archives, services
from portal.batches.announcing import AnnouncedItem, DroppedFile
from portal.batches.columns import Column, columns_of
from portal.batches.list_lines import ManifestError
from portal.batches.manifest import MAX_MANIFEST_BYTES, read_manifest
from portal.batches.models import BatchArchive
from portal.batches.naming import normal_path
from portal.batches.opening import BatchError
from portal.batches.reading import read_manifest_head, read_names
from portal.batches.reasons import words_of
from portal.batches.receiving import receive
from portal.batches.spreadsheets import BEGINNINGS, MAX_SPREADSHEET_BYTES
from portal.database import LARGEST_NUMBER
from portal.extensions import db
from portal.http.arrivals import stored_arrivals
from portal.http.bodies import accepts_upload
from portal.http.uploads import CHUNK_BYTES, form_parts
from portal.storage import photo_store
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.batches.views import chosen_in, find, known_of, refused

MIB = 1024**2
MANIFEST_HEAD_BYTES = 64 * 1024
MOST_SAMPLED_PATHS = 1000
MOST_LEFT_OUT = 1_000_000_000

blueprint = Blueprint("batch_uploads", __name__)
blueprint.register_error_handler(BatchError, refused)
blueprint.register_error_handler(ManifestError, refused)


@blueprint.post("/enrol/reading")
@accepts_upload(MAX_SPREADSHEET_BYTES + MIB)
@requires(Permission.ENROL)
def reading() -> ResponseReturnValue:
    """How the names of what was dropped would be read: a part of the page."""
    grouping, label = chosen_in(request.form)
    head = request.files.get("manifest")
    if head is not None:
        content = head.stream.read(MANIFEST_HEAD_BYTES)
        cut = len(content) == MANIFEST_HEAD_BYTES
        if content.startswith(BEGINNINGS):
            # A spreadsheet can't be read from its beginning alone.
            content, cut = content + head.stream.read(), False
        chosen = _columns(request.form.get("columns", ""))
        read = read_manifest_head(db.session(), current_organization(), content, cut, chosen)
    else:
        paths = [normal_path(path) for path in _json(request.form.get("paths", "[]"), str)]
        if len(paths) > MOST_SAMPLED_PATHS:
            abort(400)
        read = read_names(db.session(), current_organization(), paths, grouping, label)
    return render_template(
        "batches/_reading.html", reading=read, known=known_of(request.form), uses=list(Column)
    )


@blueprint.post("/enrol/start")
@requires(Permission.ENROL)
def start() -> ResponseReturnValue:
    """Begin a batch, whose files are announced and sent next."""
    grouping, label = chosen_in(request.form)
    batch = services.start_batch(
        db.session(),
        current_organization(),
        current_actor(),
        grouping=grouping,
        label=label,
        known=known_of(request.form),
        source="from a browser",
    )
    return {"batch": batch.id, "url": url_for("batches.show", batch_id=batch.id)}


@blueprint.post("/enrol/<int:batch_id>/manifest")
@accepts_upload(MAX_MANIFEST_BYTES, streamed=True)
@requires(Permission.ENROL)
def manifest(batch_id: int) -> ResponseReturnValue:
    """Take the list of who is on which photo."""
    batch = find(batch_id)
    fields = {"columns": "", "folder": ""}
    with photo_store().temporary_file() as file:
        for part in form_parts(request):
            if part.name in fields:
                fields[part.name] = part.text()
            while part.name == "manifest" and (chunk := part.read(CHUNK_BYTES)):
                file.write(chunk)
        file.seek(0)
        read = read_manifest(file, _columns(fields["columns"]))
        folder = normal_path(fields["folder"])
        rows = manifest_rows.add_manifest(db.session(), batch, read, folder=folder)
    return {"rows": rows}


@blueprint.post("/enrol/<int:batch_id>/files")
@accepts_upload(MIB)
@requires(Permission.ENROL)
def files(batch_id: int) -> ResponseReturnValue:
    """Learn which files are about to come, and say which of them are wanted."""
    batch = find(batch_id)
    listed = _json(request.get_data(as_text=True), dict, "files")
    if len(listed) > announcing.AT_ONCE:
        abort(413)
    dropped = []
    for one in listed:
        path, size = one.get("path"), one.get("size")
        if not isinstance(path, str) or not isinstance(size, int) or not normal_path(path):
            abort(400)
        if not 0 <= size <= LARGEST_NUMBER:
            abort(400)
        dropped.append(DroppedFile(normal_path(path), size))
    items = announcing.announce(db.session(), batch, dropped)
    return {"files": [{**_item(item), "sha256": item.sha256} for item in items]}


@blueprint.post("/enrol/<int:batch_id>/announced")
@requires(Permission.ENROL)
def announced(batch_id: int) -> ResponseReturnValue:
    """Learn that the names of all files are known."""
    left_out = min(max(request.form.get("left_out", 0, int), 0), MOST_LEFT_OUT)
    announcing.announce_all(db.session(), find(batch_id), left_out)
    return {}


@blueprint.post("/enrol/<int:batch_id>/photos")
@accepts_upload(streamed=True)
@requires(Permission.ENROL)
def photos(batch_id: int) -> ResponseReturnValue:
    """Take some of the files, each under the number of its item; all or none of them."""
    batch, store = find(batch_id), photo_store()
    arrivals = stored_arrivals(request, batch, store)
    return {"photos": [_item(item) for item in receive(db.session(), batch, arrivals, store)]}


@blueprint.post("/enrol/<int:batch_id>/archives")
@requires(Permission.ENROL)
def archives(batch_id: int) -> ResponseReturnValue:
    """Learn of a ZIP that is about to come in pieces, or goes on."""
    batch = find(batch_id)
    name, size = normal_path(request.form.get("name", "")), request.form.get("size", 0, int)
    archive = receiving_archives.begin_archive(db.session(), batch, name or "archive.zip", size)
    received_bytes = receiving_archives.resume_archive(db.session(), batch, archive, photo_store())
    return {"id": archive.id, "received_bytes": received_bytes}


@blueprint.post("/enrol/<int:batch_id>/archives/<int:archive_id>")
@accepts_upload(16 * MIB, streamed=True)
@requires(Permission.ENROL)
def archive_piece(batch_id: int, archive_id: int) -> ResponseReturnValue:
    """Take a piece of a ZIP; one that does not begin where the others end is not taken."""
    batch, offset = find(batch_id), request.args.get("offset", -1, int)
    archive: BatchArchive = receiving_archives.find_archive(db.session(), batch, archive_id) or abort(404)
    session, store = db.session(), photo_store()
    before = receiving_archives.resume_archive(session, batch, archive, store)
    size = receiving_archives.receive_piece(session, batch, archive, offset, request.stream, store)
    return {"received_bytes": size}, 200 if offset == before else 409


def _columns(text: str) -> list[Column] | None:
    """What staff chose the columns to be; 400 for nonsense."""
    try:
        return columns_of(text)
    except ValueError:
        abort(400)


def _json(text: str, kind: type, name: str = "") -> list[Any]:
    """The list in a JSON text, or under a name in it, of things of one kind; 400 if it is none."""
    try:
        found = json.loads(text)
        listed = found[name] if name else found
    except (ValueError, KeyError, TypeError, RecursionError):
        abort(400)
    if not isinstance(listed, list) or not all(isinstance(one, kind) for one in listed):
        abort(400)
    return listed


def _item(item: AnnouncedItem) -> dict[str, Any]:
    problem = " ".join(words_of(item.reason)) if item.reason and item.state == "attention" else None
    return {"id": item.id, "state": item.state, "problem": problem}
