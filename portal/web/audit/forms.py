"""The filters of the audit page."""

from __future__ import annotations

from datetime import date

from wtforms import DateField, Form, IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.validators import NumberRange, ValidationError

from portal.audit.services import Action
from portal.audit.words import NAMES
from portal.web.audit.reading import Filters
from portal.web.filter_fields import LARGEST_ROW_NUMBER, MayBeEmpty, sensible_day, sensible_number

ACTIONS = [
    SelectChoice("", "Everything"),
    *(SelectChoice(action.value, name) for action, name in NAMES.items()),
]


class FilterForm(Form):
    """Sent by GET, so that a filtered page can be linked to; nothing is changed by it."""

    who = StringField("Who", render_kw={"list": "members", "autocomplete": "off"})
    action = SelectField("What", choices=ACTIONS, default="")
    person = StringField("Person (external ID)", render_kw={"autocomplete": "off"})
    search = IntegerField(
        "Search number",
        filters=[sensible_number],
        validators=[MayBeEmpty(), NumberRange(1, LARGEST_ROW_NUMBER, "Enter the number of a search.")],
        render_kw={"inputmode": "numeric", "min": 1},
    )
    since = DateField("From", validators=[MayBeEmpty(), sensible_day])
    until = DateField("To", validators=[MayBeEmpty(), sensible_day])

    def validate_until(self, field: DateField) -> None:
        first: date | None = self.since.data
        if field.data is not None and first is not None and field.data < first:
            raise ValidationError("The last day is before the first.")

    def filters(self) -> Filters:
        """What the form asks for, once it is valid."""
        who = (self.who.data or "").strip()
        return Filters(
            # Addresses are stored casefolded; other actors ("retention") are written so already.
            actor=who.casefold(),
            action=Action(self.action.data) if self.action.data else None,
            external_id=(self.person.data or "").strip(),
            search_id=self.search.data,
            first_day=self.since.data,
            last_day=self.until.data,
        )
