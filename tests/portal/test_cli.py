"""The `portal` command, as someone at a terminal uses it (as a program: test_launch)."""

from __future__ import annotations

import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from portal.cli import main
from portal.console.exit_codes import ExitCode
from portal.keys.tokens import is_token
from tests.make.photos import picture
from tests.run.commands import Said, portal

PORTAL = str(Path(sys.executable).with_name("portal"))
PASSWORD = "a long walk by the lake"


def refused(done: Said) -> str:
    """The one line that a failed command says."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture(scope="module")
def with_an_organization(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    done = portal(folder, "create-organization", "Clínica São José")
    assert (done.returncode, done.stdout, done.stderr) == (0, "clinica-sao-jose\n", "")
    return folder


@pytest.fixture
def data_dir(with_an_organization: Path, tmp_path: Path) -> Path:
    """A data folder whose only content is an organization."""
    shutil.copytree(with_an_organization, tmp_path, dirs_exist_ok=True)
    return tmp_path


def members(data_dir: Path) -> list[tuple[str, str, str]]:
    with sqlite3.connect(data_dir / "portal.sqlite3") as connection:
        return connection.execute(
            "SELECT slug, email, role FROM membership JOIN organization ON organization.id = organization_id "
            "JOIN user_account ON user_account.id = user_id ORDER BY 1, 2"
        ).fetchall()


def test_makes_an_organization_with_a_slug_of_ones_own(data_dir: Path) -> None:
    done = portal(data_dir, "create-organization", "Other", "--slug", "the-other")
    assert (done.returncode, done.stdout) == (0, "the-other\n")
    assert "the-other" in refused(portal(data_dir, "create-organization", "Third", "--slug", "the-other"))
    assert "can't be a slug" in refused(
        portal(data_dir, "create-organization", "Fourth", "--slug", "Not One")
    )


@pytest.mark.parametrize("variable", ["HANDED_OVER", "PORTAL_HANDED_OVER"])
def test_makes_a_user_with_a_password_from_the_environment(data_dir: Path, variable: str) -> None:
    done = portal(
        data_dir,
        *("create-user", "Ana@Example.org", "--organization", "clinica-sao-jose", "--role", "operator"),
        *("--password-env", variable),
        **{variable: PASSWORD},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ana@example.org is an operator of Clínica São José.\n"
    assert members(data_dir) == [("clinica-sao-jose", "ana@example.org", "operator")]


def test_asks_twice_for_a_password_and_shows_it_never(data_dir: Path) -> None:
    terminal, end = pty.openpty()
    command = [
        PORTAL,
        "create-user",
        "ana@example.org",
        "--organization",
        "clinica-sao-jose",
        "--role",
        "admin",
    ]
    environment = os.environ | {"PORTAL_DATA_DIR": str(data_dir)}
    asked = subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, env=environment, start_new_session=True
    )
    os.close(end)
    shown = b""

    def until(words: bytes) -> None:
        nonlocal shown
        while words not in shown:
            shown += os.read(terminal, 1024)

    until(b"Password: ")
    os.write(terminal, f"{PASSWORD}\n".encode())
    until(b"The same again: ")
    os.write(terminal, f"{PASSWORD}\n".encode())
    until(b"is an admin of")
    assert asked.wait() == 0
    os.close(terminal)
    assert PASSWORD.encode() not in shown
    assert members(data_dir) == [("clinica-sao-jose", "ana@example.org", "admin")]


def test_somebody_with_an_account_joins_another_organization_with_it(data_dir: Path) -> None:
    make = ("create-user", "ana@example.org", "--role", "viewer", "--password-env", "WORD", "--organization")
    portal(data_dir, "create-organization", "Other")
    portal(data_dir, *make, "clinica-sao-jose", WORD=PASSWORD)
    guessed = portal(data_dir, *make, "other", WORD="a guess at their password")
    assert "already has an account, with another password" in refused(guessed)
    assert [slug for slug, _, _ in members(data_dir)] == ["clinica-sao-jose"]
    done = portal(data_dir, *make, "other", WORD=PASSWORD)
    assert done.stdout == "ana@example.org is a viewer of Other.\n"
    assert [slug for slug, _, _ in members(data_dir)] == ["clinica-sao-jose", "other"]
    assert "already" in refused(portal(data_dir, *make, "other", WORD=PASSWORD))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("ana@example.org", "--organization", "nobody"), "There is no organization 'nobody'."),
        (("ana@example.org", "--organization", "clinica-sao-jose"), "variable WORD is not set"),
    ],
)
def test_says_what_is_wrong_with_a_user(data_dir: Path, arguments: tuple[str, ...], told: str) -> None:
    command = ("create-user", *arguments, "--role", "viewer", "--password-env", "WORD")
    assert told in refused(portal(data_dir, *command))
    assert members(data_dir) == []


def test_a_weak_password_is_refused(data_dir: Path) -> None:
    done = portal(
        data_dir,
        *("create-user", "ana@example.org", "--organization", "clinica-sao-jose", "--role", "viewer"),
        *("--password-env", "WORD"),
        WORD="short",
    )
    assert "12" in refused(done)


def test_the_data_folder_can_be_given_to_every_command(tmp_path: Path) -> None:
    other = tmp_path / "other"
    portal(tmp_path / "unused", "create-organization", "Clinic", "--data-dir", str(other))
    assert (other / "portal.sqlite3").exists()
    assert not (tmp_path / "unused").exists()
    context = click.Context(main)
    for name in set(main.list_commands(context)) - {"completion"}:
        command = main.get_command(context, name)
        assert command
        assert "data_dir" in {parameter.name for parameter in command.params}, name


def test_settings_that_do_not_exist_are_told(tmp_path: Path) -> None:
    told = refused(portal(tmp_path, "create-organization", "Clinic", PORTAL_COLOUR="blue"))
    assert "PORTAL_COLOUR is not a setting" in told


def test_a_forgotten_password_is_replaced(data_dir: Path) -> None:
    add = ("create-user", "ines@clinica.example", "--organization", "clinica-sao-jose", "--role", "viewer")
    assert portal(data_dir, *add, "--password-env", "FIRST", FIRST=PASSWORD).returncode == 0
    before = password_hash(data_dir)
    done = portal(data_dir, "set-password", "ines@clinica.example", "--password-env", "NEW", NEW="too short")
    assert "Use 12 or more" in refused(done)
    assert password_hash(data_dir) == before
    new = "a short walk by the long lake"
    done = portal(data_dir, "set-password", "INES@clinica.example", "--password-env", "NEW", NEW=new)
    assert (done.returncode, done.stdout) == (0, "ines@clinica.example has a new password.\n")
    assert password_hash(data_dir) != before
    done = portal(data_dir, "set-password", "nobody@clinica.example", "--password-env", "NEW", NEW=new)
    assert "nobody@clinica.example" in refused(done)


def test_imports_a_folder_while_the_portal_is_not_up(data_dir: Path, tmp_path: Path) -> None:
    photos = tmp_path / "people"
    for number, name in enumerate(("Ana Lima/1.jpg", "Ana Lima/2.jpg", "Ben Okafor/1.jpg", ".DS_Store")):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(picture(number))
    (photos / "Ben Okafor/notes.jpg").write_text("This is no photo.")
    done = portal(data_dir, "import", str(photos), "--organization", "clinica-sao-jose")
    # One of them is no photo.
    assert (done.returncode, done.stderr) == (ExitCode.PARTLY, "")
    said = " ".join(done.stdout.split())
    assert "the folder says who is on a photo, by names of people" in said
    assert "Batch 1: 4 photos: 0 enrolled, " in said
    assert "1 need attention, 3 waiting." in said
    assert "What is waiting is processed when it starts: portal up" in said
    with sqlite3.connect(data_dir / "portal.sqlite3") as connection:
        waiting = connection.execute("SELECT count(*) FROM batch_item WHERE state = 'received'").fetchone()
        events = connection.execute("SELECT actor FROM audit_event WHERE action LIKE 'batch%'").fetchall()
    assert waiting == (3,)
    assert events == [("portal command",)]


def test_imports_a_zip_by_what_its_options_say(data_dir: Path, tmp_path: Path) -> None:
    archive = tmp_path / "people.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("A-1.jpg", picture())
    done = portal(
        data_dir,
        *("import", str(archive), "--organization", "clinica-sao-jose"),
        *("--grouping", "file", "--label", "external_id", "--known", "skip"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    with sqlite3.connect(data_dir / "portal.sqlite3") as connection:
        read = connection.execute("SELECT source, grouping, label, known FROM batch").fetchall()
    assert read == [(f"from {archive}", "file", "external_id", "skip")]
    assert [path.name for path in (data_dir / "photos/archives").iterdir()] == ["1.zip"]


def test_asks_what_the_columns_of_a_list_are_and_imports_what_is_said(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "list.csv").write_text("Number,ID,Name,Photo\n1,KX77,Ana,A.JPG\n")
    command = ("import", str(tmp_path / "list.csv"), "--organization", "clinica-sao-jose")
    asked = refused(portal(data_dir, *command))
    assert "Several columns could be the external ID." in asked
    assert "2. ID: KX77" in asked
    assert "-,-,name,photo" in asked
    nonsense = portal(data_dir, *command, "--columns", "x,y")
    assert nonsense.returncode == 2
    assert "A column is one of external_id" in nonsense.stderr
    done = portal(data_dir, *command, "--columns", "-,external_id,name,photo")
    assert (done.returncode, done.stderr) == (0, "")
    with sqlite3.connect(data_dir / "portal.sqlite3") as connection:
        rows = connection.execute("SELECT external_id, name, state FROM batch_item").fetchall()
    assert rows == [("KX77", "Ana", "received")]


def test_says_why_nothing_is_imported(data_dir: Path, tmp_path: Path) -> None:
    photos = tmp_path / "people"
    photos.mkdir()

    def told(path: Path, organization: str = "clinica-sao-jose") -> str:
        return refused(portal(data_dir, "import", str(path), "--organization", organization))

    assert "There is no organization 'nobody'." in told(photos, "nobody")
    assert f"{photos}/none does not exist." in told(photos / "none")
    assert f"There is no photo in {photos}." in told(photos)
    (photos / "a.jpg").write_bytes(picture())
    (photos / "list.csv").write_text("surname,first name\nLima,Ana\n")
    assert "external ID" in told(photos)
    (photos / "other.csv").write_text("id,name,photo\n")
    assert f"{photos} holds 2 lists." in told(photos)
    with sqlite3.connect(data_dir / "portal.sqlite3") as connection:
        assert connection.execute("SELECT count(*) FROM batch").fetchone() == (0,)


def password_hash(data_dir: Path) -> str:
    with sqlite3.connect(data_dir / "portal.sqlite3") as connection:
        return str(connection.execute("SELECT password_hash FROM user_account").fetchone()[0])


def test_makes_an_api_key_and_prints_it_alone(data_dir: Path) -> None:
    portal(data_dir, "create-organization", "Harbour")
    command = ("create-api-key", "--organization", "harbour", "--name")
    done = portal(data_dir, *command, "Case system", "--scope", "read", "--scope", "enrol", "--expires", "30")
    assert done.returncode == 0, done.stderr
    assert is_token(done.stdout.strip())
    again = portal(data_dir, *command, "Case system")
    assert again.returncode == 1
    assert "There is a key named Case system already." in again.stderr
    assert portal(data_dir, *command, "Other", "--scope", "everything").returncode == 2


def test_exports_an_organization_and_takes_it_back(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    done = portal(data_dir, "export", str(target), "--organization", "clinica-sao-jose")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 people, 0 photos, 0 faces, 0 pairs" in done.stdout
    assert target.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "manifest.json"
    again = refused(portal(data_dir, "export", str(target), "--organization", "clinica-sao-jose"))
    assert "exists already" in again
    skip = portal(data_dir, "import", str(target), "--organization", "clinica-sao-jose", "--known", "skip")
    assert skip.returncode == ExitCode.WRONG_USE
    assert "--known is not for exports" in skip.stderr
    nobody = refused(portal(data_dir, "import", str(target), "--organization", "clinica-sao-jose"))
    assert "No face model has been chosen yet" in nobody


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("https://localhost:1",), "name it with --api-key-env"),
        (("photos", "--collection", "staff"), "--collection is for"),
    ],
)
def test_says_what_an_import_needs(data_dir: Path, arguments: tuple[str, ...], said: str) -> None:
    done = portal(data_dir, "import", *arguments, "--organization", "clinica-sao-jose")
    assert (done.returncode, done.stdout) == (ExitCode.WRONG_USE, "")
    assert said in done.stderr


def test_says_that_there_is_no_key_for_compreface(data_dir: Path) -> None:
    command = ("import", "https://localhost:1", "--api-key-env", "NOT_SET", "--organization")
    assert "NOT_SET is not set" in refused(portal(data_dir, *command, "clinica-sao-jose"))


def test_says_what_to_do_when_the_disk_is_full(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.storage.RESERVE_BYTES", 1 << 62)
    (tmp_path / "new" / "A1").mkdir(parents=True)
    (tmp_path / "new" / "A1" / "1.jpg").write_bytes(picture())
    path = str(tmp_path / "new")
    done = portal(data_dir, "import", path, "--organization", "clinica-sao-jose", "--grouping", "folder")
    assert done.returncode == 1
    assert "Make room, and run the same command again." in done.stderr
