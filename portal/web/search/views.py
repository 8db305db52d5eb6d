"""Pages of searches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.calibration import words
from portal.calibration.services import meaning_for_search
from portal.extensions import db
from portal.http.bodies import accepts_upload
from portal.http.pictures import send_picture
from portal.http.uploads import stored_uploads
from portal.paging import CursorError
from portal.photos.services import PhotoError
from portal.search import services
from portal.search.models import Candidate, ProbeFace, Search
from portal.storage import Rendition, photo_store
from portal.waiting import search_done, wait
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.search.forms import SearchForm
from portal.work.models import UNFINISHED

blueprint = Blueprint("search", __name__)

# Longer than almost every search takes; who waits longer sees the page that says so.
PATIENCE_S = 0.8


@dataclass(frozen=True)
class Results:
    """What the result part of a search shows, for the first paint and every poll alike."""

    search: Search
    working: bool
    face: ProbeFace | None
    matches: list[Candidate]
    others: list[Candidate]
    kept_until: datetime

    @property
    def no_match(self) -> tuple[str, str]:
        """What is said where nobody matched, and more of it: of who was left out nothing is known."""
        search, least = self.search, self.search.min_score
        if (
            least is not None
            and self.face
            and self.face.threshold is not None
            and least > self.face.threshold
        ):
            return (
                f"No match from the score {least:.3f} on",
                "Candidates below it were left out, as was asked. One of them may be above the threshold.",
            )
        restricted = search.restrict_to is not None or search.restrict_to_batch_id is not None
        who = "Nobody among those who were compared" if restricted else "Nobody enrolled here"
        return (
            "No match above the threshold",
            f"{who} looks enough like this face. It may still be someone whose photos are poor or old: "
            "look through the candidates below.",
        )


@blueprint.route("/search", methods=["GET", "POST"])
@accepts_upload()
@requires(Permission.SEARCH)
def index() -> ResponseReturnValue:
    """Search by photo, and the searches of the organization."""
    form = SearchForm()
    if request.method == "GET" or not form.validate_on_submit():
        return _index(form, 200 if request.method == "GET" else 422)
    organization = current_organization()
    try:
        with stored_uploads(photo_store(), organization, request.files.getlist("photo")) as uploads:
            if not uploads:
                raise PhotoError("Choose a photo to search for.")
            search = services.create_search(db.session(), organization, current_actor(), uploads[0])
    except PhotoError as error:
        form.photo.errors = [str(error)]
        return _index(form, 422)
    # The page that follows shows the candidates at once, if they are there by then.
    session = db.session()
    ended = partial(services.has_ended, session, organization, search.id)
    wait(session, search_done(search.id), PATIENCE_S, ended)
    return redirect(url_for("search.show", search_id=search.id))


def _index(form: SearchForm, status: int) -> ResponseReturnValue:
    try:
        page = services.list_searches(db.session(), current_organization(), request.args.get("cursor"))
    except CursorError:
        return redirect(url_for("search.index"))
    lines = [_results(search) for search in page.items]
    return render_template("search/index.html", form=form, page=page, lines=lines), status


@blueprint.get("/search/<int:search_id>")
@requires(Permission.SEARCH)
def show(search_id: int) -> ResponseReturnValue:
    """A search and what it found."""
    return _page("search/show.html", search_id)


@blueprint.get("/search/<int:search_id>/results")
@requires(Permission.SEARCH)
def results(search_id: int) -> ResponseReturnValue:
    """The result part of a search's page, while it is polled."""
    return _page("search/_results.html", search_id)


@blueprint.get("/search/<int:search_id>/<any(preview, thumbnail):rendition>")
@requires(Permission.SEARCH)
def rendition(search_id: int, rendition: Rendition) -> ResponseReturnValue:
    """A picture that a worker made of the searched photo."""
    return send_picture(_search(search_id), rendition)


@blueprint.post("/search/<int:search_id>/face")
@requires(Permission.SEARCH)
def choose_face(search_id: int) -> ResponseReturnValue:
    """Search for another face of the photo."""
    search = _search(search_id)
    face_id = request.form.get("face_id", 0, int)
    try:
        services.choose_face(db.session(), current_organization(), current_actor(), search, face_id)
    except PhotoError as error:
        flash(str(error), "warning")
    return redirect(url_for("search.show", search_id=search.id))


@blueprint.post("/search/<int:search_id>/repeat")
@requires(Permission.SEARCH)
def retry(search_id: int) -> ResponseReturnValue:
    """Search again, against the people enrolled now."""
    search = _search(search_id)
    try:
        services.retry_search(db.session(), current_organization(), current_actor(), search)
    except PhotoError as error:
        flash(str(error), "warning")
    return redirect(url_for("search.show", search_id=search.id))


@blueprint.post("/search/<int:search_id>/delete")
@requires(Permission.ENROL)
def delete(search_id: int) -> ResponseReturnValue:
    """Delete a search before its time."""
    services.delete_search(
        db.session(), current_organization(), current_actor(), _search(search_id), photo_store()
    )
    flash("The search is deleted, with its photo.", "success")
    return redirect(url_for("search.index"))


def _page(template: str, search_id: int) -> str:
    results = _seen(_search(search_id))
    meaning = None
    if results.face and results.face.threshold is not None:
        meaning = meaning_for_search(db.session(), current_organization(), results.face.threshold)
    return render_template(template, results=results, meaning=meaning, words=words)


def _search(search_id: int) -> Search:
    return services.find_search(db.session(), current_organization(), search_id) or abort(404)


def _seen(search: Search) -> Results:
    """The result part, which is written down as viewed as soon as there is something to see."""
    results = _results(search)
    if not results.working:
        services.record_view(db.session(), current_organization(), current_actor(), search)
    return results


def _results(search: Search) -> Results:
    face = next((face for face in search.faces if face.id == search.face_id), None)
    candidates = face.candidates if face else []
    threshold = face.threshold if face and face.threshold is not None else 1.0
    return Results(
        search,
        search.state in UNFINISHED,
        face,
        [candidate for candidate in candidates if candidate.score >= threshold],
        [candidate for candidate in candidates if candidate.score < threshold],
        services.kept_until(current_organization(), search),
    )
