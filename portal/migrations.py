"""Bringing the database to the newest schema, safely when several processes start at once."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import text

from portal.extensions import db

# A number of the portal's own among PostgreSQL's advisory locks.
ADVISORY_LOCK = 0x0FACE


class MigrationError(RuntimeError):
    """The database can't be brought to the schema that this version of the portal needs."""


def upgrade(app: Flask) -> None:
    """Create what is missing and migrate what is old; nothing is done where nothing is due.

    Raises MigrationError, or sqlalchemy's OperationalError where the database can't be reached.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with app.app_context(), _alone(app):
        config = app.extensions["migrate"].migrate.get_config()
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise MigrationError(
                f"The database can't be migrated: {error}. If it was used by a newer version of the portal, "
                "install that version again."
            ) from error


@contextmanager
def _alone(app: Flask) -> Iterator[None]:
    """Let one process migrate at a time: on this machine by a file, across machines by the database."""
    with (app.config["PORTAL"].data_dir / "migrations.lock").open("w") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        if db.engine.dialect.name != "postgresql":
            yield
            return
        with db.engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": ADVISORY_LOCK})
            connection.commit()
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": ADVISORY_LOCK})
                connection.commit()
