"""The contract: complete, readable, and not changed unnoticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.api import document
from tests.visitor import Visitor

PROMISED = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"


def served(client: FlaskClient) -> Any:
    """The contract, which is long enough to lie on the disk until it is read."""
    with client.get("/api/v1/openapi.json") as answer:
        return answer.get_json()


def test_the_contract_is_the_one_that_was_promised(client: FlaskClient) -> None:
    """After a change that programs can live with, what is served becomes docs/openapi.json."""
    assert served(client) == json.loads(PROMISED.read_text())


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/api/v1/docs"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_the_contract_is_made_once_and_not_sent_to_who_has_it(
    path: str, coding: str, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Accept-Encoding": coding}
    with client.get(path, headers=headers) as first:
        tag, content = first.headers["ETag"], first.data
        assert first.headers["Cache-Control"] == "no-cache"
    monkeypatch.setattr(document, "document", None)
    with client.get(path, headers=headers) as second:
        assert (second.headers["ETag"], second.data) == (tag, content)
    with client.get(path, headers=headers | {"If-None-Match": tag}) as third:
        assert (third.status_code, third.data) == (304, b"")


def test_every_operation_says_what_it_does_takes_and_answers(client: FlaskClient) -> None:
    contract = served(client)
    assert contract["openapi"].startswith("3.1")
    operations = [one for methods in contract["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) > 0
    for one in operations:
        assert one["summary"].endswith("."), one["operationId"]
        assert {"401", "403"} <= one["responses"].keys()
        assert ("404" in one["responses"]) == any(part.get("in") == "path" for part in one["parameters"])
        assert any(status.startswith("2") for status in one["responses"])


def test_every_operation_says_which_headers_it_takes_and_answers(client: FlaskClient) -> None:
    contract = served(client)
    headers = contract["components"]["headers"].keys()
    for methods in contract["paths"].values():
        for method, one in methods.items():
            taken = {part["$ref"].rpartition("/")[2] for part in one["parameters"] if "$ref" in part}
            assert taken <= contract["components"]["parameters"].keys()
            assert ("Idempotency-Key" in taken) == (method == "post")
            assert ("If-None-Match" in taken) == ("304" in one["responses"])
            assert ("If-Match" in taken) == ("412" in one["responses"])
            for status, answer in one["responses"].items():
                assert {"X-Request-Id"} <= answer["headers"].keys() <= headers
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"]
            if "304" in one["responses"]:
                assert "ETag" in one["responses"]["200"]["headers"]


def test_the_page_shows_every_operation_without_a_script(browser: Visitor) -> None:
    assert browser.get("/api/v1/docs").status_code == 200
    contract = served(browser.client)
    for path, methods in contract["paths"].items():
        for method, one in methods.items():
            section = browser.one(f"#{one['operationId']}").get_text(" ")
            assert f"{method.upper()} {path}" in section
            assert one["summary"].replace("`", "") in section


def test_what_is_not_there_is_told_as_a_problem(client: FlaskClient) -> None:
    missing, wrong = client.get("/api/v1/nothing"), client.post("/api/v1/photos/1")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert wrong.headers["Allow"]
    for answer in (missing, wrong):
        assert answer.content_type == "application/problem+json"
        assert answer.get_json()["request_id"] == answer.headers["X-Request-Id"]
