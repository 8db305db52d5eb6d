"""The audit page: who did what in the organization, when and from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.members import list_members
from portal.accounts.roles import Permission
from portal.audit.models import AuditEvent
from portal.audit.services import Action
from portal.audit.words import sentence
from portal.extensions import db
from portal.paging import CursorError
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.audit import reading
from portal.web.audit.forms import FilterForm

blueprint = Blueprint("audit", __name__)


@dataclass(frozen=True)
class Line:
    """An event as the page shows it: a sentence around what it is about."""

    event: AuditEvent
    before: str
    subject: str
    url: str | None
    after: str


@blueprint.get("/audit")
@requires(Permission.MANAGE)
def index() -> ResponseReturnValue:
    """The trail of the organization, newest first, by filters."""
    organization = current_organization()
    form = FilterForm(request.args)
    everyone = list_members(db.session, organization)
    if not form.validate():
        return render_template("audit/index.html", form=form, members=everyone, lines=[]), 422
    cursor = request.args.get("after")
    try:
        page = reading.list_events(db.session, organization, form.filters(), cursor)
    except CursorError as error:
        abort(400, str(error))
    subjects = reading.subjects_of(db.session, organization, page.items)
    lines = [_line(event, subjects) for event in page.items]
    reading.record_reading(db.session, organization, current_actor(), form.filters())
    return render_template(
        "audit/index.html",
        form=form,
        members=everyone,
        lines=lines,
        filtered=form.filters() != reading.Filters(),
        previous_url=_page_url(form, page.previous),
        next_url=_page_url(form, page.next),
    )


def _line(event: AuditEvent, subjects: reading.Subjects) -> Line:
    before, after = sentence(Action(event.action), event.details)
    subject, url = _subject(event, subjects) if after else ("", None)
    return Line(event, before, subject, url, after)


def _subject(event: AuditEvent, subjects: reading.Subjects) -> tuple[str, str | None]:
    number = event.subject_id or 0
    if event.subject_type == "search":
        there = number in subjects.searches
        return f"search {number}", url_for("search.show", search_id=number) if there else None
    if event.subject_type == "batch":
        return f"batch {number}", url_for("batches.show", batch_id=number)
    if event.subject_type == "pair":
        a, b = event.details["external_ids"]
        there = number in subjects.pairs
        return f"the pair {a} and {b}", url_for("pairs.show", pair_id=number) if there else None
    person = subjects.people.get(number)
    if person is not None:
        return f"{person.name} ({person.external_id})", url_for("people.show", person_id=number)
    external_id = subjects.deleted_people.get(number)
    return f"a person who is deleted ({external_id})" if external_id else "a person who is not there", None


def _page_url(form: FilterForm, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    kept: dict[str, Any] = {
        field.name: request.args[field.name] for field in form if request.args.get(field.name)
    }
    return url_for("audit.index", **kept, after=cursor)
