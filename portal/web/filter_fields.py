"""What the filters above lists share: fields that may be empty, row numbers, days."""

from __future__ import annotations

from wtforms import DateField, Form
from wtforms.validators import Optional, ValidationError

FIRST_YEAR, LAST_YEAR = 2000, 2100
LARGEST_ROW_NUMBER = 2**62


class MayBeEmpty(Optional):
    """Optional, without saying so at its label: all filters may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.field_flags = {}


def sensible_number(number: int | None) -> int | None:
    """A row number that can be compared: one that no row can have is as good as 0."""
    return 0 if number is not None and number > LARGEST_ROW_NUMBER else number


def sensible_day(_form: Form, field: DateField) -> None:
    """Refuse days that can't be meant. Raises ValidationError."""
    if field.data is not None and not FIRST_YEAR <= field.data.year <= LAST_YEAR:
        raise ValidationError(f"Choose a day between the years {FIRST_YEAR} and {LAST_YEAR}.")
