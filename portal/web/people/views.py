"""Pages about people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.calibration.services import bands_for_pairs
from portal.duplicates.pairs import pairs_of_person
from portal.enrolment.adding import add_more_photos, create_person
from portal.extensions import db
from portal.http.bodies import accepts_upload
from portal.http.uploads import stored_uploads
from portal.merging import merging
from portal.paging import CursorError
from portal.pairs.odd_photos import odd_photos_of
from portal.people import services
from portal.people.aliases import aliases_of
from portal.people.models import Person
from portal.photos.services import PhotoError, photos_of
from portal.removal.services import delete_person
from portal.storage import photo_store
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.people import editing
from portal.web.people.forms import EditForm, NewPersonForm, PhotosForm
from portal.work.models import UNFINISHED

blueprint = Blueprint("people", __name__)


@blueprint.get("/people")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    """People by name, or those whom a query finds."""
    query = request.args.get("query", "").strip()
    try:
        page = services.list_people(db.session(), current_organization(), query, request.args.get("cursor"))
    except CursorError:
        return redirect(url_for("people.index", query=query or None))
    photos = photos_of(db.session(), page.items)
    return render_template("people/index.html", page=page, photos=photos, query=query)


@blueprint.route("/people/new", methods=["GET", "POST"])
@accepts_upload()
@requires(Permission.ENROL)
def new() -> ResponseReturnValue:
    """Enrol a person."""
    form = NewPersonForm()
    if request.method == "GET" or not form.validate_on_submit():
        return render_template("people/new.html", form=form), 200 if request.method == "GET" else 422
    organization = current_organization()
    try:
        with stored_uploads(photo_store(), organization, request.files.getlist("photos")) as uploads:
            if not uploads:
                raise PhotoError("Choose at least one photo.")
            person = create_person(
                db.session(),
                organization,
                current_actor(),
                external_id=form.external_id.data or "",
                name=form.name.data or "",
                photos=uploads,
                store=photo_store(),
            )
    except services.PersonError as error:
        form[error.field].errors = [str(error)]
        return render_template("people/new.html", form=form), 422
    except PhotoError as error:
        form.photos.errors = [str(error)]
        return render_template("people/new.html", form=form), 422
    flash(f"{person.name} is enrolled. The photos are being processed.", "success")
    return redirect(url_for("people.show", person_id=person.id))


@blueprint.get("/people/<int:person_id>")
@requires(Permission.VIEW)
def show(person_id: int) -> ResponseReturnValue:
    """A person with photos."""
    person = _person(person_id)
    services.record_view(db.session(), current_organization(), current_actor(), person)
    return _page(person, PhotosForm())


@blueprint.get("/people/<int:person_id>/photos")
@requires(Permission.VIEW)
def photos(person_id: int) -> ResponseReturnValue:
    """The photos part of a person's page, while it is polled."""
    person = services.find_person(db.session(), current_organization(), person_id)
    if person is None or person.is_alias:
        abort(404)
    return render_template("people/_photos.html", person=person, **_photos(person))


@blueprint.post("/people/<int:person_id>/photos")
@accepts_upload()
@requires(Permission.ENROL)
def add_photos(person_id: int) -> ResponseReturnValue:
    """Add photos to a person."""
    person, organization, form = _person(person_id), current_organization(), PhotosForm()
    try:
        with stored_uploads(photo_store(), organization, request.files.getlist("photos")) as uploads:
            if not uploads:
                raise PhotoError("Choose at least one photo.")
            repeated = add_more_photos(
                db.session(), organization, current_actor(), person, uploads, photo_store()
            )
    except PhotoError as error:
        form.photos.errors = [str(error)]
        return _page(person, form), 422
    for upload in repeated:
        flash(f"{upload.name} is already a photo of {person.name}; it is kept once.", "info")
    if len(repeated) < len(uploads):
        flash("The photos are saved and being processed.", "success")
    return redirect(url_for("people.show", person_id=person.id))


@blueprint.route("/people/<int:person_id>/edit", methods=["GET", "POST"])
@requires(Permission.ENROL)
def edit(person_id: int) -> ResponseReturnValue:
    """Change a person's name or external id."""
    person = _person(person_id)
    if request.method == "GET":
        services.record_view(db.session(), current_organization(), current_actor(), person)
    form = EditForm(obj=person)
    if request.method == "GET":
        editing.show(form, person)
        return render_template("people/edit.html", person=person, form=form)
    changes: list[editing.Change] = []
    if form.validate_on_submit():
        try:
            services.change_person(
                db.session(),
                current_organization(),
                current_actor(),
                person,
                external_id=form.external_id.data or "",
                name=form.name.data or "",
                precondition=editing.as_shown(form, person),
            )
        except services.PersonError as error:
            form[error.field].errors = [str(error)]
        except editing.ChangedMeanwhile:
            changes = editing.take_over(form, person)
        else:
            flash("The change is saved.", "success")
            return redirect(url_for("people.show", person_id=person.id))
    return render_template("people/edit.html", person=person, form=form, changes=changes), 422


@blueprint.post("/people/<int:person_id>/delete")
@requires(Permission.ENROL)
def delete(person_id: int) -> ResponseReturnValue:
    """Delete a person."""
    person = _person(person_id)
    delete_person(db.session(), current_organization(), current_actor(), person, photo_store())
    flash(f"{person.name} is deleted, with all photos.", "success")
    return redirect(url_for("people.index"))


@blueprint.post("/people/<int:person_id>/merges/<int:merge_id>/undo")
@requires(Permission.ENROL)
def undo_merge(person_id: int, merge_id: int) -> ResponseReturnValue:
    """Make one person two again."""
    person, organization = _person(person_id), current_organization()
    merge = merging.find_merge(db.session(), organization, person, merge_id) or abort(404)
    try:
        remarks = merging.undo_merge(db.session(), organization, current_actor(), merge)
    except merging.MergeError as error:
        flash(str(error), "warning")
        return redirect(url_for("people.show", person_id=person.id))
    absorbed = services.find_person(db.session(), organization, merge.absorbed_id) or abort(404)
    flash(f"{absorbed.name} ({absorbed.external_id}) is a separate person again.", "success")
    for remark in remarks:
        flash(remark, "info")
    return redirect(url_for("people.show", person_id=person.id))


def _person(person_id: int) -> Person:
    """The person of a page or an act; someone who was merged leads to the survivor, and nothing is done."""
    session, organization = db.session(), current_organization()
    person = services.find_person(session, organization, person_id) or abort(404)
    if person.is_alias:
        survivor = session.get_one(Person, person.merged_into_id)
        flash(
            f"{person.name} ({person.external_id}) was merged into {survivor.name} ({survivor.external_id}).",
            "info",
        )
        abort(redirect(url_for("people.show", person_id=survivor.id)))
    return person


def _page(person: Person, form: PhotosForm) -> str:
    session = db.session()
    pairs, count = pairs_of_person(session, person)
    return render_template(
        "people/show.html",
        person=person,
        form=form,
        aliases={alias.id: alias for alias in aliases_of(session, person)},
        merges=merging.merges_of(session, current_organization(), person),
        pairs=pairs,
        more_pairs=count - len(pairs),
        bands=bands_for_pairs(session, current_organization()),
        **_photos(person),
    )


def _photos(person: Person) -> dict[str, Any]:
    """What the photos part shows, for the first paint and every poll alike."""
    photos = photos_of(db.session(), [person])[person.id]
    working = any(photo.state in UNFINISHED for photo in photos)
    odd = odd_photos_of(db.session(), [person.id])
    return {"photos": photos, "working": working, "odd": odd}
