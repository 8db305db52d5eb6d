"""The form of a new API key."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import IntegerField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.validators import InputRequired, NumberRange, Optional

from portal.keys.models import Scope
from portal.keys.services import EXPIRES_DAYS, NAME_LENGTH
from portal.web.checkboxes import CheckboxesField

# What a scope allows, in the words of the choice and of the list.
SCOPES: dict[Scope, str] = {
    Scope.READ: "Look at people, photos and duplicates, search by photo, and compare photos.",
    Scope.ENROL: "Enrol, change and delete people and their photos.",
    Scope.DECIDE: "Decide on duplicates, merge people, and start scans.",
    Scope.ADMIN: "All of these, and get templates.",
}
FIRST, LAST = EXPIRES_DAYS.start, EXPIRES_DAYS.stop - 1
DAYS = f"Enter a number of days, {FIRST} to {LAST}, or leave it empty."


class KeyForm(FlaskForm):  # type: ignore[misc]
    name = StringField(
        "Name",
        validators=[InputRequired("Enter a name for the key.")],
        render_kw={"maxlength": NAME_LENGTH, "autocomplete": "off"},
    )
    scopes = CheckboxesField(
        "What it may do",
        choices=[
            SelectChoice(scope.value, f"{scope.value.capitalize()}: {words}")
            for scope, words in SCOPES.items()
        ],
        default=[Scope.READ.value],
    )
    expires_days = IntegerField(
        "Days until it expires",
        validators=[Optional(), NumberRange(FIRST, LAST, DAYS)],
        render_kw={"inputmode": "numeric", "min": FIRST, "max": LAST},
    )
