"""Another program, which has an API key."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from portal.extensions import db
from portal.keys.models import Scope
from portal.keys.services import create_key
from portal.organizations.models import Organization
from tests.make.people import TESTER

API = "/api/v1"


class Program:
    """A program that sends requests with a key, or without one."""

    def __init__(self, app: Flask, token: str | None) -> None:
        self._client = app.test_client()
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def send(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request; `path` is that below the API's address."""
        headers = self.headers | options.pop("headers", {})
        # Where the test has an app context open, the request still gets one of its own, as if served.
        response = Context().run(
            lambda: self._client.open(API + path, method=method, headers=headers, buffered=True, **options)
        )
        response.request.environ["wsgi.input"].close()
        return response

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.send("GET", path, query_string=query)

    def post_form(
        self,
        path: str,
        fields: Mapping[str, str | list[str]],
        photos: Mapping[str, Sequence[bytes]],
        **headers: str,
    ) -> TestResponse:
        """Send a form: its fields, then photos by the name of their field."""
        files = {
            name: [(io.BytesIO(content), f"{number}.jpg") for number, content in enumerate(contents)]
            for name, contents in photos.items()
        }
        return self.send(
            "POST", path, data={**fields, **files}, content_type="multipart/form-data", headers=headers
        )


def program(app: Flask, organization: Organization, *scopes: Scope, name: str = "Registry") -> Program:
    """A program with a key of an organization."""
    with app.app_context():
        session = db.session()
        organization = session.get_one(Organization, organization.id)
        return Program(app, create_key(session, organization, TESTER, name, scopes)[1])
