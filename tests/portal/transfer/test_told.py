"""What other programs hear of an import: changes of people, and no news of what had happened before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.database import now, writing
from portal.duplicates.judging import decide
from portal.enrolment.work import note_late
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.models import Person
from portal.people.services import list_changed
from portal.photos.models import Photo
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.make.exports import export, take
from tests.make.pairs import add_pair
from tests.make.people import TESTER
from tests.make.webhooks import add_endpoint, written
from tests.portal.conftest import Enrolled


@pytest.fixture
def elsewhere(session: Session) -> Organization:
    """Where the clinic moves; a program hears of everything there."""
    organization = create_organization(session, TESTER, "Elsewhere")
    add_endpoint(session, organization)
    return organization


def mark_enrolled(session: Session) -> None:
    """As the workers do when the last photo of everybody is done."""
    with writing(session):
        session.execute(update(Person).values(enrolled_at=Person.created_at))


@on_both_databases
def test_what_had_happened_is_no_news_and_open_pairs_are(
    session: Session, clinic: Organization, elsewhere: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    ben, cleo, dora = enrolled("Ben"), enrolled("Cleo"), enrolled("Dora")
    failed = enrolled("Emil")
    decide(session, TESTER, add_pair(session, ben, cleo, 0.7), PairStatus.DISTINCT)
    add_pair(session, cleo, dora, 0.8)
    with writing(session):
        values = {"state": WorkState.FAILED, "reason": "no_face", "main_face_id": None}
        session.execute(update(Photo).where(Photo.id == failed.id).values(values))
    mark_enrolled(session)
    take(session, elsewhere, export(session, clinic, tmp_path / "export.zip"))
    note_late(session)  # the sweep
    pair = session.scalars(
        select(DuplicatePair).where(
            DuplicatePair.organization_id == elsewhere.id, DuplicatePair.status == PairStatus.OPEN
        )
    ).one()
    assert written(session) == [
        ("duplicate.found", {"pair_id": pair.id, "person_ids": [pair.a_id, pair.b_id]})
    ]


def test_decision_that_holds_for_an_open_pair_is_told(
    session: Session, clinic: Organization, elsewhere: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    pair = add_pair(session, enrolled("Ben"), enrolled("Cleo"), 0.7)
    mark_enrolled(session)
    take(session, elsewhere, export(session, clinic, tmp_path / "open.zip"))
    decide(session, TESTER, pair, PairStatus.DISTINCT)
    take(session, elsewhere, export(session, clinic, tmp_path / "decided.zip"))
    told = [(kind, data["pair_id"], data.get("status")) for kind, data in written(session)]
    here = session.scalars(
        select(DuplicatePair.id).where(DuplicatePair.organization_id == elsewhere.id)
    ).one()
    assert told == [("duplicate.found", here, None), ("duplicate.decided", here, "distinct")]


def test_people_who_came_in_are_changes(
    session: Session,
    clinic: Organization,
    elsewhere: Organization,
    enrolled: Enrolled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal.paging.SETTLED", timedelta(0))
    for name in ("Ben", "Cleo"):
        enrolled(name)
    path = export(session, clinic, tmp_path / "export.zip")
    asked = now()
    take(session, elsewhere, path)
    changed = list_changed(session, elsewhere, asked, None, 10)
    assert [person.external_id for person in changed.items] == ["Ben", "Cleo"]
