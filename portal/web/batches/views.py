"""Pages of bulk enrolment: what is dropped, how far it is, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError

from portal.accounts.roles import Permission
from portal.batches import correcting, services
from portal.batches.list_lines import ManifestError
from portal.batches.models import Batch, BatchItem, Decision, ItemState, KnownPeople
from portal.batches.naming import Grouping, Label
from portal.batches.opening import BatchError, NotOpen
from portal.batches.progress import Status, archives_of, count_items, progress_of, status_of
from portal.batches.reasons import ItemReason, words_of
from portal.batches.receiving_archives import MAX_ARCHIVE_BYTES, choose_encoding, find_archive
from portal.batches.zip_names import ENCODINGS
from portal.csv_cells import csv_lines, safe_cell
from portal.enrolment.one_person import confirm_one_person
from portal.extensions import csrf, db
from portal.http.bodies import accepts_upload
from portal.http.uploads import form_parts, stored_uploads
from portal.paging import CursorError
from portal.photos.reasons import Reason
from portal.photos.services import PhotoError
from portal.removal.telling_apart import tell_apart
from portal.storage import photo_store
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.batches.whole_form import WholeForm

blueprint = Blueprint("batches", __name__)

# What the page calls the lists of items, in the order in which it shows them.
LISTS = (
    ItemState.ATTENTION,
    ItemState.ENROLLED,
    ItemState.ADDED,
    ItemState.ALREADY_THERE,
    ItemState.EXPECTED,
)
MOST_FIELDS = 20
# A form's choice that leaves the reading of names to the portal.
AUTO = "auto"
STATUS_OF = {
    Decision.PAUSE: Status.PAUSED,
    Decision.CANCEL: Status.CANCELLED,
    Decision.UNDO: Status.UNDONE,
}


@blueprint.errorhandler(BatchError)
@blueprint.errorhandler(ManifestError)
def refused(error: BatchError | ManifestError) -> ResponseReturnValue:
    """What can't be done, as JSON for a script and on the page for a person."""
    if request.accept_mimetypes.best == "application/json":
        if isinstance(error, NotOpen):
            return {"error": str(error), "status": STATUS_OF[error.decision]}, 409
        return {"error": str(error)}, 422
    flash(str(error), "warning")
    batch_id = (request.view_args or {}).get("batch_id")
    page = url_for("batches.show", batch_id=batch_id) if batch_id else url_for("batches.index")
    return redirect(page)


@blueprint.get("/enrol")
@requires(Permission.ENROL)
def index() -> ResponseReturnValue:
    """Where many photos are dropped, and the batches there were."""
    try:
        page = services.list_batches(db.session(), current_organization(), request.args.get("cursor"))
    except CursorError:
        return redirect(url_for("batches.index"))
    lines = []
    for batch in page.items:
        counts = count_items(db.session(), batch)
        lines.append((batch, counts, status_of(batch, counts, archives_of(db.session(), batch))))
    return render_template("batches/index.html", page=page, lines=lines)


@blueprint.post("/enrol")
@accepts_upload(MAX_ARCHIVE_BYTES, streamed=True)
@requires(Permission.ENROL)
def create() -> ResponseReturnValue:
    """Begin a batch with everything in one form, as it comes without a script."""
    fields: dict[str, str] = {}
    with WholeForm(current_organization(), photo_store()) as form:
        with form.storing():
            for part in form_parts(request):
                if part.file_name is None and len(fields) < MOST_FIELDS:
                    fields[part.name] = part.text()
                elif part.file_name is None:
                    abort(400)
                else:
                    _check_token(fields)
                    form.take(part)
        _check_token(fields)
        grouping, label = chosen_in(fields)
        batch = form.begin(
            db.session(),
            current_actor(),
            grouping=grouping,
            label=label,
            known=known_of(fields),
            source="from a browser",
        )
    flash("Everything has arrived and is being enrolled now. You may leave this page.", "success")
    return redirect(url_for("batches.show", batch_id=batch.id))


# The token is in the form, which the view itself reads, piece by piece.
csrf.exempt(create)


@blueprint.get("/enrol/<int:batch_id>")
@requires(Permission.ENROL)
def show(batch_id: int) -> ResponseReturnValue:
    """A batch: how far it is, and its photos by outcome."""
    batch = find(batch_id)
    services.record_view(db.session(), current_actor(), batch)
    try:
        return render_template("batches/show.html", **_progress(batch), **_items(batch))
    except CursorError:
        return redirect(url_for("batches.show", batch_id=batch_id))


@blueprint.get("/enrol/<int:batch_id>/progress")
@requires(Permission.ENROL)
def progress(batch_id: int) -> ResponseReturnValue:
    """The part of a batch's page that is polled while something moves."""
    return render_template("batches/_progress.html", **_progress(find(batch_id)))


@blueprint.get("/enrol/<int:batch_id>/attention.csv")
@requires(Permission.ENROL)
def attention(batch_id: int) -> ResponseReturnValue:
    """What needs attention, as a manifest that can be corrected and dropped again."""
    batch = find(batch_id)
    services.record_report(db.session(), current_actor(), batch)
    headers = {"Content-Disposition": f'attachment; filename="batch-{batch.id}-attention.csv"'}
    lines = stream_with_context(_attention_lines(batch))
    return Response(lines, content_type="text/csv; charset=utf-8", headers=headers)


@blueprint.post("/enrol/<int:batch_id>/pause")
@requires(Permission.ENROL)
def pause(batch_id: int) -> ResponseReturnValue:
    """Leave a batch alone for now."""
    services.pause(db.session(), current_actor(), find(batch_id))
    return _back(batch_id, "The batch is paused. The few photos being processed are finished first.")


@blueprint.post("/enrol/<int:batch_id>/resume")
@requires(Permission.ENROL)
def resume(batch_id: int) -> ResponseReturnValue:
    """Go on with a batch."""
    services.resume(db.session(), current_actor(), find(batch_id))
    return _back(batch_id, "The batch goes on.")


@blueprint.post("/enrol/<int:batch_id>/cancel")
@requires(Permission.ENROL)
def cancel(batch_id: int) -> ResponseReturnValue:
    """End a batch where it is."""
    services.cancel(db.session(), current_actor(), find(batch_id), photo_store())
    return _back(batch_id, "The batch is cancelled. What was enrolled stays.")


@blueprint.post("/enrol/<int:batch_id>/finish")
@requires(Permission.ENROL)
def finish(batch_id: int) -> ResponseReturnValue:
    """Stop waiting for files that did not come."""
    services.finish_without_missing(db.session(), current_actor(), find(batch_id), photo_store())
    return _back(batch_id, "The batch no longer waits for files. What is missing is listed below.")


@blueprint.post("/enrol/<int:batch_id>/undo")
@requires(Permission.ENROL)
def undo(batch_id: int) -> ResponseReturnValue:
    """Have everything that a batch brought removed."""
    services.undo(db.session(), current_actor(), find(batch_id), photo_store())
    return _back(batch_id, "The batch is being undone.")


@blueprint.post("/enrol/<int:batch_id>/retry")
@requires(Permission.ENROL)
def retry(batch_id: int) -> ResponseReturnValue:
    """Retry photos that need attention: all, those with one reason, or one."""
    batch, item_id = find(batch_id), request.form.get("item_id", 0, int)
    item = _item(batch, item_id) if item_id else None
    count = correcting.retry(
        db.session(), current_actor(), batch, reason=request.form.get("reason", ""), item=item
    )
    words = {0: "Nothing can be retried as it is.", 1: "One photo is being retried."}
    return _back(batch_id, words.get(count, f"{count:,} photos are being retried."), "attention")


@blueprint.post("/enrol/<int:batch_id>/archives/<int:archive_id>/encoding")
@requires(Permission.ENROL)
def encoding(batch_id: int, archive_id: int) -> ResponseReturnValue:
    """Say what the names in a ZIP are written in."""
    batch = find(batch_id)
    archive = find_archive(db.session(), batch, archive_id) or abort(404)
    choose_encoding(db.session(), current_actor(), batch, archive, request.form.get("encoding", ""))
    return _back(batch_id, "The names are read so, and the photos are being enrolled.")


@blueprint.post("/enrol/<int:batch_id>/people/<int:person_id>/one")
@requires(Permission.ENROL)
def one_person(batch_id: int, person_id: int) -> ResponseReturnValue:
    """Say that photos which were held up as unlike show one person."""
    count = confirm_one_person(db.session(), current_actor(), find(batch_id), person_id)
    return _back(batch_id, f"{_photos(count)} being enrolled as one person.", "attention")


@blueprint.post("/enrol/<int:batch_id>/people/<int:person_id>/apart")
@requires(Permission.ENROL)
def apart(batch_id: int, person_id: int) -> ResponseReturnValue:
    """Say that the photos under one name are of several people: one file a person."""
    count = tell_apart(db.session(), current_organization(), current_actor(), find(batch_id), person_id)
    return _back(batch_id, f"{_photos(count)} being enrolled under the names of their files.", "attention")


@blueprint.post("/enrol/<int:batch_id>/items/<int:item_id>/replace")
@accepts_upload()
@requires(Permission.ENROL)
def replace(batch_id: int, item_id: int) -> ResponseReturnValue:
    """Give a photo's place to another one."""
    batch, organization = find(batch_id), current_organization()
    item = _item(batch, item_id)
    try:
        with stored_uploads(photo_store(), organization, request.files.getlist("photo")[:1]) as uploads:
            if not uploads:
                raise BatchError("Choose a photo.")
            correcting.replace(
                db.session(), organization, current_actor(), batch, item, uploads[0], photo_store()
            )
    except PhotoError as error:
        raise BatchError(str(error)) from error
    return _back(batch_id, "The photo is replaced and being processed.", "attention")


@blueprint.post("/enrol/<int:batch_id>/items/<int:item_id>/checked")
@requires(Permission.ENROL)
def checked(batch_id: int, item_id: int) -> ResponseReturnValue:
    """Take a photo with several faces off the list of those to check."""
    batch = find(batch_id)
    correcting.mark_checked(db.session(), current_actor(), batch, _item(batch, item_id))
    return redirect(request.referrer or url_for("batches.show", batch_id=batch_id))


def find(batch_id: int) -> Batch:
    """A batch of the current organization; 404 if there is none."""
    return services.find_batch(db.session(), current_organization(), batch_id) or abort(404)


def chosen_in(fields: Any) -> tuple[Grouping | None, Label | None]:
    """How names are to be read, as a form says it; None: guessed from the names."""
    grouping, label = fields.get("grouping", AUTO), fields.get("label", AUTO)
    if grouping not in {AUTO, *Grouping} or label not in {AUTO, *Label}:
        abort(400)
    return None if grouping == AUTO else Grouping(grouping), None if label == AUTO else Label(label)


def known_of(fields: Any) -> KnownPeople:
    """What to do with people who are enrolled already, as a form says it."""
    known = fields.get("known", KnownPeople.ADD)
    return KnownPeople(known) if known in set(KnownPeople) else abort(400)


def _check_token(fields: dict[str, str]) -> None:
    try:
        validate_csrf(fields.get("csrf_token"))
    except ValidationError:
        abort(400)


def _item(batch: Batch, item_id: int) -> BatchItem:
    item = services.find_item(db.session(), current_organization(), item_id)
    return item if item is not None and item.batch_id == batch.id else abort(404)


def _progress(batch: Batch) -> dict[str, Any]:
    """What the polled part shows, for the first paint and every poll alike."""
    progress = progress_of(db.session(), batch)
    return {
        "batch": batch,
        "progress": progress,
        "counts": progress.counts,
        "lists": LISTS,
        "encodings": ENCODINGS,
    }


def _items(batch: Batch) -> dict[str, Any]:
    asked = request.args.get("show", "")
    reason = request.args.get("reason", "")
    if asked not in set(ItemState):
        asked, reason = ItemState.ATTENTION, ""
    if reason not in {"", *ItemReason, *Reason}:
        abort(404)
    page = services.list_items(
        db.session(), batch, ItemState(asked), reason, request.args.get("cursor") or None
    )
    return {
        "page": page,
        "people": services.people_of(db.session(), page.items),
        "photos": services.photos_of(db.session(), page.items),
        "shown": ItemState(asked),
        "reason": reason,
        "to_check": ItemReason.SEVERAL_FACES,
        "unlike": Reason.UNLIKE_OTHERS,
    }


def _attention_lines(batch: Batch) -> Iterator[str]:
    columns = ("external_id", "name", "photo", "problem", "what_to_do")
    return csv_lines(
        columns, (_attention_cells(item) for item in services.items_needing_attention(db.session(), batch))
    )


def _attention_cells(item: BatchItem) -> list[str]:
    what, then = words_of(item.reason)
    cells = (item.external_id, item.name, item.path, f"{what} {item.detail}".strip(), then)
    return [safe_cell(cell) for cell in cells]


def _photos(count: int) -> str:
    return "One photo is" if count == 1 else f"{count:,} photos are"


def _back(batch_id: int, words: str, shown: str | None = None) -> ResponseReturnValue:
    flash(words, "success")
    return redirect(url_for("batches.show", batch_id=batch_id, show=shown))
