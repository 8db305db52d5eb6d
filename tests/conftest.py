"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from redis import Redis
from sqlalchemy.orm import Session

from portal import create_app, migrations
from portal.accounts import passwords
from portal.accounts.models import Role
from portal.audit.services import Actor
from portal.extensions import db
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.settings import Settings
from portal.web.search import views
from tests.needs import free_face_model, missing
from tests.run.postgres import PostgresServer, find_programs, postgres_server
from tests.run.private_redis import private_redis
from tests.visitor import Visitor, member

if TYPE_CHECKING:  # the face pipeline takes its time to import, and most tests do without it
    from jobs.faces.engine import FaceEngine
    from tests.run.workers import Worker

USUAL_HASHER = passwords._hasher
# The PostgreSQL of all test processes, and its folder.
SHARED, FOLDER = pytest.StashKey[ExitStack](), pytest.StashKey[Path]()
BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking again and again through libraries and tests, which stay."""
    gc.collect()
    gc.freeze()


def _data(variable: str, usual: Path) -> Path:
    given = os.environ.get(variable)
    folder = Path(given) if given else usual
    if not folder.is_dir():
        if given:
            pytest.fail(f"{variable} is {given}, and there is no such folder")
        pytest.skip(f"needs {variable}: {usual} is not there")
    return folder


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """A folder with the face model packs `mbf` and `mbf_v2`."""
    return _data("FACE_PORTAL_TEST_MODELS", BESIDE_THE_CHECKOUT / "models")


@pytest.fixture(scope="session")
def lfw() -> Path:
    """Photos of LFW, one folder a person."""
    return _data("FACE_PORTAL_TEST_FACES", BESIDE_THE_CHECKOUT / "faces" / "lfw")


@pytest.fixture(scope="session")
def cases() -> Path:
    """Inputs that failed, with the right value in INDEX.md."""
    return _data("FACE_PORTAL_TEST_CASES", BESIDE_THE_CHECKOUT / "cases")


@pytest.fixture(scope="session")
def redis_folder() -> Iterator[Path]:
    """A data folder in which a private Redis listens; a short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="fp-") as folder, private_redis(Path(folder) / "redis.sock"):
        yield Path(folder)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Where there are several test processes, tell each where the PostgreSQL is that serves all of them."""
    stash, programs = node.config.stash, find_programs()
    if SHARED not in stash and programs is not None:
        stash[SHARED] = ExitStack()
        node.config.add_cleanup(stash[SHARED].close)
        stash[FOLDER] = stash[SHARED].enter_context(postgres_server(programs)).folder
    node.workerinput["postgresql"] = str(stash.get(FOLDER, ""))


@pytest.fixture(scope="session")
def postgresql(pytestconfig: pytest.Config) -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests' own."""
    programs = find_programs()
    if programs is None:
        missing("needs PostgreSQL: `initdb` is not on the PATH, nor where Debian has it")
    if shared := getattr(pytestconfig, "workerinput", {}).get("postgresql"):
        yield PostgresServer(Path(shared))
        return
    with postgres_server(programs) as server:
        yield server


def _migrate(data_dir: Path, **variables: str) -> None:
    """Make the tables of a database that tests get copies of."""
    app = create_app(Settings.from_environment(variables, data_dir=data_dir))
    migrations.upgrade(app)
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with nothing but the tables."""
    data_dir = tmp_path_factory.mktemp("sqlite")
    _migrate(data_dir)
    return data_dir / "portal.sqlite3"


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a PostgreSQL database with nothing but the tables."""
    name = postgresql.new_database()
    _migrate(tmp_path_factory.mktemp("postgresql"), PORTAL_DATABASE_URL=postgresql.url_of(name))
    return name


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """A migrated database, and the settings that name it: none for SQLite; see `on_both_databases`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        (tmp_path / "data").mkdir()
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "data" / "portal.sqlite3")
        return {}
    server: PostgresServer = request.getfixturevalue("postgresql")
    name = server.new_database(request.getfixturevalue("migrated_postgresql"))
    return {"PORTAL_DATABASE_URL": server.url_of(name)}


@pytest.fixture
def settings(tmp_path: Path, redis_folder: Path, database: dict[str, str]) -> Settings:
    """Settings of a portal of this test's own: data folder, database, and an emptied Redis."""
    url = f"unix://{redis_folder / 'redis.sock'}"
    with Redis.from_url(url) as connection:
        connection.flushall()
    return Settings.from_environment(
        {"PORTAL_REDIS_URL": url, "PORTAL_SECRET_KEY": "for tests only", **database},
        data_dir=tmp_path / "data",
    )


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with less effort: the usual one is meant to take long, and tests make many users."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def usual_passwords(cheap_passwords: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords as they are hashed for staff."""
    monkeypatch.setattr(passwords, "_hasher", USUAL_HASHER)


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Where templates that one test compiled wait for the next."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture
def app(
    settings: Settings, compiled_templates: FileSystemBytecodeCache, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The app, with a migrated database."""
    app = create_app(settings)
    app.testing = True
    # Workers of tests work when they are told to, never while a request is answered.
    monkeypatch.setattr(views, "PATIENCE_S", 0)
    app.jinja_env.bytecode_cache = compiled_templates
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def face_engine(model_dir: Path) -> FaceEngine:
    """The face model `mbf`, loaded on the CPU as a worker loads it."""
    from jobs.faces import models
    from jobs.faces.opening import open_engine

    return open_engine(models.find("mbf", model_dir, announce=print), "cpu")


@pytest.fixture(scope="session")
def opencv_engine() -> FaceEngine:
    """YuNet and SFace, loaded on the CPU as a worker loads them."""
    from jobs.faces import models
    from jobs.faces.opening import open_engine

    return open_engine(models.find(free_face_model(), Path("nowhere"), announce=print), "cpu")


@pytest.fixture
def worker(app: Flask, face_engine: FaceEngine) -> Worker:
    """A worker of the app, which works when it is told to."""
    from tests.run.workers import Worker

    return Worker(app, face_engine)


@pytest.fixture
def new_worker(app: Flask, face_engine: FaceEngine) -> Callable[[], Worker]:
    """A maker of further workers."""
    from tests.run.workers import Worker

    return lambda: Worker(app, face_engine)


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A database session outside of requests and jobs."""
    with app.app_context():
        yield db.session()


@pytest.fixture
def files(app: Flask) -> Callable[[], list[Path]]:
    """All files of the photo store."""
    return lambda: [path for path in app.config["PORTAL"].photo_dir.rglob("*") if path.is_file()]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def clinic(app: Flask) -> Organization:
    """Alice's organization."""
    with app.app_context():
        return create_organization(db.session(), Actor(None, "test"), "Alpha Clinic")


@pytest.fixture
def school(app: Flask) -> Organization:
    """Charlie's organization, which the clinic must never see."""
    with app.app_context():
        return create_organization(db.session(), Actor(None, "test"), "Charlie School")


@pytest.fixture
def alice(app: Flask, clinic: Organization) -> Visitor:
    """An admin of the clinic."""
    return member(app, "alice@clinic.example", clinic, Role.ADMIN)


@pytest.fixture
def bob(app: Flask, clinic: Organization) -> Visitor:
    """An operator of the clinic."""
    return member(app, "bob@clinic.example", clinic, Role.OPERATOR)


@pytest.fixture
def vera(app: Flask, clinic: Organization) -> Visitor:
    """A viewer of the clinic."""
    return member(app, "vera@clinic.example", clinic, Role.VIEWER)


@pytest.fixture
def charlie(app: Flask, school: Organization) -> Visitor:
    """An admin of another organization: to the clinic an outsider."""
    return member(app, "charlie@school.example", school, Role.ADMIN)
