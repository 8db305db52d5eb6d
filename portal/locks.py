"""All locks on rows, and the one order in which they are taken, so that no two transactions wait in a circle.

SQLite has one lock for all, which `writing` takes; there these functions read the rows afresh.
"""

from __future__ import annotations

from typing import Any, TypeVarTuple

from sqlalchemy import Result, Select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from portal.database import Base, Gone, locked_tables

Columns = TypeVarTuple("Columns")

# A transaction locks rows of these tables in this order, and within a table by id.
ORDER = (
    "user_account",
    "invitation",
    "api_key",
    "installation",
    "search",
    "examination",
    "calibration",
    "batch",
    "batch_archive",
    # One row an organization; whoever adds, moves or decides its pairs holds it: pairs.locking.lock_pairs.
    "duplicate_pass",
    "person",
    "merge",
    "photo",
    "odd_photo",
    "face",
    "batch_item",
    # Almost last, as the gallery's version is raised under it.
    "organization",
    # Always with `key_share`: deliveries are added to it by whoever holds any of the others.
    "webhook_endpoint",
)
# Whoever holds the organization's pass holds these: among them no order is needed.
UNDER_THE_PASS = {"duplicate_pair", "duplicate_scan"}


def lock(session: Session, row: Base, *, key_share: bool = False) -> None:
    """Read a row again and hold it until the transaction ends. Raises Gone.

    With `key_share`, others may add rows meanwhile that refer to it.
    """
    _take_turn(session, row.__tablename__)
    try:
        session.refresh(row, with_for_update={"key_share": key_share})
    except InvalidRequestError as error:
        raise Gone from error


def lock_rows(
    session: Session, rows: Select[*Columns], *, read: bool = False, key_share: bool = False
) -> Result[*Columns]:
    """Read rows, and hold those of the table that is selected first, by id, until the transaction ends.

    No one else may hold them; with `key_share`, others may add rows that refer to them; with `read`, others
    may hold them in the same way: no one changes them then, or with both, no one deletes them.
    """
    entity: Any = rows.column_descriptions[0]["entity"]
    _take_turn(session, entity.__tablename__)
    held = rows.order_by(entity.id).with_for_update(read=read, key_share=key_share, of=entity)
    return session.execute(held.execution_options(populate_existing=True))


def lock_free_rows(session: Session, rows: Select[*Columns]) -> Result[*Columns]:
    """Read rows and hold those that nobody else holds: for these nobody waits, so they have no turn."""
    held = rows.with_for_update(skip_locked=True)
    return session.execute(held.execution_options(populate_existing=True))


def _take_turn(session: Session, table: str) -> None:
    """Raises RuntimeError where the order is not kept: it is the program that is wrong."""
    before = locked_tables(session)
    if table in UNDER_THE_PASS:
        if "duplicate_pass" not in before:
            raise RuntimeError(f"Rows of {table} are locked by who holds the organization's pass.")
        return
    turn = ORDER.index(table)
    if table != "duplicate_pass" or table not in before:
        late = [other for other in before if ORDER.index(other) > turn]
        if late:
            raise RuntimeError(f"Rows of {table} are locked before those of {', '.join(late)}.")
    before.append(table)
