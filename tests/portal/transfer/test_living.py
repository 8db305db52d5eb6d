"""An export is taken into an organization where people live already: nobody is overwritten or made one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.calibration.choosing import Purpose, choose_threshold
from portal.duplicates.judging import decide
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.pairs.models import DuplicatePair, PairEvent, PairStatus
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.removal.services import delete_person
from portal.storage import photo_store
from portal.transfer.decisions import DECIDED_OTHERWISE, LEFT_OUT
from portal.transfer.importing import THRESHOLD_CHOSEN
from portal.transfer.matching import ALIAS_LEFT, ALIAS_TAKEN, MERGED_HERE, OTHER_NAME, TOO_MANY
from portal.transfer.report import NotTaken
from tests.databases import on_both_databases
from tests.make.exports import export, take
from tests.make.merges import merge
from tests.make.pairs import add_pair
from tests.make.people import TESTER, add_person, add_photo
from tests.portal.conftest import Enrolled


@pytest.fixture
def living(session: Session) -> Organization:
    """An organization that has people already."""
    return create_organization(session, TESTER, "Living")


def photos_of(session: Session, organization: Organization) -> dict[str, int]:
    """How many photos everybody has, by external id."""
    session.rollback()
    rows = session.execute(
        select(Person.external_id, Photo.id)
        .outerjoin(Photo, Photo.person_id == Person.id)
        .where(Person.organization_id == organization.id)
    ).all()
    return {name: sum(photo is not None for one, photo in rows if one == name) for name, _ in rows}


def reasons(rows: list[NotTaken]) -> set[tuple[str, str, str]]:
    return {(row.what, row.external_id, row.reason) for row in rows}


def test_same_person_gets_the_photos_that_are_missing(
    session: Session, clinic: Organization, living: Organization, anna: Person, tmp_path: Path
) -> None:
    here = add_person(session, living, "A1", "ANNA  Bell")
    add_photo(session, here, shade=2)
    add_photo(session, here, shade=50)
    taken = take(session, living, export(session, clinic, tmp_path / "export.zip"))
    assert photos_of(session, living) == {"A1": 3}
    assert (taken.people, taken.photos, taken.not_taken) == (0, 1, [])
    assert session.get_one(Person, here.id).name == "ANNA Bell"


def test_same_external_id_with_another_name_is_left_out(
    session: Session,
    clinic: Organization,
    living: Organization,
    anna: Person,
    enrolled: Enrolled,
    tmp_path: Path,
) -> None:
    add_pair(session, add_photo(session, anna, shade=70), enrolled("Ben"))
    here = add_photo(session, add_person(session, living, "A1", "Alan Barr"), shade=50)
    taken = take(session, living, export(session, clinic, tmp_path / "export.zip"))
    assert photos_of(session, living) == {"A1": 1, "Ben": 1}
    assert reasons(taken.not_taken) == {
        ("person", "A1", OTHER_NAME),
        ("photo", "A1", OTHER_NAME),
        ("pair", "", LEFT_OUT),
    }
    assert session.get_one(Person, here.person_id).name == "Alan Barr"


def test_person_who_was_merged_here_is_left_out(
    session: Session, clinic: Organization, living: Organization, anna: Person, tmp_path: Path
) -> None:
    kept, gone = add_person(session, living, "K1", "Kept"), add_person(session, living, "A1", "Anna Bell")
    merge(session, kept, gone)
    taken = take(session, living, export(session, clinic, tmp_path / "export.zip"))
    assert photos_of(session, living) == {"K1": 0, "A1": 0}
    assert {row.reason for row in taken.not_taken} == {MERGED_HERE}


def test_people_who_are_two_here_are_not_made_one(
    session: Session, clinic: Organization, living: Organization, anna: Person, anne: Person, tmp_path: Path
) -> None:
    merge(session, anna, anne)
    add_person(session, living, "A1", "Anna Bell")
    add_person(session, living, "B1", "Anne Ball")
    taken = take(session, living, export(session, clinic, tmp_path / "export.zip"))
    assert photos_of(session, living) == {"A1": 0, "B1": 0}
    assert {row.reason for row in taken.not_taken} == {ALIAS_TAKEN}
    assert len(taken.not_taken) == 2 + 5


def test_merge_with_someone_who_is_here_is_not_repeated(
    session: Session, clinic: Organization, living: Organization, anna: Person, anne: Person, tmp_path: Path
) -> None:
    merge(session, anna, anne)
    add_person(session, living, "A1", "Anna Bell")
    taken = take(session, living, export(session, clinic, tmp_path / "export.zip"))
    assert photos_of(session, living) == {"A1": 4}
    assert reasons(taken.not_taken) == {("alias", "B1", ALIAS_LEFT)}


def test_no_one_gets_more_photos_than_a_person_can_have(
    session: Session, clinic: Organization, living: Organization, anna: Person, tmp_path: Path
) -> None:
    here = add_person(session, living, "A1", "Anna Bell")
    for shade in range(100, 119):
        add_photo(session, here, shade=shade)
    taken = take(session, living, export(session, clinic, tmp_path / "export.zip"))
    assert photos_of(session, living) == {"A1": 20}
    assert reasons(taken.not_taken) == {("photo", "A1", TOO_MANY)}


@on_both_databases
def test_what_was_decided_here_stays(
    session: Session, clinic: Organization, living: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    ben, cleo, dora = enrolled("Ben"), enrolled("Cleo"), enrolled("Dora")
    decide(session, TESTER, add_pair(session, ben, cleo, 0.5), PairStatus.DISTINCT, "there")
    decide(session, TESTER, add_pair(session, cleo, dora, 0.5), PairStatus.DISTINCT, "carried over")
    path = export(session, clinic, tmp_path / "export.zip")
    take(session, living, path)
    mine = list(
        session.scalars(
            select(DuplicatePair).where(DuplicatePair.organization_id == living.id).order_by(DuplicatePair.id)
        )
    )
    for pair, status in zip(mine, (PairStatus.DUPLICATE, PairStatus.OPEN), strict=True):
        pair.status = status
        pair.decided_score = None if status == PairStatus.OPEN else 0.5
    session.commit()
    taken = take(session, living, path)
    session.expire_all()
    assert [pair.status for pair in mine] == [PairStatus.DUPLICATE, PairStatus.DISTINCT]
    assert mine[1].note == "carried over"
    assert {row.reason for row in taken.not_taken} == {DECIDED_OTHERWISE}


def test_threshold_that_was_chosen_here_stays(
    session: Session, clinic: Organization, living: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    enrolled("Ben")
    choose_threshold(session, session.get_one(Organization, clinic.id), TESTER, Purpose.SEARCH, 0.45)
    choose_threshold(session, living, TESTER, Purpose.SEARCH, 0.6)
    taken = take(session, living, export(session, clinic, tmp_path / "export.zip"))
    assert living.search_threshold == 0.6
    assert [row.reason for row in taken.not_taken] == [THRESHOLD_CHOSEN]


@on_both_databases
def test_doing_it_twice_changes_nothing(
    session: Session,
    clinic: Organization,
    living: Organization,
    anna: Person,
    anne: Person,
    enrolled: Enrolled,
    tmp_path: Path,
) -> None:
    merge(session, anna, anne)
    decide(session, TESTER, add_pair(session, enrolled("Ben"), enrolled("Cleo")), PairStatus.DISTINCT)
    path = export(session, clinic, tmp_path / "export.zip")
    take(session, living, path)
    before = counts(session, living)
    again = take(session, living, path)
    assert counts(session, living) == before
    assert (again.people, again.photos, again.pairs, again.not_taken) == (0, 0, 0, [])
    assert len(set(photo_store().keys(1e12))) == 2 * sum(photos_of(session, living).values())


def test_person_deleted_here_comes_again_with_their_decisions(
    session: Session, clinic: Organization, living: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    decide(session, TESTER, add_pair(session, enrolled("Ben"), enrolled("Cleo"), 0.5), PairStatus.DISTINCT)
    path = export(session, clinic, tmp_path / "export.zip")
    take(session, living, path)
    ben = session.scalars(
        select(Person).where(Person.external_id == "Ben", Person.organization_id == living.id)
    ).one()
    delete_person(session, living, TESTER, ben, photo_store())
    take(session, living, path)
    pair = session.scalars(select(DuplicatePair).where(DuplicatePair.organization_id == living.id)).one()
    assert pair.status == PairStatus.DISTINCT
    # Cleo's face was there before: it is found by its photo and template.
    assert None not in (pair.face_a_id, pair.face_b_id)


def counts(session: Session, organization: Organization) -> list[int]:
    session.rollback()
    return [
        len(session.scalars(select(table.id).where(table.organization_id == organization.id)).all())
        for table in (Person, Photo, Face, DuplicatePair, PairEvent)
    ]
