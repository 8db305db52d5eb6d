"""People, and photos against people."""

from __future__ import annotations

from datetime import datetime

from portal_client.calls import Call, Form, Listing, moment, without_none
from portal_client.models import Person, PersonInList, Verification
from portal_client.operations.faces import HELD_S, probe
from portal_client.reading import model, nothing
from portal_client.uploads import Source, Sources, uploads_of


def list_people(
    query: str = "", *, updated_after: datetime | None = None, limit: int | None = None
) -> Listing[PersonInList]:
    """Enrolled people; each word of `query` begins a word of the name or the external ID.

    updated_after: a feed of who changed since that moment (which has a time zone), without a query. limit:
    how many are fetched at once.
    """
    wanted = {"query": query or None, "updated_after": moment(updated_after), "limit": limit}
    return Listing("/people", PersonInList, wanted)


def enrol_person(external_id: str, name: str, photos: Sources, *, wait: float | None = None) -> Call[Person]:
    """Enrol a person with photos.

    wait: so many seconds, 60 at most, the answer may be held back until all photos are processed.
    """
    form = Form({"external_id": external_id, "name": name}, [("photos", one) for one in uploads_of(photos)])
    return Call("POST", "/people", model(Person), {"wait": wait}, form=form, held_s=wait or 0)


def get_person(person_id: int) -> Call[Person]:
    """A person with all photos and the faces in them."""
    return Call("GET", f"/people/{person_id}", model(Person))


def change_person(
    person_id: int, *, external_id: str | None = None, name: str | None = None, if_match: str | None = None
) -> Call[Person]:
    """Change the external ID or the name of a person; what is not given stays.

    if_match: the person's `etag`; if they were changed since, PreconditionFailed is raised.
    """
    changes = without_none({"external_id": external_id, "name": name})
    return Call("PATCH", f"/people/{person_id}", model(Person), json=changes, if_match=if_match)


def remove_person(person_id: int, *, if_match: str | None = None) -> Call[None]:
    """Delete a person with all photos, faces and templates, for good."""
    return Call("DELETE", f"/people/{person_id}", nothing, if_match=if_match)


def add_photos(person_id: int, photos: Sources, *, wait: float | None = None) -> Call[Person]:
    """Add photos to a person; a photo that is there already is kept once."""
    form = Form(photos=[("photos", one) for one in uploads_of(photos)])
    path = f"/people/{person_id}/photos"
    return Call("POST", path, model(Person), {"wait": wait}, form=form, held_s=wait or 0)


def verify_person(
    person_id: int,
    image: Source | None = None,
    *,
    template: bytes | None = None,
    face_model: str | None = None,
) -> Call[Verification]:
    """Compare the main face of a photo, which is not kept, with all photos of a person.

    A template may come in place of the photo, with the fingerprint of its face model.
    """
    form = probe({"image": image}, {"template": template}, face_model)
    path = f"/people/{person_id}/verifications"
    return Call("POST", path, model(Verification), form=form, held_s=HELD_S)
