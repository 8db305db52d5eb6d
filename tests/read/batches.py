"""What became of a batch: on its page, and in the rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.batches.models import Batch, BatchArchive, BatchItem, ItemState
from portal.batches.progress import count_items
from portal.people.models import Person
from portal.photos.models import Photo
from portal.search.models import Search
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.visitor import Visitor

ENDS = {
    ItemState.ENROLLED,
    ItemState.ADDED,
    ItemState.ALREADY_THERE,
    ItemState.ATTENTION,
    ItemState.UNDONE,
}


def progress(visitor: Visitor, batch: int) -> dict[str, str]:
    """What the polled part of a batch's page says: status, moves, and counts by their names."""
    assert visitor.get(f"/enrol/{batch}/progress").status_code == 200
    part = visitor.page.select_one("#progress")
    assert part is not None
    return {
        "status": str(part["data-batch-status"]),
        "moves": "yes" if part.has_attr("hx-get") else "no",
        **{
            name.removeprefix("data-count-"): str(value)
            for name, value in part.attrs.items()
            if name.startswith("data-count-")
        },
    }


def counted(visitor: Visitor, batch: int) -> dict[str, int]:
    """The counts on a batch's page that are not zero, without the total."""
    found = progress(visitor, batch)
    names = [name for name in found if name not in {"status", "moves", "total", "to-check"}]
    assert sum(int(found[name]) for name in names) == int(found["total"])
    return {name: int(found[name]) for name in names if found[name] != "0"}


def fates(session: Session, batch: int) -> dict[str, str]:
    """What became of each photo of a batch: its state, and the reason if there is one."""
    return dict(all_fates(session, batch))


def all_fates(session: Session, batch: int) -> list[tuple[str, str]]:
    """As `fates`, also where two photos have one path, in the order of the items."""
    session.rollback()
    rows = session.execute(
        select(BatchItem.path, BatchItem.state, BatchItem.reason)
        .where(BatchItem.batch_id == batch)
        .order_by(BatchItem.id)
    )
    return [(row.path, f"{row.state} {row.reason}".strip()) for row in rows]


def items_of(session: Session, batch: int) -> list[BatchItem]:
    session.rollback()
    session.expire_all()
    mine = select(BatchItem).where(BatchItem.batch_id == batch).order_by(BatchItem.id)
    return list(session.scalars(mine))


def people(session: Session) -> dict[str, int]:
    """How many photos there are of each person, by external id."""
    session.rollback()
    rows = session.execute(
        select(Person.external_id, func.count(Photo.id).label("photos"))
        .join(Photo, Photo.person_id == Person.id, isouter=True)
        .group_by(Person.id)
        .order_by(Person.external_id)
    )
    return {row.external_id: row.photos for row in rows}


def assert_sound(session: Session, dropped: Mapping[int, int], *, killed: bool = False) -> None:
    """Nothing that was dropped is lost, nothing is enrolled twice, and every file is someone's.

    dropped: how many photos were dropped, by batch. killed: a worker died with files in its hands; they go
    with the next cleaning.
    """
    session.rollback()
    session.expire_all()
    for number, count in dropped.items():
        batch = session.get_one(Batch, number)
        counts = count_items(session, batch)
        rows = Counter(item.state for item in items_of(session, number))
        assert counts.total == sum(rows.values()) == count, (number, counts.states, rows)
        assert {state: n for state, n in counts.states.items() if n} == dict(rows), number
    photos = session.execute(select(Photo.person_id, Photo.sha256)).all()
    assert len(photos) == len(set(photos))
    own = session.scalars(select(BatchItem.photo_id).where(BatchItem.photo_id.is_not(None))).all()
    assert len(own) == len(set(own))
    for item in session.scalars(select(BatchItem)):
        assert (item.state == ItemState.RECEIVED) <= (item.file_key is not None), item.path
        assert item.file_key is None or item.photo_id is None, item.path
        assert (item.state in ENDS) == (item.finished_at is not None), (item.path, item.state)
    owned = {
        key
        for column in (Photo.file_key, BatchItem.file_key, Search.file_key)
        for key in session.scalars(select(column))
        if key
    }
    files = set(photo_store().keys(float("inf")))
    assert files >= owned if killed else files == owned, (len(files), len(owned))
    waiting = set(
        session.scalars(
            select(BatchArchive.id).where(BatchArchive.state.in_((WorkState.QUEUED, WorkState.RUNNING)))
        )
    )
    assert waiting >= set(photo_store().archives(time.time() + 60)) - _given_up(session)


def _given_up(session: Session) -> set[int]:
    """Archives whose file goes with the next cleaning."""
    failed = select(BatchArchive.id).where(BatchArchive.state == WorkState.FAILED)
    return set(session.scalars(failed))


def archive_files() -> list[Path]:
    return list((photo_store().folder / "archives").glob("*"))


def said(visitor: Visitor, batch: int) -> str:
    visitor.get(f"/enrol/{batch}")
    return " ".join(visitor.page.get_text(" ").split())


def sentences(visitor: Visitor) -> list[str]:
    """What the audit says of batches, oldest first, without who and when."""
    visitor.get("/audit")
    found = [" ".join(cell.get_text().split()) for cell in visitor.page.select("[data-event] .table__main")]
    return [sentence for sentence in reversed(found) if "atch" in sentence]
