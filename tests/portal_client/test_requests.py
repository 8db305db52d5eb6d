"""What is sent, and how answers are read, by both clients."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from portal_client.models import Person

from portal_client import (
    AsyncClient,
    Client,
    Forbidden,
    Invalid,
    PreconditionFailed,
    Refused,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
    Upload,
)
from tests.portal_client.answers import FOUND, IN_LIST, MOMENT, PERSON, problem
from tests.portal_client.conftest import KEY, Both
from tests.run.scripted_server import Reply, ScriptedServer

SEARCH = {
    "id": 3,
    "status": "queued",
    "reason": None,
    "message": None,
    "processing_ms": dict.fromkeys(("decode", "detect", "embed", "search", "total")),
    "faces": [],
    "people_compared": None,
    "threshold": None,
    "created_at": MOMENT,
}


def part(name: str, content: str) -> bytes:
    """A field of a form, as it is sent."""
    return f'name="{name}"\r\n\r\n{content}\r\n'.encode()


def photo(field: str, file_name: str, content: bytes) -> bytes:
    """A photo in a form, as it is sent."""
    head = f'name="{field}"; filename="{file_name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return head.encode() + content + b"\r\n"


def test_the_key_goes_along(server: ScriptedServer, client: Both) -> None:
    server.answers(FOUND)
    client.call("get_person", 7)
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/api/v1/people/7")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.headers["User-Agent"].startswith("face-portal-client/")


def test_the_portal_may_be_below_a_path(server: ScriptedServer) -> None:
    server.answers(FOUND)
    for url in (f"{server.url}/portal", f"{server.url}/portal/"):
        Both(url, is_async=False).call("get_person", 7)
    assert {asked.path for asked in server.asked} == {"/portal/api/v1/people/7"}


@pytest.mark.parametrize("url", ["portal.example.org", "ftp://portal.example.org", ""])
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match="not the address of a portal"):
            kind(url, KEY)


@pytest.mark.parametrize("key", ["", "fpk_\n", "fpk_é"])
def test_what_is_no_key_is_told_at_once(server: ScriptedServer, key: str) -> None:
    with pytest.raises(ValueError, match="API key"):
        Client(server.url, key)


def test_photos_come_as_paths_bytes_and_streams(server: ScriptedServer, client: Both, tmp_path: Path) -> None:
    path = tmp_path / "Anna Bérg.jpg"
    path.write_bytes(b"by path")
    stream = io.BytesIO(b"left out, by stream")
    stream.seek(10)
    named = Upload(io.BytesIO(b"with a name"), "new.jpg")
    server.answers(Reply(503, {}), Reply(201, PERSON))
    with open(path, "rb") as file:
        client.call("enrol_person", "A-7", "Anna", [path, str(path), b"by bytes", stream, named, file])
    # All of it once more in the second attempt.
    for asked in server.asked:
        assert part("external_id", "A-7") in asked.body
        assert part("name", "Anna") in asked.body
        assert asked.body.count(photo("photos", "Anna Bérg.jpg", b"by path")) == 3
        for name, content in (
            ("photo", b"by bytes"),
            ("photo", b"by stream"),
            ("new.jpg", b"with a name"),
        ):
            assert photo("photos", name, content) in asked.body
        assert "Content-Length" in asked.headers


def test_one_photo_needs_no_list(server: ScriptedServer, client: Both, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"photo")
    server.answers(Reply(201, PERSON))
    client.call("add_photos", 7, str(tmp_path / "a.jpg"))
    assert server.asked[0].body.count(b"filename=") == 1


def test_a_file_that_is_not_there_is_told_and_nothing_sent(server: ScriptedServer, client: Both) -> None:
    with pytest.raises(FileNotFoundError):
        client.call("add_photos", 7, "no-such.jpg")
    assert server.asked == []


def test_what_a_search_is_to_find_goes_along(server: ScriptedServer, client: Both) -> None:
    server.answers(Reply(202, SEARCH))
    search = client.call(
        "create_search", b"photo", limit=5, min_score=-0.5, all_faces=True, restrict_to=["A-1", "A-2"], wait=2
    )
    assert (search.status, search.processing_ms.total) == ("queued", None)
    (asked,) = server.asked
    assert asked.path == "/api/v1/searches?wait=2"
    fields = [("limit", "5"), ("min_score", "-0.5"), ("all_faces", "true"), ("restrict_to", "A-1")]
    for name, value in [*fields, ("restrict_to", "A-2")]:
        assert part(name, value) in asked.body
    assert b"restrict_to_batch" not in asked.body


def test_one_text_is_no_list_of_external_ids(server: ScriptedServer, client: Both) -> None:
    with pytest.raises(TypeError, match="restrict_to"):
        client.call("create_search", b"photo", restrict_to="A-1")


def test_a_template_may_stand_for_a_photo(server: ScriptedServer, client: Both) -> None:
    server.answers(problem(422))
    with pytest.raises(Invalid):
        client.call("verify_person", 7, template=b"\x00\x00\x80?", face_model="9f86")
    assert part("template", "AACAPw==") in server.asked[0].body
    assert part("face_model", "9f86") in server.asked[0].body


def test_a_list_is_fetched_page_by_page(server: ScriptedServer, client: Both) -> None:
    pages = [
        {"items": [IN_LIST, IN_LIST | {"id": 8}], "next_cursor": "at 8"},
        {"items": [], "next_cursor": "at 9"},
        {"items": [IN_LIST | {"id": 9}], "next_cursor": None},
    ]
    server.answers(*(Reply(200, page) for page in pages))
    assert [person.id for person in client.call("list_people", "anna & co", limit=2)] == [7, 8, 9]
    assert [asked.path for asked in server.asked] == [
        "/api/v1/people?query=anna+%26+co&limit=2",
        "/api/v1/people?query=anna+%26+co&limit=2&cursor=at+8",
        "/api/v1/people?query=anna+%26+co&limit=2&cursor=at+9",
    ]


def test_a_list_of_which_nothing_is_taken_asks_for_nothing(server: ScriptedServer) -> None:
    with Client(server.url, KEY) as client:
        client.list_people()
    assert server.asked == []


def test_a_change_can_depend_on_what_was_read(server: ScriptedServer, client: Both) -> None:
    server.answers(Reply(200, PERSON, {"ETag": '"1"'}), problem(412, "It was changed meanwhile."))
    person: Person = client.call("get_person", 7)
    assert person.etag == '"1"'
    with pytest.raises(PreconditionFailed, match="changed meanwhile"):
        client.call("change_person", 7, name="Anna Borg", if_match=person.etag)
    assert server.asked[1].headers["If-Match"] == '"1"'
    assert server.asked[1].body == b'{"name":"Anna Borg"}'


def test_answers_are_models_and_unknown_fields_are_passed_over(server: ScriptedServer, client: Both) -> None:
    newer: dict[str, Any] = PERSON | {"nickname": "Annie", "next": {"of": ["kin"]}}
    server.answers(Reply(200, newer))
    moment = datetime(2026, 11, 28, 17, tzinfo=UTC)
    assert client.call("get_person", 7) == Person(7, "A-7", "Anna Berg", moment, moment, None, [])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Reply(200, b"<p>Welcome", {"Content-Type": "text/html"}), "text/html, not with JSON"),
        (Reply(200, []), r"answer is \[\]"),
        (Reply(200, {"id": 7}), "has no external_id"),
        (Reply(200, PERSON | {"id": "7"}), r"answer.id is '7'"),
        (Reply(200, PERSON | {"id": True}), "answer.id is True"),
        (Reply(200, PERSON | {"created_at": "yesterday"}), "answer.created_at is 'yesterday'"),
        (Reply(200, PERSON | {"photos": [{}]}), r"answer.photos\[0\] has no id"),
        (Reply(200, PERSON | {"photos": None}), "answer.photos is None"),
    ],
)
def test_an_answer_that_is_none_of_the_portals_is_told(
    server: ScriptedServer, client: Both, answer: Reply, told: str
) -> None:
    server.answers(answer)
    with pytest.raises(UnexpectedAnswer, match=told):
        client.call("get_person", 7)


def test_a_refusal_says_what_is_wrong_with_which_field(server: ScriptedServer, client: Both) -> None:
    errors = [{"field": "name", "message": "Enter the name."}, {"field": "name", "message": "In letters."}]
    server.answers(problem(422, "Enter the name.", errors=errors, request_id="9f86"))
    with pytest.raises(Invalid) as refused:
        client.call("enrol_person", "A-7", "", b"photo")
    assert refused.value.by_field == {"name": ["Enter the name.", "In letters."]}
    assert (refused.value.status, refused.value.detail) == (422, "Enter the name.")
    assert refused.value.request_id == "9f86"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Unauthorized), (403, Forbidden), (500, ServerError), (418, Refused)]
)
def test_refusals_differ_by_their_status(
    server: ScriptedServer, client: Both, status: int, kind: type[Refused]
) -> None:
    server.answers(problem(status))
    with pytest.raises(Refused) as refused:
        client.call("get_person", 7)
    assert type(refused.value) is kind


def test_the_refusal_of_a_proxy_is_one_too(server: ScriptedServer, client: Both) -> None:
    server.answers(Reply(413, b"<h1>Request Entity Too Large</h1>", {"X-Request-Id": "9f86"}))
    with pytest.raises(Invalid, match="413") as refused:
        client.call("add_photos", 7, b"photo")
    assert refused.value.request_id == "9f86"


def test_nothing_follows_to_another_address(server: ScriptedServer, client: Both) -> None:
    server.answers(Reply(302, {}, {"Location": "http://elsewhere.example/"}))
    with pytest.raises(Refused, match="302"):
        client.call("get_person", 7)
