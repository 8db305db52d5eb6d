"""Two tabs, or two members, that change one person: the second is told, and nothing is undone silently."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.extensions import db
from portal.people.models import Person
from tests.databases import on_both_databases
from tests.make.people import add_person
from tests.visitor import Visitor

FIELDS = ("name", "external_id", "shown_name", "shown_external_id")


@pytest.fixture
def anna(app: Flask, bob: Visitor) -> str:
    """The page on which Anna is changed."""
    with app.app_context():
        return f"/people/{add_person(db.session(), bob.organization, 'A1', 'Anna').id}/edit"


def fields(visitor: Visitor) -> dict[str, str]:
    return {name: str(visitor.one(f"input[name={name}]")["value"]) for name in FIELDS}


def is_now(app: Flask) -> tuple[str, str]:
    with app.app_context():
        person = db.session.query(Person).one()
        return person.name, person.external_id


@on_both_databases
def test_the_second_is_told_and_keeps_what_was_typed(
    app: Flask, alice: Visitor, bob: Visitor, anna: str
) -> None:
    opened = {}
    for visitor in (alice, bob):
        visitor.get(anna)
        opened[visitor] = fields(visitor)
    assert alice.post(anna, {**opened[alice], "name": "Anna Bell"}).status_code == 302
    assert bob.post(anna, {**opened[bob], "name": "Anne", "external_id": "A2"}).status_code == 422
    notice = " ".join(bob.one("[data-changed-meanwhile]").get_text(" ").split())
    assert "Name: now Anna Bell , when you opened the form it was Anna" in notice
    assert "External ID" not in notice
    assert is_now(app) == ("Anna Bell", "A1")
    again = fields(bob)
    assert (again["name"], again["external_id"]) == ("Anne", "A2")
    # Having seen it, they decide.
    assert bob.post(anna, again).status_code == 302
    assert is_now(app) == ("Anne", "A2")


def test_what_was_not_touched_is_not_taken_back(app: Flask, alice: Visitor, bob: Visitor, anna: str) -> None:
    bob.get(anna)
    opened = fields(bob)
    assert alice.post(anna, {"name": "Anna", "external_id": "A9"}).status_code == 302
    assert bob.post(anna, {**opened, "name": "Anne"}).status_code == 422
    assert "External ID: now A9" in bob.text
    assert bob.post(anna, fields(bob)).status_code == 302
    assert is_now(app) == ("Anne", "A9")


def test_a_third_change_is_told_as_well(app: Flask, alice: Visitor, bob: Visitor, anna: str) -> None:
    bob.get(anna)
    typed = {**fields(bob), "name": "Anne"}
    for name in ("Anna Bell", "Anna Cole"):
        assert alice.post(anna, {"name": name, "external_id": "A1"}).status_code == 302
        assert bob.post(anna, typed).status_code == 422
        assert f"now {name}" in bob.text
        typed = fields(bob)
    assert is_now(app) == ("Anna Cole", "A1")


def test_two_who_make_the_same_change_agree(app: Flask, alice: Visitor, bob: Visitor, anna: str) -> None:
    bob.get(anna)
    opened = fields(bob)
    for visitor in (alice, bob):
        assert visitor.post(anna, {**opened, "name": "Anna Bell"}).status_code == 302
    assert is_now(app) == ("Anna Bell", "A1")


def test_what_is_wrong_with_a_field_is_said_and_the_form_knows_still_what_it_showed(
    app: Flask, alice: Visitor, bob: Visitor, anna: str
) -> None:
    bob.get(anna)
    assert bob.post(anna, {**fields(bob), "name": ""}).status_code == 422
    assert "Enter the name" in bob.text
    alice.post(anna, {"name": "Anna Bell", "external_id": "A1"})
    assert bob.post(anna, {**fields(bob), "name": "Anne"}).status_code == 422
    assert "now Anna Bell" in bob.text
