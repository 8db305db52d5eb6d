"""After a change of how names are compared everybody's words are made again; they are found meanwhile."""

from __future__ import annotations

import pytest
from alembic import command
from flask import Flask
from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from portal.database import writing
from portal.organizations.models import Organization
from portal.people import renewing
from portal.people.models import Person, PersonWord, TermsRenewal
from portal.people.services import change_person, list_people
from tests.databases import on_both_databases
from tests.make.merges import merge
from tests.make.people import TESTER, add_person
from tests.run.workers import Worker, sweep


def found(session: Session, organization: Organization, query: str) -> list[str]:
    session.rollback()  # what others have committed is seen
    return [person.external_id for person in list_people(session, organization, query).items]


def migrate_from_before(app: Flask, session: Session, words: dict[int, set[str]]) -> None:
    """Let these people have words of the earlier version, and the migration come."""
    with writing(session):
        session.execute(delete(PersonWord).where(PersonWord.person_id.in_(words)))
        rows = [
            {
                "person_id": person_id,
                "word": word,
                "organization_id": session.get_one(Person, person_id).organization_id,
            }
            for person_id, theirs in words.items()
            for word in theirs
        ]
        session.execute(insert(PersonWord), rows)
    session.rollback()
    config = app.extensions["migrate"].migrate.get_config()
    command.downgrade(config, "0014")
    command.upgrade(config, "head")


@on_both_databases
def test_people_are_found_before_and_after_their_words_are_made_again(
    app: Flask, session: Session, clinic: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "AT_ONCE", 2)
    people = [
        add_person(session, clinic, external_id, name)
        for external_id, name in {
            "A1": "Søren",
            "A2": "کریمی",
            "A3": "王小明",
            "000123": "Anna",
            "A5": "Łukasz",
        }.items()
    ]
    merge(session, people[3], people[4])
    migrate_from_before(
        app,
        session,
        {
            people[0].id: {"søren", "a1"},
            people[1].id: {"کریمی", "a2"},
            people[2].id: {"王小明", "a3"},
            people[3].id: {"anna", "000123", "łukasz", "a5"},
        },
    )
    add_person(session, clinic, "B1", "Søren")
    # What found people finds them still, and who came or changed since is found as well.
    assert sorted(found(session, clinic, "Søren")) == ["A1", "B1"]
    assert found(session, clinic, "کریمی") == ["A2"]
    assert found(session, clinic, "Łukasz") == ["000123"]
    assert found(session, clinic, "soren") == ["B1"]
    change_person(session, clinic, TESTER, session.get_one(Person, people[0].id), name="Sørine")
    assert found(session, clinic, "Sorine") == ["A1"]
    slices = 1
    while renewing.renew_some(session):
        slices += 1
    assert slices == 4
    assert renewing.are_renewed(session)
    for query, expected in {
        "soren": ["B1"],
        "sorine": ["A1"],
        "كريمي": ["A2"],
        "小明": ["A3"],
        "123": ["000123"],
        "lukasz": ["000123"],
        "Łukasz": ["000123"],
        "": ["000123", "B1", "A1", "A2", "A3"],
    }.items():
        assert found(session, clinic, query) == expected, query
    assert not renewing.renew_some(session)


def test_workers_make_the_words_again(
    app: Flask, session: Session, clinic: Organization, worker: Worker
) -> None:
    person = add_person(session, clinic, "A1", "Łukasz")
    with writing(session):
        session.execute(update(PersonWord).where(PersonWord.word == "lukasz").values(word="łukasz"))
        session.add(TermsRenewal(done_to=0, last_id=person.id))
    assert found(session, clinic, "lukasz") == []
    sweep(app)
    worker.work()
    assert found(session, clinic, "lukasz") == ["A1"]
    assert renewing.are_renewed(session)
