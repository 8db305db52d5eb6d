"""People, with their photos."""

from __future__ import annotations

from flask import Blueprint, url_for

from portal.api.access import current_actor, current_organization
from portal.api.contract import operation
from portal.api.cursors import bound, unbound
from portal.api.etags import if_match, tagged
from portal.api.forms import received
from portal.api.people.finding import person_of
from portal.api.people.schemas import (
    People,
    PeopleQuery,
    Person,
    PersonChange,
    PersonFields,
    PersonForm,
    PersonInList,
)
from portal.api.photos.schemas import Photo, PhotosForm
from portal.api.problems import Problem
from portal.api.schemas import NoFields, WaitQuery
from portal.enrolment.adding import add_more_photos, create_person
from portal.extensions import db
from portal.http.bodies import accepts_upload
from portal.keys.models import Scope
from portal.people import services
from portal.people.models import Person as PersonRow
from portal.photos import services as photo_services
from portal.photos.models import Photo as PhotoRow
from portal.removal.services import delete_person
from portal.storage import photo_store
from portal.waiting import photos_done, wait
from portal.work.models import UNFINISHED

blueprint = Blueprint("api_people", __name__, url_prefix="/api/v1/people")


PHOTOS = {"photos": photo_services.MAX_PHOTOS_OF_PERSON}

Answer = tuple[Person, int, dict[str, str]]


def _enrolled(person_id: int, query: WaitQuery) -> Answer:
    """The person once the photos are processed or the wait is over; 404 if they went meanwhile."""
    looked: list[Person] = []

    def processed() -> bool:
        looked[:] = [_whole(person_of(person_id))]
        return all(photo.state not in UNFINISHED for photo in looked[0].photos)

    done = wait(db.session(), photos_done(current_organization().id), query.wait, processed)
    where = {"Location": url_for("api_people.get_person", person_id=person_id)}
    return tagged(looked[0], 201 if done else 202, where)


@blueprint.get("")
@operation(Scope.READ, "people", {200: People}, query=PeopleQuery)
def list_people(query: PeopleQuery) -> People:
    """List people by name; with `query` those whom it finds, with `updated_after` those who changed."""
    filters = query.model_dump(mode="json", exclude={"cursor", "limit"})
    session, organization, cursor = db.session(), current_organization(), unbound(query.cursor, filters)
    if query.updated_after is None:
        page = services.list_people(session, organization, query.query, cursor, query.limit)
    elif query.query:
        raise Problem(422, "Send a query or updated_after, not both.")
    else:
        page = services.list_changed(session, organization, query.updated_after, cursor, query.limit)
    return People(
        items=[PersonInList.of(person) for person in page.items], next_cursor=bound(page.next, filters)
    )


@blueprint.post("")
@accepts_upload(streamed=True)
@operation(
    Scope.ENROL,
    "people",
    {201: Person, 202: Person},
    query=WaitQuery,
    form=PersonForm,
    again=_enrolled,
    tagged=True,
)
def enrol_person(query: WaitQuery) -> Answer:
    """Enrol a person with photos. Answers 202 while photos are processed, or 201 if all are within `wait`."""
    organization = current_organization()
    with received(photo_store(), organization, PHOTOS, PersonFields) as form:
        person = create_person(
            db.session(),
            organization,
            current_actor(),
            external_id=form.fields.external_id,
            name=form.fields.name,
            photos=form.photos["photos"],
            store=photo_store(),
        )
    return _enrolled(person.id, query)


@blueprint.get("/<int:person_id>")
@operation(Scope.READ, "people", {200: Person}, tagged=True)
def get_person(person_id: int) -> Answer:
    """A person with all photos and the faces found in them."""
    return tagged(_viewed(person_of(person_id)))


@blueprint.patch("/<int:person_id>")
@operation(Scope.ENROL, "people", {200: Person}, json=PersonChange, tagged=True)
def change_person(person_id: int, json: PersonChange) -> Answer:
    """Change the external ID or the name of a person."""
    if json.external_id is None and json.name is None:
        raise Problem(422, "Send an external_id, a name, or both.")
    person = person_of(person_id)
    services.change_person(
        db.session(),
        current_organization(),
        current_actor(),
        person,
        external_id=json.external_id,
        name=json.name,
        precondition=if_match(lambda: _whole(person_of(person_id))),
    )
    return tagged(_viewed(person))


@blueprint.delete("/<int:person_id>")
@operation(Scope.ENROL, "people", {204: None}, tagged=True)
def remove_person(person_id: int) -> tuple[str, int]:
    """Delete a person with all photos, faces and templates, for good."""
    delete_person(
        db.session(),
        current_organization(),
        current_actor(),
        person_of(person_id),
        photo_store(),
        if_match(lambda: _whole(person_of(person_id))),
    )
    return "", 204


@blueprint.post("/<int:person_id>/photos")
@accepts_upload(streamed=True)
@operation(
    Scope.ENROL,
    "photos",
    {200: Person, 201: Person, 202: Person},
    query=WaitQuery,
    form=PhotosForm,
    again=_enrolled,
    tagged=True,
)
def add_photos(person_id: int, query: WaitQuery) -> Answer:
    """Add photos to a person; one that is there already is kept once. 200 if none was new."""
    person, organization = person_of(person_id), current_organization()
    with received(photo_store(), organization, PHOTOS, NoFields) as form:
        actor, sent = current_actor(), form.photos["photos"]
        known = add_more_photos(db.session(), organization, actor, person, sent, photo_store())
    services.record_view(db.session(), organization, actor, person)
    answer, status, headers = _enrolled(person.id, query)
    return answer, 200 if len(known) == len(sent) else status, headers


def _viewed(person: PersonRow) -> Person:
    services.record_view(db.session(), current_organization(), current_actor(), person)
    return _whole(person)


def _whole(person: PersonRow) -> Person:
    photos = [Photo.of(photo) for photo in _photos(person)]
    return Person(**PersonInList.of(person).model_dump(), photos=photos)


def _photos(person: PersonRow) -> list[PhotoRow]:
    return photo_services.photos_of(db.session(), [person])[person.id]
