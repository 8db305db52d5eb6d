"""Someone with a browser of their own, and what they do on the pages."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from contextvars import Context
from typing import Any

from bs4 import BeautifulSoup, Tag
from flask import Flask
from werkzeug.test import TestResponse

from portal.accounts.models import Role, User
from portal.organizations.models import Organization

PASSWORD = "a quiet harbour in winter"
# A file as a form sends it.
Sent = tuple[io.BytesIO, str]


class Visitor:
    """Someone with a browser of their own, at an address of their own."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.client = app.test_client()
        address = ".".join(["10", *(str(byte) for byte in secrets.token_bytes(3))])
        self.client.environ_base["REMOTE_ADDR"] = address
        self.user: User
        self.organization: Organization
        self.page = BeautifulSoup("", "html.parser")
        self._token = ("", "")

    def get(self, url: str, **options: Any) -> TestResponse:
        return self._seen(self._send(self.client.get, url, **options))

    def post(self, url: str, data: dict[str, Any] | None = None, *, follow: bool = False) -> TestResponse:
        """Send a form with the token that this browser's session has."""
        fields = {"csrf_token": self.token(), **(data or {})}
        response = self._send(self.client.post, url, data=fields, follow_redirects=follow)
        for sent in (*response.history, response):
            sent.request.environ["wsgi.input"].close()  # a temporary file where the form was large
        return self._seen(response)

    def call(self, url: str, **options: Any) -> TestResponse:
        """Send what a page's script sends: the token in a header, and an answer that a program reads."""
        headers = {"X-CSRFToken": self.token(), "Accept": "application/json", **options.pop("headers", {})}
        response = self._send(self.client.post, url, headers=headers, **options)
        response.request.environ["wsgi.input"].close()  # a temporary file where the form was large
        return response

    def token(self) -> str:
        """The token of this browser's session, read once from the page that every visitor can see."""
        if self._session() != self._token[0] or not self._token[0]:
            account = self._send(self.client.get, "/account", follow_redirects=True)
            field = BeautifulSoup(account.text, "html.parser").select_one("input[name=csrf_token]")
            assert field is not None, "no form on the page that every visitor can see"
            self._token = (self._session(), str(field["value"]))
        return self._token[1]

    def sign_in(self, email: str, password: str = PASSWORD) -> TestResponse:
        return self.post("/login", {"email": email, "password": password})

    @property
    def text(self) -> str:
        """What the page says, in one line."""
        return " ".join(self.page.get_text(" ").split())

    def one(self, selector: str) -> Tag:
        """The only such element of the page that was opened last."""
        return one_in(self.page, selector)

    def link(self, selector: str) -> str:
        """Where the only such link of that page leads."""
        return str(self.one(selector)["href"])

    def _session(self) -> str:
        cookie = self.client.get_cookie(self.app.config["SESSION_COOKIE_NAME"])
        return cookie.value if cookie else ""

    def _send(self, request: Callable[..., TestResponse], url: str, **options: Any) -> TestResponse:
        # Where the test has an app context open, the request still gets one of its own, as if served.
        # Read to the end: a large answer lies on the disk until then.
        return Context().run(lambda: request(url, **{"buffered": True, **options}))

    def _seen(self, response: TestResponse) -> TestResponse:
        self.page = (
            BeautifulSoup(response.text, "html.parser") if response.mimetype == "text/html" else self.page
        )
        return response


def one_in(part: Tag, selector: str) -> Tag:
    """The only such element in a part of a page."""
    found = part.select(selector)
    assert len(found) == 1, f"{len(found)} times {selector}"
    return found[0]


def member(app: Flask, email: str, organization: Organization, role: Role) -> Visitor:
    """A user with a role in an organization, signed in."""
    from portal.accounts.services import create_user
    from portal.audit.services import Actor
    from portal.extensions import db

    visitor = Visitor(app)
    with app.app_context():
        visitor.user = create_user(db.session(), Actor(None, "test"), email, PASSWORD, organization, role)
    visitor.organization = organization
    assert visitor.sign_in(email).status_code == 302
    return visitor


def file(content: bytes, name: str = "photo.jpg") -> Sent:
    """A file that a visitor chose in a form."""
    return io.BytesIO(content), name


def enrol(visitor: Visitor, name: str, external_id: str, *photos: bytes) -> int:
    """Enrol a person through the form; returns the number under which their page is."""
    response = visitor.post(
        "/people/new",
        {
            "name": name,
            "external_id": external_id,
            "photos": [file(photo, f"{external_id}-{number}.jpg") for number, photo in enumerate(photos)],
        },
    )
    assert response.status_code == 302, visitor.page.get_text(" ", strip=True)
    return int(response.location.rsplit("/", 1)[1])


def search(visitor: Visitor, photo: bytes) -> int:
    """Search by photo through the form; returns the number under which the result's page is."""
    response = visitor.post("/search", {"photo": file(photo, "probe.jpg")})
    assert response.status_code == 302, visitor.page.get_text(" ", strip=True)
    return int(response.location.rsplit("/", 1)[1])
