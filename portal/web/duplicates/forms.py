"""The filters of the pairs, for the page and its reports."""

from __future__ import annotations

from datetime import date, datetime

from wtforms import DateField, FloatField, Form, IntegerField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.validators import NumberRange, ValidationError

from portal.duplicates.pairs import Filter
from portal.duplicates.report import ReportError, end_of_day
from portal.pairs.models import PairStatus
from portal.web.filter_fields import LARGEST_ROW_NUMBER, MayBeEmpty, sensible_day, sensible_number

ALL = "all"
STATUSES = [
    SelectChoice(PairStatus.OPEN.value, "To decide"),
    SelectChoice(PairStatus.DUPLICATE.value, "Same person"),
    SelectChoice(PairStatus.DISTINCT.value, "Different people"),
    SelectChoice(ALL, "All"),
]


class FilterForm(Form):
    """Sent by GET, so that a filtered page can be linked to; nothing is changed by it."""

    status = SelectField("Which", choices=STATUSES, default=PairStatus.OPEN.value)
    score = FloatField(
        "Score at least",
        validators=[MayBeEmpty(), NumberRange(-1, 1, "A score is a number from −1 to 1.")],
        render_kw={"inputmode": "decimal", "step": "any", "min": "-1", "max": "1"},
    )
    found_from = DateField("Found from", validators=[MayBeEmpty(), sensible_day])
    found_to = DateField("Found to", validators=[MayBeEmpty(), sensible_day])
    batch = IntegerField(
        "Batch number",
        filters=[sensible_number],
        validators=[MayBeEmpty(), NumberRange(1, LARGEST_ROW_NUMBER, "Enter the number of a batch.")],
        render_kw={"inputmode": "numeric", "min": 1},
    )

    def validate_found_to(self, field: DateField) -> None:
        first: date | None = self.found_from.data
        if field.data is not None and first is not None and field.data < first:
            raise ValidationError("The last day is before the first.")

    def wanted(self) -> Filter:
        """What the form asks for, once it is valid."""
        return Filter(
            status=None if self.status.data == ALL else PairStatus(self.status.data),
            least_score=self.score.data,
            found_from=self.found_from.data,
            found_to=self.found_to.data,
            batch_id=self.batch.data,
        )


class ReportForm(FilterForm):
    """The same, and the day as of whose end the report is made."""

    at = DateField("As it was at the end of", validators=[MayBeEmpty(), sensible_day])

    def validate_at(self, field: DateField) -> None:
        try:
            self.moment()
        except ReportError as error:
            raise ValidationError(str(error)) from error

    def moment(self) -> datetime | None:
        """The last moment of the chosen day; None: as it is now. Raises report.ReportError."""
        day: date | None = self.at.data
        return None if day is None else end_of_day(day)
