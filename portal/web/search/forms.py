"""The form with which a search begins."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import FileField


class SearchForm(FlaskForm):  # type: ignore[misc]
    photo = FileField("Photo")
