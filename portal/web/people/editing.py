"""Two who change one person at the same time: the second is told what the first changed, and decides."""

from __future__ import annotations

from dataclasses import dataclass

from wtforms import Field

from portal.database import Precondition
from portal.people.models import Person
from portal.web.people.forms import EditForm


@dataclass(frozen=True)
class Change:
    """What someone else made of a field since the form was opened."""

    label: str
    shown: str
    now: str


class ChangedMeanwhile(RuntimeError):
    """The person is not any more what the form showed."""


def show(form: EditForm, person: Person) -> None:
    """Have the form remember what it shows of a person."""
    form.shown_name.data, form.shown_external_id.data = person.name, person.external_id


def as_shown(form: EditForm, person: Person) -> Precondition:
    """That the person is as the form showed them, or as it asks for: raises ChangedMeanwhile.

    A form that says nothing of what it showed was sent by a program, which asks for nothing.
    """

    def judge() -> None:
        if any(now not in {field.data, shown.data} for field, shown, now in _fields(form, person)):
            raise ChangedMeanwhile

    return judge


def take_over(form: EditForm, person: Person) -> list[Change]:
    """Show what others changed: what was typed stays, and where nothing was typed stands what is now.

    Sent once more, the form changes the person as it is shown then.
    """
    changes = []
    for field, shown, now in _fields(form, person):
        if now not in {field.data, shown.data}:
            changes.append(Change(field.label.text, shown.data, now))
        if field.data == shown.data:
            field.data = now
    show(form, person)
    return changes


def _fields(form: EditForm, person: Person) -> list[tuple[Field, Field, str]]:
    """Each field with what it showed, and what is now; those whose form said what it showed."""
    fields = [
        (form.name, form.shown_name, person.name),
        (form.external_id, form.shown_external_id, person.external_id),
    ]
    return [(field, shown, now) for field, shown, now in fields if shown.data]
