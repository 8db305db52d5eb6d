"""The form of an organization's settings."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import IntegerField, StringField
from wtforms.validators import InputRequired, NumberRange

from portal.organizations.services import RETENTION_DAYS

FIRST, LAST = RETENTION_DAYS.start, RETENTION_DAYS.stop - 1


class SettingsForm(FlaskForm):  # type: ignore[misc]
    name = StringField(
        "Name",
        validators=[InputRequired("Enter the name of the organization.")],
        render_kw={"autocomplete": "organization"},
    )
    retention_days = IntegerField(
        "Days that searches are kept",
        validators=[
            InputRequired(f"Enter a number of days, {FIRST} to {LAST}."),
            NumberRange(FIRST, LAST, f"Enter a number of days, {FIRST} to {LAST}."),
        ],
        render_kw={"inputmode": "numeric", "min": FIRST, "max": LAST},
    )
