"""The database: the base of all tables, column types, and how a transaction that writes is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from threading import Lock
from typing import Any, cast

from sqlalchemy import BigInteger, DateTime, Integer, MetaData, String, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult, Dialect, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import TypeDecorator, TypeEngine

# SQLite numbers rows by themselves only where the key is a plain INTEGER.
Identifier = BigInteger().with_variant(Integer, "sqlite")
LARGEST_NUMBER = 2**63 - 1


def sortable(length: int) -> TypeEngine[str]:
    """Text that is compared by code point everywhere, so that a range of it is a prefix search."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: aware in Python, stored without a zone so that SQLite and PostgreSQL agree."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment without a time zone can't be stored.")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The base of every table. Row numbers are never used twice, so an old link can't meet a new row."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}
    __table_args__: Any = {"sqlite_autoincrement": True}


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def execute_change(session: Session, statement: Executable) -> int:
    """Run an UPDATE or DELETE; returns how many rows it met."""
    return cast(CursorResult[Any], session.execute(statement)).rowcount


# What has to hold for an act, asked when its rows are held; raises what refuses it.
Precondition = Callable[[], None]


def unconditional() -> None:
    """Nothing has to hold."""


class Gone(LookupError):
    """The row was deleted since it was read: by a colleague, or in another tab."""


def insert_or_leave(session: Session, table: type[Base], unique: Sequence[str]) -> Any:
    """An INSERT that leaves rows alone whose `unique` columns are taken, even by someone else just now."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing(index_elements=unique)


class DatabaseBusy(OSError):
    """Others have been writing for so long that this was not begun: to be tried again."""


# SQLite has one writer at a time. Threads of one process wait for their turn here: without a connection, so
# that those who only read find one, and without asking again and again.
_turn_to_write = Lock()
# So long a writer waits for those of this process, and then for those of others.
TURN_S = 30


@contextmanager
def _turn() -> Iterator[None]:
    if not _turn_to_write.acquire(timeout=TURN_S):
        raise DatabaseBusy(f"Others of this process have been writing for {TURN_S} s.")
    try:
        yield
    finally:
        _turn_to_write.release()


@contextmanager
def writing(session: Session) -> Iterator[Session]:
    """A transaction that writes: committed at the end, rolled back if anything is raised.

    It begins afresh and, on SQLite, takes the write lock at once: a transaction that read first and
    writes later fails there as soon as another one wrote in between. What was loaded before stays as
    it was read, so rows on which a decision rests are read (again) inside.

    Raises RuntimeError inside another `writing`, or where changes are pending that it did not make;
    DatabaseBusy where SQLite is written by others all the time.
    """
    if session.info.get("writing") or session.new or session.dirty or session.deleted:
        raise RuntimeError("A writing transaction begins with nothing pending and not inside another one.")
    session.commit()
    session.info["writing"] = True
    session.info["locked"] = []
    afterwards: dict[Callable[[], None], None] = {}
    session.info["afterwards"] = afterwards
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    try:
        with _turn() if is_sqlite else nullcontext():
            try:
                _begin_writing(session)
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise
    finally:
        session.info["writing"] = False
    for call in afterwards:
        call()


def _begin_writing(session: Session) -> None:
    try:
        session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise DatabaseBusy(f"Other processes have been writing for {TURN_S} s.") from error
        raise


def after_commit(session: Session, call: Callable[[], None]) -> None:
    """Have something called once, after the commit of the present `writing`; not if that fails."""
    session.info["afterwards"][call] = None


def end_reading(session: Session) -> None:
    """Give the connection back before something slow: a body that comes piece by piece, work of others.

    What was loaded stays. Raises RuntimeError inside `writing`, or where changes are pending.
    """
    if session.info.get("writing") or session.new or session.dirty or session.deleted:
        raise RuntimeError("Nobody waits for others while holding a transaction that writes.")
    session.commit()


@contextmanager
def snapshot(session: Session) -> Iterator[Session]:
    """A session of its own that sees the database as it is at one moment, and keeps nobody from writing."""
    with Session(session.get_bind()) as reading:
        if reading.get_bind().dialect.name == "postgresql":
            reading.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield reading


def locked_tables(session: Session) -> list[str]:
    """The tables of which the present transaction has locked rows. Raises RuntimeError outside `writing`."""
    if not session.info.get("writing"):
        raise RuntimeError("Rows are locked in a transaction that writes.")
    tables: list[str] = session.info["locked"]
    return tables


@event.listens_for(Engine, "connect")
def _prepare_sqlite(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver
        cursor = connection.cursor()
        # FULL: what a member was told is saved is on the disk, even if the power fails the next moment.
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={1000 * TURN_S}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")
