"""`--json`: one object on standard output, with the fields that docs/command-line.md names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.console import duplicates
from portal.console.exit_codes import ExitCode
from portal.database import writing
from portal.keys.tokens import is_token
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.pairs.models import DuplicateScan
from portal.settings import Settings
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.make.face_models import face_model
from tests.make.pairs import add_pair
from tests.make.people import TESTER, add_person
from tests.make.photos import picture
from tests.needs import free_face_model
from tests.portal.conftest import Enrolled
from tests.run.commands import portal

DOC = Path(__file__).parents[3] / "docs" / "command-line.md"
PASSWORD = "a long walk by the lake"


def documented(command: str, of: str = "") -> dict[str, Any]:
    """The example of a command's object in the documentation."""
    found = re.search(rf"\| `{command}`{of} \| `(\{{.*?\}})` \|", DOC.read_text())
    assert found, command
    example: dict[str, Any] = json.loads(found[1])
    return example


def result(
    data_dir: Path, *command: str, code: int = ExitCode.DONE, of: str = "", **variables: str
) -> dict[str, Any]:
    """The object that a command prints, whose fields are as documented. of: what else the example names."""
    done = portal(data_dir, *command, "--json", **variables)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.count("\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    assert list(found) == list(documented(command[0], of))
    return found


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    """A data folder with an organization."""
    made = result(tmp_path, "create-organization", "Clínica do Porto", "--slug", "harbour")
    assert made == {"slug": "harbour", "name": "Clínica do Porto"}
    return tmp_path


def test_makes_a_user_and_changes_the_password(harbour: Path) -> None:
    add = ("create-user", "Ada@harbour.example", "--organization", "harbour", "--role", "admin")
    made = result(harbour, *add, "--password-env", "WORD", WORD=PASSWORD)
    assert made == {"email": "ada@harbour.example", "organization": "harbour", "role": "admin"}
    changed = result(
        harbour, "set-password", "ada@harbour.example", "--password-env", "WORD", WORD=PASSWORD[::-1]
    )
    assert changed == {"email": "ada@harbour.example"}


def test_makes_an_api_key(harbour: Path) -> None:
    make = ("create-api-key", "--organization", "harbour", "--name")
    made = result(harbour, *make, "Case system", "--scope", "read", "--scope", "enrol", "--expires", "30")
    assert is_token(made.pop("key"))
    assert made.pop("expires_at").endswith("+00:00")
    assert made == {"name": "Case system", "organization": "harbour", "scopes": ["read", "enrol"]}
    assert result(harbour, *make, "Kiosk")["expires_at"] is None


def test_says_what_became_of_an_import(harbour: Path, tmp_path: Path) -> None:
    photos = tmp_path / "people"
    for name, content in (("Ana Lima/1.jpg", picture()), ("Ana Lima/notes.jpg", b"This is no photo.")):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(content)
    command = ("import", str(photos), "--organization", "harbour")
    found = result(harbour, *command, code=ExitCode.PARTLY)
    assert found == documented("import") | {"batch_id": found["batch_id"]}


def test_says_what_an_export_holds_and_what_was_taken_of_it(
    settings: Settings, clinic: Organization, session: Session, enrolled: Enrolled, tmp_path: Path
) -> None:
    add_pair(session, enrolled("Ben"), enrolled("Cleo"))
    file = str(tmp_path / "harbour.zip")
    found = result(settings.data_dir, "export", file, "--organization", clinic.slug)
    assert found == {"file": file, "people": 2, "photos": 2, "faces": 2, "pairs": 1, "left_out": 0}
    add_person(session, create_organization(session, TESTER, "Elsewhere"), "Ben", "Benno")
    command = ("import", file, "--organization", "elsewhere")
    found = result(settings.data_dir, *command, code=ExitCode.PARTLY, of=" of an export")
    not_taken = found.pop("not_taken")
    assert found == {"people": 1, "photos": 1, "pairs": 0, "waiting": 0, "same_face_model": True}
    assert [(row["what"], row["count"]) for row in not_taken] == [("person", 1), ("photo", 1), ("pair", 1)]


def test_an_export_without_the_file_of_a_photo_says_so(
    settings: Settings, clinic: Organization, enrolled: Enrolled, tmp_path: Path
) -> None:
    photo_store().delete(enrolled("Ben").file_key)
    command = ("export", str(tmp_path / "harbour.zip"), "--organization", clinic.slug)
    assert result(settings.data_dir, *command, code=ExitCode.PARTLY)["left_out"] == 1


def test_says_how_far_a_scan_is_while_the_portal_is_not_up(
    settings: Settings, clinic: Organization, session: Session
) -> None:
    face_model(session)
    scan = result(settings.data_dir, "scan-duplicates", "--organization", clinic.slug)
    assert (scan["status"], scan["cancelled"], scan["pairs"]) == ("queued", False, None)


def test_a_scan_that_is_set_aside_has_failed(
    settings: Settings, clinic: Organization, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def workers_that_give_up(theirs: Session) -> list[str]:
        with writing(theirs):
            theirs.execute(update(DuplicateScan).values(state=WorkState.FAILED))
        return ["a worker"]

    face_model(session)
    monkeypatch.setattr(duplicates, "live_workers", workers_that_give_up)
    monkeypatch.setattr(duplicates, "POLL_S", 0)
    command = ("scan-duplicates", "--organization", clinic.slug)
    done = portal(settings.data_dir, *command, "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (ExitCode.FAILED, "failed")
    assert "set aside" in done.stderr
    done = portal(settings.data_dir, *command)
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")


def test_says_what_was_answered_about_the_licence(tmp_path: Path) -> None:
    assert result(tmp_path, "licence")["face_model"] is None


def test_the_doctor_says_what_is_to_do(tmp_path: Path) -> None:
    weak = {"PORTAL_SECRET_KEY": "short", "PORTAL_FACE_MODEL": free_face_model()}
    found = result(tmp_path, "doctor", code=ExitCode.FAILED, **weak)
    assert found["ok"] is False
    states = {finding["part"]: finding["state"] for finding in found["findings"]}
    assert (states["data folder"], states["secret key"], states["workers"]) == ("ok", "TO DO", "off")


def test_a_refusal_prints_no_object(harbour: Path) -> None:
    done = portal(harbour, "create-organization", "Other", "--slug", "harbour", "--json")
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
    assert done.stderr.startswith("Error: ")
