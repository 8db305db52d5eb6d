"""Searches by photo."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from io import BytesIO

from flask import Blueprint, abort, url_for

from portal.api.access import current_actor, current_organization
from portal.api.contract import operation
from portal.api.forms import received
from portal.api.problems import Problem
from portal.api.schemas import WaitQuery
from portal.api.searches.schemas import (
    MOST_IMAGES,
    OneSearchFields,
    Search,
    SearchBatchForm,
    Searches,
    SearchFields,
    SearchForm,
)
from portal.api.templates import SentTemplate, probe_of
from portal.batches.services import find_batch
from portal.calibration.bands import UNCALIBRATED
from portal.calibration.services import meaning_for_search
from portal.extensions import db
from portal.http.bodies import accepts_upload
from portal.http.uploads import removed_if_refused
from portal.keys.models import Scope
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.photos.services import Upload
from portal.search import services
from portal.search.models import Search as SearchRow
from portal.search.restriction import Restriction, RestrictionError, ids_of
from portal.search.services import Wanted
from portal.storage import photo_store
from portal.waiting import search_done, wait
from portal.work.models import UNFINISHED

blueprint = Blueprint("api_searches", __name__, url_prefix="/api/v1/searches")


def _begun(search_id: int, query: WaitQuery) -> tuple[Search, int, dict[str, str]]:
    """A search when it is done, or after the seconds that are waited."""
    done = _wait([search_id], query.wait)
    where = {"Location": url_for("api_searches.get_search", search_id=search_id)}
    return _answer(_search(search_id)), 200 if done else 202, where


@blueprint.post("")
@accepts_upload(streamed=True)
@operation(Scope.READ, "searches", {200: Search, 202: Search}, query=WaitQuery, form=SearchForm, again=_begun)
def create_search(query: WaitQuery) -> tuple[Search, int, dict[str, str]]:
    """Search for the main face of a photo, or all; 200 if it is done within `wait`, else 202."""
    with received(
        photo_store(), current_organization(), {"image": 1}, OneSearchFields, optional=True
    ) as form:
        photos, sent = form.photos.get("image", []), form.fields
        probe = probe_of(photos, "image", sent.template, "template", sent.face_model)
        if isinstance(probe, SentTemplate):
            search = _template_search(probe, sent)
        else:
            (search,) = _searches([probe], sent)
    return _begun(search.id, query)


@blueprint.post("/batch")
@accepts_upload(MOST_IMAGES * MAX_PHOTO_BYTES, streamed=True)
@operation(Scope.READ, "searches", {200: Searches, 202: Searches}, query=WaitQuery, form=SearchBatchForm)
def create_searches(query: WaitQuery) -> tuple[Searches, int]:
    """Search for several photos, a search each. Answers 200 if all are done within `wait`, else 202."""
    with received(photo_store(), current_organization(), {"images": MOST_IMAGES}, SearchFields) as form:
        search_ids = [search.id for search in _searches(form.photos["images"], form.fields)]
    done = _wait(search_ids, query.wait)
    return Searches(items=[_answer(_search(search_id)) for search_id in search_ids]), 200 if done else 202


@blueprint.get("/<int:search_id>")
@operation(Scope.READ, "searches", {200: Search})
def get_search(search_id: int) -> Search:
    """A search and what it found."""
    search = _search(search_id)
    if search.state not in UNFINISHED:
        services.record_view(db.session(), current_organization(), current_actor(), search)
    return _answer(search)


def _searches(photos: Sequence[Upload], fields: SearchFields) -> list[SearchRow]:
    wanted = _wanted(fields)
    return services.create_searches(db.session(), current_organization(), current_actor(), photos, wanted)


def _template_search(template: SentTemplate, fields: SearchFields) -> SearchRow:
    organization, store = current_organization(), photo_store()
    uploads: list[Upload] = []

    def receive() -> None:
        uploads.append(
            Upload(
                store.receive(organization.id, BytesIO(template.content), len(template.content)), "template"
            )
        )

    with removed_if_refused(store, uploads, receive):
        return services.create_template_search(
            db.session(),
            organization,
            current_actor(),
            uploads[0],
            template.content,
            template.face_model_id,
            _wanted(fields),
        )


def _wanted(fields: SearchFields) -> Wanted:
    batch_id = fields.restrict_to_batch
    if batch_id is not None and find_batch(db.session(), current_organization(), batch_id) is None:
        words = f"There is no batch with the ID {batch_id}."
        raise Problem.of_field("restrict_to_batch", words)
    try:
        person_ids = ids_of(db.session(), current_organization(), fields.restrict_to)
    except RestrictionError as error:
        raise Problem.of_field("restrict_to", str(error)) from error
    restriction = Restriction(person_ids or None, batch_id)
    return Wanted(fields.limit, fields.min_score, fields.all_faces, restriction)


def _wait(search_ids: Sequence[int], seconds: float) -> bool:
    """Wait until all are done; whether they are."""
    until = time.monotonic() + seconds

    session = db.session()
    ended = partial(services.has_ended, session, current_organization())
    return all(
        wait(session, search_done(search_id), until - time.monotonic(), partial(ended, search_id))
        for search_id in search_ids
    )


def _answer(search: SearchRow) -> Search:
    main = next((face for face in search.faces if face.id == search.face_id), None)
    bands = UNCALIBRATED
    if main is not None and main.threshold is not None:
        bands = meaning_for_search(db.session(), current_organization(), main.threshold).bands
    return Search.of(search, bands)


def _search(search_id: int) -> SearchRow:
    search = services.find_search(db.session(), current_organization(), search_id)
    return search or abort(404, "There is no search with this ID, or its time has passed.")
