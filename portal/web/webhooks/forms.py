"""The form of an endpoint."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types
from wtforms.validators import InputRequired

from portal.web.checkboxes import CheckboxesField
from portal.web.webhooks.words import EVENTS
from portal.webhooks.models import Event
from portal.webhooks.targets import ADDRESS_LENGTH


class EndpointForm(FlaskForm):  # type: ignore[misc]
    address = StringField(
        "Address",
        validators=[InputRequired("Enter the address that is to be told.")],
        render_kw={
            "type": "url",
            "maxlength": ADDRESS_LENGTH,
            "autocomplete": "off",
            "spellcheck": "false",
            "placeholder": "https://example.org/webhooks",
        },
    )
    events = CheckboxesField(
        "Events",
        choices=[SelectChoice(event.value, f"{event.value}: {EVENTS[event]}") for event in Event],
        default=[event.value for event in Event],
    )

    def chosen(self) -> list[Event]:
        """The events that were chosen, once the form is valid."""
        return [Event(event) for event in self.events.data or []]
