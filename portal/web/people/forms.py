"""Forms about people. Their rules are those of the services, which say what is wrong."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import MultipleFileField, StringField


class PersonForm(FlaskForm):  # type: ignore[misc]
    """Who a person is."""

    name = StringField("Name")
    external_id = StringField("External ID")


class NewPersonForm(PersonForm):
    """Who a person is, and what they look like."""

    photos = MultipleFileField("Photos")


class PhotosForm(FlaskForm):  # type: ignore[misc]
    """More photos of a person."""

    photos = MultipleFileField("Photos")
