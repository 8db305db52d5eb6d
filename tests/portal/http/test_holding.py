"""How much is held at once: by whom it is counted, and that it is given back."""

from __future__ import annotations

import socket
from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from gunicorn.http.body import Body as GunicornBody
from gunicorn.http.body import LengthReader
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder

from portal.extensions import db
from portal.http import bodies, holding
from portal.http.access import public
from portal.http.bodies import Body
from portal.http.holding import (
    ACCOUNT,
    ADDRESS,
    EVERYONE,
    LIMITS,
    ORGANIZATION,
    SMALL_ANSWER_BYTES,
    STRANGERS,
    STRANGERS_OF_ADDRESS,
    Places,
)
from portal.keys.models import Scope
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.up.web_worker import Unreader
from tests.make.photos import picture
from tests.program import Program, program
from tests.visitor import Visitor, enrol

LARGE = b"x" * (SMALL_ANSWER_BYTES + 1)


@pytest.fixture
def registry(app: Flask, clinic: Organization) -> Program:
    """A program of the clinic."""
    return program(app, clinic, Scope.ADMIN)


@pytest.fixture
def places(app: Flask) -> Places:
    """Those of the app."""
    with app.app_context():
        return holding.places()


@pytest.fixture
def none_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let nobody of a kind hold anything."""
    return lambda kind: monkeypatch.setitem(LIMITS, kind, 0)


@pytest.mark.parametrize("kind", [ACCOUNT, ORGANIZATION, ADDRESS, EVERYONE])
def test_one_upload_too_many_of_a_program_is_a_problem_that_says_when_to_come_again(
    kind: str, registry: Program, none_for: Callable[[str], None], places: Places
) -> None:
    none_for(kind)
    answer = registry.post_form("/people", {"external_id": "A1", "name": "Anna"}, {"photos": [picture()]})
    assert answer.status_code == (503 if kind == EVERYONE else 429)
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert holding.WORDS[kind] in answer.get_json()["detail"]
    # What is short goes on.
    assert registry.get("/people").get_json()["items"] == []
    assert len(places) == 0


@pytest.mark.parametrize("kind", [ACCOUNT, ORGANIZATION, ADDRESS, EVERYONE])
def test_one_upload_too_many_of_a_member_is_a_page_or_words_for_a_script(
    kind: str, bob: Visitor, none_for: Callable[[str], None], places: Places
) -> None:
    bob.get("/people")
    none_for(kind)
    for accept in ("text/html", "application/json"):
        answer = bob.client.post("/people/new", data={"name": "Anna"}, headers={"Accept": accept})
        assert answer.status_code == (503 if kind == EVERYONE else 429)
        assert answer.headers["Retry-After"] == "5"
        assert holding.WORDS[kind] in answer.text
        assert answer.is_json == (accept == "application/json")
    assert bob.get("/people").status_code == 200
    assert len(places) == 0


@pytest.mark.parametrize("kind", [STRANGERS, STRANGERS_OF_ADDRESS])
def test_who_has_no_account_takes_no_place_of_those_who_have(
    kind: str,
    registry: Program,
    bob: Visitor,
    app: Flask,
    none_for: Callable[[str], None],
) -> None:
    bob.get("/people")
    none_for(kind)
    stranger = app.test_client()
    refused = stranger.post("/login", data={"email": "anybody"})
    assert refused.status_code == (503 if kind == STRANGERS else 429)
    assert holding.WORDS[kind] in refused.text
    # They are told so before their body is read, and take no place.
    assert stranger.post("/api/v1/people", data=b"no key").status_code == 401
    answer = registry.post_form("/people", {"external_id": "A1", "name": "Anna"}, {"photos": [picture()]})
    assert answer.status_code == 202
    enrol(bob, "Bert", "A2", picture(2))
    # The other way around, too.
    none_for(EVERYONE)
    LIMITS[kind] = 1
    assert stranger.post("/login", data={"email": "anybody"}).status_code == 400


def test_places_are_given_back_whatever_becomes_of_the_request(
    registry: Program, bob: Visitor, client: FlaskClient, places: Places
) -> None:
    registry.post_form("/people", {"external_id": "A1", "name": "Anna"}, {"photos": [picture()]})
    registry.post_form("/people", {}, {})
    registry.send("POST", "/people", data=b"no form", content_type="multipart/form-data")
    client.post("/api/v1/people", data=b"no key")
    client.post("/people/new", data={"name": "nobody"})
    bob.client.post("/people/new", data={"name": "no token"})
    assert len(places) == 0


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_large_answer_holds_a_place_until_it_is_read_and_lies_on_the_disk(
    streamed: bool, app: Flask, places: Places, none_for: Callable[[str], None]
) -> None:
    @app.get("/large")
    @public
    def large() -> Response:
        return Response(iter([LARGE]) if streamed else LARGE, headers={"ETag": "large"})

    answer = app.test_client().get("/large", buffered=False)
    assert not isinstance(answer.response, list)
    assert len(places) == 1
    assert answer.data == LARGE
    answer.close()
    assert len(places) == 0
    assert app.test_client().head("/large").status_code == 200
    none_for(STRANGERS_OF_ADDRESS)
    refused = app.test_client().get("/large")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert "ETag" not in refused.headers
    assert "Content-Security-Policy" in refused.headers
    assert "under way at once" in refused.text
    assert app.test_client().get("/healthz").status_code == 200


class Watched:
    """A body that sees whether a connection to the database waits for it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.held: list[bool] = []

    def read(self, size: int) -> bytes:
        self.held.append(db.session().in_transaction())
        piece, self._content = self._content[:1000], self._content[1000:]
        return piece

    def close(self) -> None:
        pass


def test_nobodys_connection_waits_for_a_body(registry: Program) -> None:
    photo = picture() + bytes(20_000)
    data = {"external_id": "A1", "name": "Anna", "photos": (BytesIO(photo), "a.jpg")}
    environ = EnvironBuilder(method="POST", data=data).get_environ()
    body = Watched(environ["wsgi.input"].read())
    kind_and_length = {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH")}
    as_served = {"wsgi.input": body, "wsgi.input_terminated": True, **kind_and_length}
    answer = registry.send("POST", "/people", environ_overrides=as_served)
    assert answer.status_code == 202
    assert len(body.held) > 20
    assert not any(body.held)


@pytest.mark.parametrize(("path", "status"), [("/login", 408), ("/people/new", 400)])
def test_a_form_without_files_has_a_time_in_all_and_an_upload_has_not(
    path: str, status: int, bob: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload is lost only as its client hangs up."""
    monkeypatch.setattr(bodies, "FORM_S", 0)
    bob.get("/people")
    client, server = socket.socketpair()
    with client, server:
        client.sendall(b"email=")
        client.shutdown(socket.SHUT_WR)
        as_served = {
            "wsgi.input": GunicornBody(LengthReader(Unreader(server), 1000)),
            "CONTENT_LENGTH": "1000",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
        }
        who = bob.client if path == "/people/new" else bob.client.application.test_client()
        assert who.post(path, environ_overrides=as_served).status_code == status


def test_a_body_is_not_read_while_something_is_being_written(session: Session) -> None:
    session.add(Person())
    with pytest.raises(RuntimeError, match="Nobody waits"):
        Body(Watched(b"")).read()  # type: ignore[arg-type]
    session.expunge_all()
