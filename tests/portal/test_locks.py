"""Rows are locked in one order, by one module: no two transactions can wait for each other in a circle."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

import jobs
import portal
from portal.database import writing
from portal.locks import lock, lock_rows
from portal.organizations.models import Organization
from portal.pairs.locking import lock_pairs
from portal.pairs.models import DuplicatePair
from portal.people.models import Person
from portal.photos.models import Photo
from tests.databases import on_both_databases
from tests.portal.conftest import Enrolled, Paired


@on_both_databases
def test_what_is_locked_too_late_is_refused(
    session: Session, clinic: Organization, enrolled: Enrolled
) -> None:
    photo = enrolled("Anna")
    with writing(session):
        lock_rows(session, select(Person.id))
        lock(session, photo)
    with writing(session):
        lock(session, photo)
        with pytest.raises(RuntimeError, match="Rows of person are locked before those of photo"):
            lock_rows(session, select(Person.id))


def test_pairs_are_locked_by_who_holds_the_pass(session: Session, paired: Paired) -> None:
    pair = paired("Anna", "Anne")
    with writing(session):
        with pytest.raises(RuntimeError, match="the organization's pass"):
            lock(session, pair)
        lock_pairs(session, pair.organization_id)
        lock_rows(session, select(Photo.id))
        lock_rows(session, select(DuplicatePair.id))


def test_nothing_is_locked_outside_of_a_writing_transaction(session: Session, clinic: Organization) -> None:
    with pytest.raises(RuntimeError, match="in a transaction that writes"):
        lock(session, session.get_one(Organization, clinic.id))


def test_no_other_module_locks_rows() -> None:
    modules = [file for room in (portal, jobs) for file in Path(room.__path__[0]).rglob("*.py")]
    assert [file.name for file in modules if "with_for_update" in file.read_text()] == ["locks.py"]
