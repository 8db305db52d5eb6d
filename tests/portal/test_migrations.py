"""Migrating when a portal starts: once, whoever starts with it, and never backwards by accident."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect

from portal import create_app, migrations
from portal.extensions import db
from portal.settings import Settings


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
