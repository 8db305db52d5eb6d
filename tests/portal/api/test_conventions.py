"""What integrators know from other systems: ids of requests, compression, other origins."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from portal import logs
from portal.settings import Settings
from tests.portal.conftest import Enrolled
from tests.program import Program
from tests.visitor import Visitor

PAGE, OTHER = "https://intranet.example", "https://intranet.example.evil.example"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of an installation that names an origin."""
    return replace(settings, api_origins=(PAGE, "http://localhost:3000"))


@pytest.mark.parametrize("given", ["7f3a", "a b:c/" + "x" * 122])
def test_the_id_that_a_program_gives_a_request_comes_back_everywhere(given: str, app: Flask) -> None:
    answer = Program(app, None).send("GET", "/people", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == answer.get_json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "ä"])
def test_one_that_is_none_is_replaced(given: str, client: FlaskClient) -> None:
    new = client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert len(new) == 16
    assert new != given


def test_a_long_answer_is_compressed_and_its_tag_is_good_for_changes(
    registry: Program, enrolled: Enrolled
) -> None:
    for number in range(9):
        photo = enrolled(f"Anna {number}")
    plain = registry.get("/people")
    assert "Content-Encoding" not in plain.headers
    for coding in ("gzip", "zstd"):
        short = registry.send("GET", "/people", headers={"Accept-Encoding": coding})
        assert short.headers["Content-Encoding"] == coding
        assert "Accept-Encoding" in short.headers["Vary"]
        assert len(short.data) < len(plain.data)
    assert (
        gzip.decompress(registry.send("GET", "/people", headers={"Accept-Encoding": "gzip"}).data)
        == plain.data
    )

    address, coded = f"/people/{photo.person_id}", {"Accept-Encoding": "gzip"}
    name = {"name": "Anna " + "x" * 190, "external_id": "y" * 100}
    registry.send("PATCH", address, json=name)
    for number in range(3):
        registry.post_form(f"{address}/photos", {}, {"photos": [bytes([number])]})
    read = registry.send("GET", address, headers=coded)
    assert read.headers["Content-Encoding"] == "gzip"
    tag = read.headers["ETag"]
    assert registry.send("GET", address, headers={**coded, "If-None-Match": tag}).status_code == 304
    assert registry.send("DELETE", address, headers={"If-Match": tag}).status_code == 204


def test_what_is_short_or_a_page_with_a_form_is_not_compressed(registry: Program, alice: Visitor) -> None:
    coded = {"Accept-Encoding": "gzip, zstd"}
    assert "Content-Encoding" not in registry.send("GET", "/people", headers=coded).headers
    page = alice.client.get("/people/new", headers=coded)
    assert "csrf_token" in page.text
    assert "Content-Encoding" not in page.headers
    assert "Content-Encoding" in alice.client.get("/api/v1/openapi.json", headers=coded).headers


def preflight(client: FlaskClient, origin: str, path: str = "/api/v1/people") -> dict[str, str]:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, idempotency-key, x-other",
    }
    answer = client.options(path, headers=asked)
    assert answer.status_code == 200
    return {name.lower(): value for name, value in answer.headers.items() if name.startswith("Access-")}


def test_a_page_of_a_named_origin_may_use_the_api_without_cookies(
    client: FlaskClient, registry: Program
) -> None:
    allowed = preflight(client, PAGE)
    assert allowed["access-control-allow-origin"] == PAGE
    assert allowed["access-control-allow-headers"].lower() == "authorization, idempotency-key"
    assert "POST" in allowed["access-control-allow-methods"]
    answer = registry.send("GET", "/people", headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Origin" in answer.headers["Vary"]
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"ETag", "RateLimit", "Retry-After", "X-Request-Id"} <= set(exposed)
    refused = Program(client.application, None).send("GET", "/people", headers={"Origin": PAGE})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)
    for one in (answer, refused):
        assert "Access-Control-Allow-Credentials" not in one.headers


def test_no_other_origin_and_no_page(client: FlaskClient, registry: Program) -> None:
    assert preflight(client, OTHER) == preflight(client, PAGE, "/login") == {}
    answer = registry.send("GET", "/people", headers={"Origin": OTHER})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_log_of_a_request_has_its_id(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # The one there may keep what logs were when it was used first.
    monkeypatch.setattr(logs, "log", structlog.get_logger())
    with capture_logs([merge_contextvars]) as caught:
        client.get("/api/v1/people", headers={"X-Request-Id": "from the proxy"})
    lines = [(line["request_id"], line["status"]) for line in caught if line["event"] == "request"]
    assert lines == [("from the proxy", 401)]
