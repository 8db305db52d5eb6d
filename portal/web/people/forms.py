"""Forms about people. Their rules are those of the services, which say what is wrong."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import HiddenField, MultipleFileField, StringField


class PersonForm(FlaskForm):  # type: ignore[misc]
    """Who a person is."""

    name = StringField("Name")
    external_id = StringField("External ID")


class EditForm(PersonForm):
    """Who a person is, and what the form showed before someone typed: others may change them meanwhile."""

    shown_name = HiddenField()
    shown_external_id = HiddenField()


class NewPersonForm(PersonForm):
    """Who a person is, and what they look like."""

    photos = MultipleFileField("Photos")


class PhotosForm(FlaskForm):  # type: ignore[misc]
    """More photos of a person."""

    photos = MultipleFileField("Photos")
