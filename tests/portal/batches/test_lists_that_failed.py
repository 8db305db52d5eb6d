"""Lists that offices have sent and that were misread: who is enrolled by them, and what is held up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.columns import Column
from portal.batches.importing import find_photos, find_source, import_source
from portal.batches.list_lines import ManifestError
from portal.batches.manifest import UnclearColumns
from portal.batches.models import Batch, KnownPeople
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.storage import photo_store
from tests.make.batches import drop_zip, finish
from tests.make.people import TESTER
from tests.read.batches import fates, people
from tests.run.workers import Worker
from tests.visitor import Visitor


def names(session: Session) -> dict[str, str]:
    session.rollback()
    return {one.external_id: one.name for one in session.scalars(select(Person))}


def hand_over(
    session: Session, organization: Organization, path: Path, columns: list[Column] | None = None
) -> int:
    source = find_source(path)
    photos = find_photos(source, columns)
    batch = import_source(
        session,
        organization,
        TESTER,
        source,
        photos,
        photo_store(),
        grouping=None,
        label=None,
        known=KnownPeople.ADD,
        tell=lambda total, done: None,
        columns=columns,
    )
    return batch.id


@pytest.mark.parametrize(
    ("case", "enrolled"),
    [
        ("list_name_surname", {"II01": "Anna Ihle", "II02": "Bo Holm"}),
        ("list_student_id", {"H001": "Anna Holm"}),
        ("list_sep_line", {"D001": "Anna Dahl"}),
        ("list_is_xlsx", {"E7001": "Anna Lind", "E7002": "Bo Lind"}),
        ("list_windows_paths", {"O001": "Anna Ost"}),
        ("list_no_extension", {"Q001": "Anna Quist", "Q002": "Bo Quist"}),
        ("list_invisible_id", {"Y001": "Anna Ygg"}),
        ("list_excel_errors", {}),
        ("list_scientific_ids", {}),
        ("cli_list_loose_names", {"IM1": "Anna One", "IM2": "Jörg Two", "IM3": "Cy Three"}),
        ("cli_list_loose_names/list.csv", {"IM1": "Anna One", "IM2": "Jörg Two", "IM3": "Cy Three"}),
    ],
)
def test_who_is_enrolled(
    session: Session,
    clinic: Organization,
    worker: Worker,
    cases: Path,
    case: str,
    enrolled: dict[str, str],
) -> None:
    batch = hand_over(session, clinic, cases / case)
    finish(worker)
    assert names(session) == enrolled
    assert {fate.split()[0] for fate in fates(session, batch).values()} == (
        {"enrolled"} if enrolled else {"attention"}
    )
    if case == "list_invisible_id":
        assert people(session) == {"Y001": 2}
    if not enrolled:
        assert set(fates(session, batch).values()) == {"attention damaged_cell"}


def test_which_of_two_columns_is_the_id_is_asked_before_anything_is_begun(
    session: Session, clinic: Organization, worker: Worker, cases: Path
) -> None:
    with pytest.raises(UnclearColumns, match="Several columns could be the external ID"):
        hand_over(session, clinic, cases / "list_number_then_id")
    assert session.scalar(select(Batch)) is None
    chosen = [Column.NOT_USED, Column.EXTERNAL_ID, Column.NAME, Column.PHOTO]
    hand_over(session, clinic, cases / "list_number_then_id", chosen)
    finish(worker)
    assert names(session) == {"KX77": "Anna Ask", "KX78": "Bo Berg"}


def test_a_spreadsheet_that_can_not_be_read_stops_everything(
    session: Session, clinic: Organization, cases: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "staff"
    shutil.copytree(cases / "list_is_xlsx", folder)
    (folder / "staff list.xlsx").write_bytes(b"PK\x03\x04" + bytes(300))
    with pytest.raises(ManifestError, match="The spreadsheet can't be read"):
        hand_over(session, clinic, folder)
    assert session.scalar(select(Batch)) is None


def test_a_list_in_a_zip_that_can_not_be_read_stops_everything(
    session: Session, bob: Visitor, worker: Worker, cases: Path
) -> None:
    batch = drop_zip(bob, (cases / "zip_xlsxinside.zip").read_bytes())
    finish(worker)
    assert names(session) == {}
    assert fates(session, batch) == {}
    bob.get(f"/enrol/{batch}")
    assert "export/list.xlsx: The spreadsheet can't be read" in bob.page.get_text(" ")
    assert "CSV UTF-8" in bob.page.get_text(" ")
