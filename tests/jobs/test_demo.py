"""The demo, added by `portal up --demo` as someone who tries the portal out meets it."""

from __future__ import annotations

import importlib.util
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from jobs import demo
from portal import create_app
from portal.accounts.services import any_user
from portal.extensions import db
from portal.organizations.models import Organization
from portal.organizations.services import create_organization, find_organization
from portal.people.services import count_people
from portal.settings import Settings
from tests.run.programs import Running, portal_command, portal_environment
from tests.visitor import Visitor
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group("demo")

EVERYBODY = {f"DEMO-{number}" for number in range(1, 8)}


def picture(package: str, path: str) -> bytes:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return (Path(spec.submodule_search_locations[0]) / path).read_bytes()


class DemoPortal:
    """A portal with the demo, and someone who signed in with what the console said."""

    def __init__(self, running: Running, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.email = running.until("Sign in as").split()[-1]
        password = re.search(r"Password +(\S+)", running.until("Password"))
        assert password
        self.password = password[1]
        running.until("Ctrl-C stops it")
        self.output = "\n".join(running.output)
        self.visitor = Visitor(create_app(Settings.from_environment({}, data_dir=data_dir)))
        assert self.visitor.sign_in(self.email, self.password).status_code == 302

    def add_again(self) -> str:
        """What is said when the demo is there already."""
        return subprocess.run(
            [sys.executable, "-m", "jobs.demo"],
            env=portal_environment(self.data_dir),
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def people(self) -> set[str]:
        self.visitor.get("/people")
        return {str(row["data-person"]) for row in self.visitor.page.select("[data-person]")}

    def search(self, photo: bytes) -> str:
        """Search by photo; returns where the result is, which the visitor is looking at."""
        fields = {"csrf_token": self.visitor.token(), "photo": FileStorage(io.BytesIO(photo), "probe")}
        # Encoded here: the test client would leave the temporary file of a large form open.
        boundary, body = encode_multipart(fields)
        answer = self.visitor.client.post(
            "/search", data=body, content_type=f"multipart/form-data; boundary={boundary}", buffered=True
        )
        url = answer.location
        self.await_result(url)
        return url

    def await_result(self, url: str) -> None:
        def done() -> bool:
            self.visitor.get(url)
            return self.visitor.page.select_one("[data-search-status=done]") is not None

        wait_until(done, f"the result at {url}")

    def first_candidate(self) -> str:
        """The external ID of candidate 1, who is above the threshold."""
        first = self.visitor.page.select("[data-candidate]")[0]
        assert first["data-match"] == "true"
        return str(first["data-external-id"])


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoPortal]:
    data_dir = tmp_path_factory.mktemp("demo") / "data"
    command = portal_command("up", "--demo", "--port", "0", "--workers", "1")
    running = Running(command, portal_environment(data_dir))
    try:
        yield DemoPortal(running, data_dir)
    finally:
        running.close()


def test_everybody_can_be_searched_as_soon_as_the_portal_says_so(portal: DemoPortal) -> None:
    assert "The organization Demo has 7 people, ready to be searched." in portal.output
    assert portal.people() == EVERYBODY
    portal.visitor.get("/")
    assert portal.visitor.one("h1").text.strip() == "Demo"
    # Nobody is asked for a code that would not be taken any more.
    assert "first-run" not in portal.output


def test_those_at_the_table_are_found(portal: DemoPortal) -> None:
    url = portal.search(picture("insightface", "data/images/t1.jpg"))
    faces = [str(choice["value"]) for choice in portal.visitor.page.select("button[name=face_id]")]
    assert len(faces) == 6
    found = set()
    for face in faces:
        portal.visitor.post(f"{url}/face", {"face_id": face})
        portal.await_result(url)
        found.add(portal.first_candidate())
    assert found <= EVERYBODY - {"DEMO-7"}
    assert len(found) == len(faces)


def test_the_portrait_is_found(portal: DemoPortal) -> None:
    portal.search(picture("skimage", "data/astronaut.png"))
    assert portal.first_candidate() == "DEMO-7"


def test_a_second_time_adds_nothing_and_says_how_to_get_in(portal: DemoPortal) -> None:
    said = portal.add_again()
    assert "7 people" in said
    assert "shown this once" not in said
    assert f"portal set-password {portal.email} --data-dir {portal.data_dir}" in said
    assert portal.people() == EVERYBODY


def test_the_password_is_kept_nowhere(portal: DemoPortal) -> None:
    files = [path for path in portal.data_dir.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if portal.password.encode() in path.read_bytes()] == []


def test_who_was_deleted_comes_back(portal: DemoPortal) -> None:
    portal.visitor.get("/people?query=DEMO-3")
    portal.visitor.post(f"{portal.visitor.link('[data-person=DEMO-3] a')}/delete")
    assert portal.people() == EVERYBODY - {"DEMO-3"}
    portal.add_again()
    assert portal.people() == EVERYBODY


def test_an_organization_that_only_has_the_same_name_is_left_alone(app: Flask) -> None:
    with app.app_context():
        session = db.session()
        create_organization(session, demo.DEMO, "Demonstrations and Marches", "demo")
        with pytest.raises(demo.NotTheDemo, match="Nothing was added"):
            demo.open_demo(session)
        stranger: Organization | None = find_organization(session, "demo")
        assert stranger is not None
        assert count_people(session, stranger) == 0
        assert not any_user(session)
