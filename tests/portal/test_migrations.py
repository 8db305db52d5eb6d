"""Migrating when a portal starts: once, whoever starts with it, and never backwards by accident."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DatabaseError

from portal import create_app, migrations
from portal.audit.models import AuditEvent
from portal.database import Base, writing
from portal.extensions import db
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.search.models import Search
from portal.settings import Settings
from tests.databases import on_both_databases
from tests.make.people import add_person, add_photo
from tests.make.searches import add_search


def test_makes_the_tables_and_has_nothing_to_do_then(tmp_path: Path) -> None:
    app = create_app(Settings.from_environment({}, data_dir=tmp_path))
    for _ in range(2):
        migrations.upgrade(app)
        with app.app_context():
            assert set(db.metadata.tables) < set(inspect(db.engine).get_table_names())
            db.engine.dispose()


def test_several_at_once_wait_for_each_other(tmp_path: Path) -> None:
    apps = [create_app(Settings.from_environment({}, data_dir=tmp_path)) for _ in range(4)]
    with ThreadPoolExecutor(len(apps)) as pool:
        assert list(pool.map(migrations.upgrade, apps)) == [None] * len(apps)
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    app = create_app(Settings.from_environment({}, data_dir=tmp_path))
    migrations.upgrade(app)
    with sqlite3.connect(tmp_path / "portal.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of the future'")
    connection.close()
    with pytest.raises(migrations.MigrationError, match="newer version of the portal"):
        migrations.upgrade(app)
    with app.app_context():
        db.engine.dispose()


def tables(app: Flask) -> set[str]:
    with app.app_context():
        return set(inspect(db.engine).get_table_names())


def left_behind(connection: Connection) -> list[str]:
    """Functions and triggers that PostgreSQL or SQLite has of the portal's."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE name NOT LIKE '%alembic%' AND name NOT LIKE 'sqlite%'"
    else:
        query = (
            "SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'public'"
        )
    return list(connection.execute(text(query)).scalars())


@on_both_databases
def test_there_is_no_difference_between_the_migrations_and_the_models(app: Flask) -> None:
    with app.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        # What Alembic does not compare: rows keep their numbers, and text is sorted by code point.
        if connection.dialect.name == "sqlite":
            made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
            schema = {row.name: row.sql for row in made}
            for table in Base.metadata.sorted_tables:
                options = table.dialect_options["sqlite"]
                if options["autoincrement"] and table.autoincrement_column is not None:
                    assert "AUTOINCREMENT" in schema[table.name], table.name
        else:
            columns = (
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE collation_name = 'C' AND table_schema = 'public'"
            )
            sorted_by_code_point = {tuple(row) for row in connection.execute(text(columns))}
            assert sorted_by_code_point == {("person", "name_key"), ("person_word", "word")}


@on_both_databases
def test_down_and_up_again(app: Flask, clinic: Organization) -> None:
    with app.app_context():
        config = app.extensions["migrate"].migrate.get_config()
        person = add_person(db.session(), clinic, "A1")
        add_search(db.session(), clinic, candidates=(add_photo(db.session(), person),))
        db.session.remove()
        command.downgrade(config, "base")
        assert tables(app) <= {"alembic_version", "sqlite_sequence"}
        with db.engine.connect() as connection:
            assert left_behind(connection) == []
    migrations.upgrade(app)
    assert set(Base.metadata.tables) < tables(app)
    with app.app_context():
        assert db.session.scalars(select(Person.id)).all() == []


@on_both_databases
def test_restrictions_of_searches_name_people_by_id_from_0014_on(app: Flask, clinic: Organization) -> None:
    with app.app_context():
        config = app.extensions["migrate"].migrate.get_config()
        people = [add_person(db.session(), clinic, name).id for name in ("A1", "A2")]
        searches = [add_search(db.session(), clinic).id for _ in range(2)]
        with writing(db.session()):
            db.session.get_one(Search, searches[0]).restrict_to = [people[1]]
        db.session.remove()
        restrictions = text("SELECT restrict_to FROM search ORDER BY id")
        for migrate, revision, expected in (
            (command.downgrade, "0013", '["A2"]'),
            (command.upgrade, "head", f"[{people[1]}]"),
        ):
            migrate(config, revision)
            with db.engine.connect() as connection:
                kept = [
                    row if row is None else str(row).replace("'", '"')
                    for (row,) in connection.execute(restrictions)
                ]
            assert kept == [expected, None]


@on_both_databases
def test_the_audit_trail_is_append_only_for_every_client_of_the_database(
    app: Flask, clinic: Organization
) -> None:
    acts = ["UPDATE audit_event SET actor = 'nobody'", "DELETE FROM audit_event"]
    with app.app_context(), db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            acts.append("TRUNCATE audit_event")
        connection.rollback()
        for act in acts:
            with pytest.raises(DatabaseError, match="the audit trail is append-only"):
                connection.execute(text(act))
            connection.rollback()
        assert connection.execute(select(AuditEvent.actor)).scalars().all() == ["test"]
