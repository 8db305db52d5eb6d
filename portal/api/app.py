"""The API's views, bound to the app."""

from __future__ import annotations

from flask import Flask, Response, request

from portal.api import document, limits, origins
from portal.api.batches import views as batches
from portal.api.duplicates import views as duplicates
from portal.api.examinations import views as examinations
from portal.api.organization import views as organization
from portal.api.people import views as people
from portal.api.photos import views as photos
from portal.api.searches import views as searches
from portal.extensions import csrf
from portal.http.security import API_PREFIX


def init_app(app: Flask) -> None:
    """Add all of them. They take no cookie, so no page elsewhere can use a member's."""
    origins.init_app(app)

    @app.after_request
    def say_what_is_left(response: Response) -> Response:
        return limits.add_headers(response) if request.path.startswith(API_PREFIX) else response

    for module in (document, batches, people, photos, searches, examinations, duplicates, organization):
        csrf.exempt(module.blueprint)
        app.register_blueprint(module.blueprint)
