"""The person of an address."""

from __future__ import annotations

from flask import abort

from portal.api.access import current_organization
from portal.extensions import db
from portal.people import services
from portal.people.models import Person


def person_of(person_id: int) -> Person:
    """The person of the key's organization; 404 for one who is not there, or was merged into another."""
    person = services.find_person(db.session(), current_organization(), person_id)
    if person is None:
        abort(404, "There is no person with this ID.")
    if person.is_alias:
        abort(404, f"This person was merged into the person with the ID {person.merged_into_id}.")
    return person
