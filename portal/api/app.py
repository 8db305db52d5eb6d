"""The API's views, bound to the app."""

from __future__ import annotations

from flask import Flask

from portal.api import document
from portal.api.batches import views as batches
from portal.api.duplicates import views as duplicates
from portal.api.examinations import views as examinations
from portal.api.organization import views as organization
from portal.api.people import views as people
from portal.api.photos import views as photos
from portal.api.searches import views as searches
from portal.extensions import csrf


def init_app(app: Flask) -> None:
    """Add all of them. They take no cookie, so no page elsewhere can use a member's."""
    for module in (document, batches, people, photos, searches, examinations, duplicates, organization):
        csrf.exempt(module.blueprint)
        app.register_blueprint(module.blueprint)
