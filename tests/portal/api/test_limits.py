"""How much a program may ask, and how it is told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from portal import create_app
from portal.api import limits
from portal.extensions import db
from portal.keys.models import Scope
from portal.organizations.models import Organization
from portal.settings import Settings
from tests.program import Program, program


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of an installation that allows few requests."""
    return replace(settings, api_rate=3)


def test_who_asks_too_much_is_told_when_to_ask_again(
    app: Flask, clinic: Organization, registry: Program
) -> None:
    answers = [registry.get("/people") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"requests";q=3;w=60'}
    left = [re.fullmatch(r'"requests";r=(\d);t=(\d+)', answer.headers["RateLimit"]) for answer in answers]
    assert [one and int(one[1]) for one in left] == [2, 1, 0, 0]
    assert all(one and 0 < int(one[2]) <= 60 for one in left)
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].content_type == "application/problem+json"
    assert "Retry-After" in answers[-1].get_json()["detail"]
    # Each key has its own.
    assert program(app, clinic, Scope.READ, name="Other").get("/people").status_code == 200


def test_who_sends_wrong_keys_is_told_to_stop_and_right_ones_are_not(app: Flask, registry: Program) -> None:
    nobody = Program(app, "nonsense")
    answers = [nobody.get("/people") for _ in range(limits.REFUSALS_PER_MINUTE + 1)]
    assert [answer.status_code for answer in answers] == [401] * limits.REFUSALS_PER_MINUTE + [429]
    assert answers[0].headers["RateLimit-Policy"] == f'"refusals";q={limits.REFUSALS_PER_MINUTE};w=60'
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert registry.get("/people").status_code == 200


def test_without_redis_the_limit_holds_all_the_same(
    settings: Settings, registry: Program, tmp_path: Path
) -> None:
    app = create_app(replace(settings, redis_url=f"unix://{tmp_path}/nowhere.sock"))
    token = registry.headers["Authorization"].removeprefix("Bearer ")
    answers = [Program(app, token).get("/people") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit"].startswith('"requests";r=2;')
    with app.app_context():
        db.engine.dispose()
