"""People and their photos."""

from __future__ import annotations

from flask import Blueprint, Response, abort, url_for

from portal.api.access import current_actor, current_organization
from portal.api.contract import operation
from portal.api.cursors import bound, unbound
from portal.api.forms import received
from portal.api.problems import FieldError, Problem, ProblemDetails
from portal.api.schemas import (
    MainFace,
    People,
    PeopleQuery,
    Person,
    PersonChange,
    PersonForm,
    PersonInList,
    Photo,
    PhotosForm,
    WaitQuery,
)
from portal.enrolment.adding import add_more_photos, create_person
from portal.extensions import db
from portal.http.pictures import send_original
from portal.http.security import accepts_upload
from portal.keys.models import Scope
from portal.people import services
from portal.people.models import Person as PersonRow
from portal.photos import services as photo_services
from portal.photos.metadata import UnreadableContainer
from portal.photos.models import Photo as PhotoRow
from portal.removal.services import delete_person, remove_photo
from portal.storage import photo_store
from portal.waiting import photos_done, wait
from portal.work.models import UNFINISHED

blueprint = Blueprint("api_people", __name__, url_prefix="/api/v1")

Answer = tuple[Person, int, dict[str, str]]


@blueprint.get("/people")
@operation(Scope.READ, "people", {200: People}, query=PeopleQuery)
def list_people(query: PeopleQuery) -> People:
    """List people by name; with a query, those whom it finds."""
    filters = {"query": query.query}
    page = services.list_people(
        db.session(), current_organization(), query.query, unbound(query.cursor, filters), query.limit
    )
    return People(
        items=[PersonInList.of(person) for person in page.items], next_cursor=bound(page.next, filters)
    )


@blueprint.post("/people")
@accepts_upload(streamed=True)
@operation(Scope.ENROL, "people", {201: Person, 202: Person}, query=WaitQuery, form=PersonForm)
def enrol_person(query: WaitQuery) -> Answer:
    """Enrol a person with photos. Answers 202 while photos are processed, or 201 if all are within `wait`."""
    organization = current_organization()
    with received(
        photo_store(), organization, "photos", photo_services.MAX_PHOTOS_OF_PERSON, ("external_id", "name")
    ) as form:
        person = create_person(
            db.session(),
            organization,
            current_actor(),
            external_id=form.fields.get("external_id", ""),
            name=form.fields.get("name", ""),
            photos=form.photos,
            store=photo_store(),
        )
    return _after_wait(person.id, query.wait)


@blueprint.get("/people/<int:person_id>")
@operation(Scope.READ, "people", {200: Person})
def get_person(person_id: int) -> Person:
    """A person with all photos and the faces found in them."""
    return _viewed(_person(person_id))


@blueprint.patch("/people/<int:person_id>")
@operation(Scope.ENROL, "people", {200: Person}, json=PersonChange)
def change_person(person_id: int, json: PersonChange) -> Person:
    """Change the external ID or the name of a person."""
    if json.external_id is None and json.name is None:
        raise Problem(422, "Send an external_id, a name, or both.")
    person = _person(person_id)
    services.change_person(
        db.session(),
        current_organization(),
        current_actor(),
        person,
        external_id=person.external_id if json.external_id is None else json.external_id,
        name=person.name if json.name is None else json.name,
    )
    return _viewed(person)


@blueprint.delete("/people/<int:person_id>")
@operation(Scope.ENROL, "people", {204: None})
def remove_person(person_id: int) -> tuple[str, int]:
    """Delete a person with all photos, faces and templates, for good."""
    delete_person(db.session(), current_organization(), current_actor(), _person(person_id), photo_store())
    return "", 204


@blueprint.post("/people/<int:person_id>/photos")
@accepts_upload(streamed=True)
@operation(Scope.ENROL, "photos", {201: Person, 202: Person}, query=WaitQuery, form=PhotosForm)
def add_photos(person_id: int, query: WaitQuery) -> Answer:
    """Add photos to a person; a photo that is there already is kept once."""
    person, organization = _person(person_id), current_organization()
    with received(photo_store(), organization, "photos", photo_services.MAX_PHOTOS_OF_PERSON) as form:
        add_more_photos(db.session(), organization, current_actor(), person, form.photos, photo_store())
    services.record_view(db.session(), organization, current_actor(), person)
    return _after_wait(person.id, query.wait)


@blueprint.get("/photos/<int:photo_id>")
@operation(Scope.READ, "photos", {200: Photo})
def get_photo(photo_id: int) -> Photo:
    """A photo and the faces found in it."""
    photo = _photo(photo_id)
    services.record_view(db.session(), current_organization(), current_actor(), photo.person)
    return Photo.of(photo)


@blueprint.delete("/photos/<int:photo_id>")
@operation(Scope.ENROL, "photos", {204: None})
def delete_photo(photo_id: int) -> tuple[str, int]:
    """Delete a photo with its faces and templates, for good."""
    remove_photo(db.session(), current_organization(), current_actor(), _photo(photo_id), photo_store())
    return "", 204


@blueprint.get("/photos/<int:photo_id>/content")
@operation(Scope.READ, "photos", {200: None, 409: ProblemDetails})
def get_photo_content(photo_id: int) -> Response:
    """A photo, as it was sent but for its metadata."""
    photo = _photo(photo_id)
    if photo.state in UNFINISHED:
        raise Problem(409, "This photo has not been processed yet. Ask again in a moment.")
    try:
        response = send_original(photo, f"photo-{photo.id}")
    except (FileNotFoundError, UnreadableContainer):
        abort(404, "The file of this photo is damaged or no longer there.")
    photo_services.record_download(db.session(), current_organization(), current_actor(), photo)
    return response


@blueprint.put("/photos/<int:photo_id>/main-face")
@operation(Scope.ENROL, "photos", {202: Photo}, json=MainFace)
def choose_main_face(photo_id: int, json: MainFace) -> tuple[Photo, int]:
    """Let another face of the photo stand for the person."""
    photo, organization, actor = _photo(photo_id), current_organization(), current_actor()
    try:
        photo_services.choose_face(db.session(), organization, actor, photo, json.face_id)
    except photo_services.PhotoError as error:
        raise Problem(422, str(error), [FieldError(field="face_id", message=str(error))]) from error
    services.record_view(db.session(), organization, actor, photo.person)
    return Photo.of(_photo(photo_id)), 202


def _after_wait(person_id: int, seconds: float) -> Answer:
    """The person once the photos are processed, or after some seconds: 404 if they went meanwhile."""
    session, organization_id = db.session(), current_organization().id

    def processed() -> bool:
        session.rollback()
        session.expire_all()
        return all(photo.state not in UNFINISHED for photo in _photos(_person(person_id)))

    done = wait(photos_done(organization_id), seconds, processed)
    where = {"Location": url_for("api_people.get_person", person_id=person_id)}
    return _whole(_person(person_id)), 201 if done else 202, where


def _viewed(person: PersonRow) -> Person:
    services.record_view(db.session(), current_organization(), current_actor(), person)
    return _whole(person)


def _whole(person: PersonRow) -> Person:
    photos = [Photo.of(photo) for photo in _photos(person)]
    return Person(**PersonInList.of(person).model_dump(), photos=photos)


def _photos(person: PersonRow) -> list[PhotoRow]:
    return photo_services.photos_of(db.session(), [person])[person.id]


def _person(person_id: int) -> PersonRow:
    person = services.find_person(db.session(), current_organization(), person_id)
    if person is None:
        abort(404, "There is no person with this ID.")
    if person.is_alias:
        abort(404, f"This person was merged into the person with the ID {person.merged_into_id}.")
    return person


def _photo(photo_id: int) -> PhotoRow:
    photo = photo_services.find_photo(db.session(), current_organization(), photo_id)
    if photo is None:
        abort(404, "There is no photo with this ID.")
    if photo.person.is_alias:
        into = photo.person.merged_into_id
        abort(404, f"This photo is hidden: its person was merged into the person with the ID {into}.")
    return photo
