"""The client in front of a portal that is up: every operation, and the examples of its README."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal_client import AsyncClient, Client, Forbidden, Invalid, NotFound, Unauthorized
from tests.functional.mates import Mate
from tests.functional.up_portal import BROWSING, UpPortal

pytestmark = pytest.mark.xdist_group(BROWSING)

README = Path(__file__).parents[2] / "portal_client" / "README.md"
WAIT_S = 60


@pytest.fixture(scope="module")
def slug(portal: UpPortal) -> str:
    """An organization in which only these tests enrol."""
    return portal.add_organization("Programs' School")


@pytest.fixture(scope="module")
def key(portal: UpPortal, slug: str) -> str:
    return portal.command("create-api-key", "--organization", slug, "--name", "Tests", "--scope", "admin")


@pytest.fixture
def client(portal: UpPortal, key: str) -> Iterator[Client]:
    with Client(portal.url, key) as client:
        yield client


def test_someone_is_enrolled_found_changed_and_removed(client: Client, people: Iterator[Mate]) -> None:
    mate = next(people)
    enrolled = client.enrol_person(mate.external_id, mate.name, mate.photos[0], wait=WAIT_S)
    assert [photo.state for photo in enrolled.photos] == ["done"]
    person = client.add_photos(enrolled.id, [mate.photos[1].read_bytes()], wait=WAIT_S)
    assert [photo.state for photo in person.photos] == ["done", "done"]
    assert client.get_person(person.id).photos == person.photos
    assert mate.external_id in {one.external_id for one in client.list_people(mate.name, limit=1)}

    search = client.create_search(mate.probe, limit=1, wait=WAIT_S)
    assert search.status == "done"
    (best,) = next(face.candidates for face in search.faces if face.candidates)
    assert (best.person_id, best.name, best.match) == (person.id, mate.name, True)
    assert client.get_search(search.id).faces == search.faces

    photo = client.get_photo(person.photos[0].id)
    assert photo.faces
    assert photo.main_face_id
    assert client.get_photo_content(photo.id).startswith(b"\xff\xd8")
    assert client.choose_main_face(photo.id, photo.main_face_id).id == photo.id
    client.delete_photo(photo.id)
    assert client.change_person(person.id, name="Somebody Else").name == "Somebody Else"
    client.remove_person(person.id)
    with pytest.raises(NotFound):
        client.get_person(person.id)


def test_async_it_is_the_same(portal: UpPortal, key: str, people: Iterator[Mate]) -> None:
    mate = next(people)

    async def enrol_and_search() -> tuple[int, int, list[str]]:
        async with AsyncClient(portal.url, key) as client:
            with open(mate.photos[0], "rb") as stream:
                person = await client.enrol_person(mate.external_id, mate.name, stream, wait=WAIT_S)
            search = await client.create_search(mate.probe, wait=WAIT_S)
            best = next(face.candidates for face in search.faces if face.candidates)[0]
            names = [one.name async for one in client.list_people(mate.external_id)]
            return person.id, best.person_id, names

    enrolled, found, names = asyncio.run(enrol_and_search())
    assert (found, names) == (enrolled, [mate.name])


def test_a_stream_of_unknown_length_arrives(client: Client, people: Iterator[Mate]) -> None:
    mate = next(people)
    chunks = iter([mate.photos[0].read_bytes()[:1000], mate.photos[0].read_bytes()[1000:], b""])

    class Pipe:
        def read(self, size: int = -1, /) -> bytes:
            return next(chunks)

    person = client.enrol_person(mate.external_id, mate.name, Pipe(), wait=WAIT_S)
    assert [photo.state for photo in person.photos] == ["done"]


def test_refusals_are_told(client: Client, portal: UpPortal, slug: str, people: Iterator[Mate]) -> None:
    photo = next(people).photos[0]
    with pytest.raises(Invalid) as refused:
        client.enrol_person("", "Nobody", photo)
    assert list(refused.value.by_field) == ["external_id"]
    assert refused.value.request_id
    with Client(portal.url, "fpk_unknown") as stranger, pytest.raises(Unauthorized):
        stranger.enrol_person("A-1", "Anna", photo)
    reading = portal.command("create-api-key", "--organization", slug, "--name", "Reader")
    with Client(portal.url, reading) as reader, pytest.raises(Forbidden):
        reader.enrol_person("A-1", "Anna", photo)


def test_the_examples_of_the_readme(
    portal: UpPortal, key: str, people: Iterator[Mate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mate = next(people)
    for name, photo in zip(
        ("anna.jpg", "anna-2.jpg", "someone.jpg"), (*mate.photos, mate.probe), strict=True
    ):
        shutil.copy(photo, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) > 5
    names: dict[str, Any] = {"__name__": "example"}
    # The last one closes the client.
    for example in examples:
        program = example.replace("http://127.0.0.1:8000", portal.url).replace("fpk_…", key)
        exec(compile(program, str(README), "exec"), names)
    assert names["search"].status == "done"
