"""The filters of the audit page."""

from __future__ import annotations

from datetime import date

from wtforms import DateField, Form, IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.validators import NumberRange, Optional, ValidationError

from portal.audit.reading import Filters
from portal.audit.services import Action
from portal.audit.words import NAMES

FIRST_YEAR, LAST_YEAR = 2000, 2100
LARGEST_ROW_NUMBER = 2**62
ACTIONS = [
    SelectChoice("", "Everything"),
    *(SelectChoice(action.value, name) for action, name in NAMES.items()),
]


class _MayBeEmpty(Optional):
    """Optional, without saying so at its label: all filters may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.field_flags = {}


def _sensible_number(number: int | None) -> int | None:
    # One that no row can have is as good as 0; and it may be too large to be compared.
    return 0 if number is not None and number > LARGEST_ROW_NUMBER else number


def _sensible_day(_form: Form, field: DateField) -> None:
    if field.data is not None and not FIRST_YEAR <= field.data.year <= LAST_YEAR:
        raise ValidationError(f"Choose a day between the years {FIRST_YEAR} and {LAST_YEAR}.")


class FilterForm(Form):
    """Sent by GET, so that a filtered page can be linked to; nothing is changed by it."""

    who = StringField("Who", render_kw={"list": "members", "autocomplete": "off"})
    action = SelectField("What", choices=ACTIONS, default="")
    person = StringField("Person (external ID)", render_kw={"autocomplete": "off"})
    search = IntegerField(
        "Search number",
        filters=[_sensible_number],
        validators=[_MayBeEmpty(), NumberRange(1, LARGEST_ROW_NUMBER, "Enter the number of a search.")],
        render_kw={"inputmode": "numeric", "min": 1},
    )
    since = DateField("From", validators=[_MayBeEmpty(), _sensible_day])
    until = DateField("To", validators=[_MayBeEmpty(), _sensible_day])

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
