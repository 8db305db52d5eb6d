"""Searches by photo."""

from __future__ import annotations

from flask import Blueprint, abort, url_for

from portal.api.access import current_actor, current_organization
from portal.api.contract import operation
from portal.api.forms import received
from portal.api.problems import FieldError, Problem
from portal.api.schemas import WaitQuery
from portal.api.searches.schemas import Search, SearchForm
from portal.calibration.bands import UNCALIBRATED
from portal.calibration.services import meaning_for_search
from portal.extensions import db
from portal.http.security import accepts_upload
from portal.keys.models import Scope
from portal.search import services
from portal.search.models import Search as SearchRow
from portal.storage import photo_store
from portal.waiting import search_done, wait
from portal.work.models import UNFINISHED

blueprint = Blueprint("api_searches", __name__, url_prefix="/api/v1/searches")


@blueprint.post("")
@accepts_upload(streamed=True)
@operation(Scope.READ, "searches", {200: Search, 202: Search}, query=WaitQuery, form=SearchForm)
def create_search(query: WaitQuery) -> tuple[Search, int, dict[str, str]]:
    """Search for the main face of a photo. Answers 200 if the result is there within `wait`, else 202."""
    session, organization = db.session(), current_organization()
    with received(photo_store(), organization, "image", 1, ("limit",)) as form:
        limit = _limit(form.fields.get("limit"))
        search_id = services.create_search(session, organization, current_actor(), form.photos[0], limit).id

    def is_done() -> bool:
        session.rollback()
        return _search(search_id).state not in UNFINISHED

    done = wait(search_done(search_id), query.wait, is_done)
    where = {"Location": url_for("api_searches.get_search", search_id=search_id)}
    return _answer(_search(search_id)), 200 if done else 202, where


@blueprint.get("/<int:search_id>")
@operation(Scope.READ, "searches", {200: Search})
def get_search(search_id: int) -> Search:
    """A search and what it found."""
    search = _search(search_id)
    if search.state not in UNFINISHED:
        services.record_view(db.session(), current_organization(), current_actor(), search)
    return _answer(search)


def _answer(search: SearchRow) -> Search:
    main = next((face for face in search.faces if face.id == search.face_id), None)
    bands = UNCALIBRATED
    if main is not None and main.threshold is not None:
        bands = meaning_for_search(db.session(), current_organization(), main.threshold).bands
    return Search.of(search, bands)


def _limit(text: str | None) -> int:
    if text is None:
        return services.LIMIT
    if len(text) <= 3 and text.isascii() and text.isdigit() and 1 <= int(text) <= services.MOST_CANDIDATES:
        return int(text)
    words = f"limit is a number from 1 to {services.MOST_CANDIDATES}."
    raise Problem(422, words, [FieldError(field="limit", message=words)])


def _search(search_id: int) -> SearchRow:
    search = services.find_search(db.session(), current_organization(), search_id)
    return search or abort(404, "There is no search with this ID, or its time has passed.")
