"""The client in front of a portal that is up: every operation, and the examples of its README."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from portal_client.models import Pair

from portal_client import (
    AsyncClient,
    Client,
    Forbidden,
    Invalid,
    NotFound,
    PreconditionFailed,
    Refused,
    Unauthorized,
    Upload,
)
from tests.functional.mates import Mate
from tests.functional.up_portal import BROWSING, UpPortal
from tests.run.own_thread import in_own_thread
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group(BROWSING)

ROOT = Path(__file__).parents[2]
README = ROOT / "portal_client" / "README.md"
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
    before = client.get_person(person.id).etag
    assert before
    assert client.change_person(person.id, name="Somebody Else", if_match=before).name == "Somebody Else"
    with pytest.raises(PreconditionFailed):
        client.change_person(person.id, name="Someone Again", if_match=before)
    client.remove_person(person.id)
    with pytest.raises(NotFound):
        client.get_person(person.id)


def test_a_person_whose_answer_is_lost_is_enrolled_once(
    client: Client, people: Iterator[Mate], monkeypatch: pytest.MonkeyPatch
) -> None:
    mate, answers, request = next(people), [], client._http.request

    def lossy(**arguments: Any) -> httpx.Response:
        answers.append(request(**arguments))
        if len(answers) == 1:
            raise httpx.ReadError("The line was cut.")
        return answers[-1]

    monkeypatch.setattr(client._http, "request", lossy)
    person = client.enrol_person(mate.external_id, mate.name, mate.photos[0], wait=WAIT_S)
    assert [answer.json()["id"] for answer in answers] == [person.id, person.id]


def test_several_photos_are_searched_for_at_once(client: Client, people: Iterator[Mate]) -> None:
    mate, other = next(people), next(people)
    person = client.enrol_person(mate.external_id, mate.name, mate.photos[0], wait=WAIT_S)
    searches = client.create_searches([mate.probe, other.probe], min_score=0.3, all_faces=True, wait=WAIT_S)
    first, second = searches.items
    assert [person.id] in [[one.person_id for one in face.candidates or []] for face in first.faces]
    assert all(one.person_id != person.id for face in second.faces for one in face.candidates or [])
    search = client.create_search(mate.probe, restrict_to=[mate.external_id], wait=WAIT_S)
    assert search.people_compared == 1


def test_faces_are_compared_without_being_kept(client: Client, people: Iterator[Mate]) -> None:
    mate = next(people)
    person = client.enrol_person(mate.external_id, mate.name, mate.photos, wait=WAIT_S)
    detection = client.detect_faces(mate.probe, templates=True)
    template = next(face.template for face in detection.faces if face.main)
    assert template
    assert detection.face_model
    assert len(template) == 4 * detection.face_model.dimension
    comparison = client.compare_faces(mate.photos[0], mate.probe)
    assert comparison.match
    by_photo = client.verify_person(person.id, mate.probe)
    fingerprint = detection.face_model.fingerprint
    by_template = client.verify_person(person.id, template=template, face_model=fingerprint)
    assert by_photo.score == by_template.score == by_photo.photos[0].score
    assert {photo.photo_id for photo in by_photo.photos} == {photo.id for photo in person.photos}


def test_many_are_enrolled_in_a_batch_and_undone(
    client: Client, people: Iterator[Mate], tmp_path: Path
) -> None:
    photos = {f"{mate.external_id}.jpg": mate.photos[0] for mate in (next(people), next(people))}
    batch = client.start_batch("tests", grouping="file", label="external_id")
    sizes = [(name, photo.stat().st_size) for name, photo in photos.items()]
    announced = client.announce_files(batch.id, sizes).items
    assert [one.state for one in announced] == ["expected", "expected"]
    numbered = dict(zip((one.id for one in announced), photos.values(), strict=True))
    assert {one.state for one in client.send_photos(batch.id, numbered).items} == {"received"}
    assert not client.end_announcing(batch.id).wants_files
    ended(client, batch.id)
    items = list(client.list_batch_items(batch.id, "enrolled"))
    assert {item.external_id + ".jpg" for item in items} == set(photos)
    assert batch.id in {one.id for one in client.list_batches()}
    client.decide_batch(batch.id, "undo")
    wait_until(lambda: client.get_batch(batch.id).status == "undone", "the batch being undone", PATIENCE_S)


def test_a_zip_comes_in_pieces_and_a_list_says_who_is_on_its_photos(
    client: Client, people: Iterator[Mate]
) -> None:
    mate = next(people)
    batch = client.start_batch("a ZIP")
    listed = f"external_id,name,photo\n{mate.external_id},{mate.name},one.jpg\n"
    assert client.send_manifest(batch.id, Upload(listed.encode(), "list.csv")).rows == 1
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.write(mate.photos[0], "one.jpg")
    whole = packed.getvalue()
    archive = client.announce_archive(batch.id, "photos.zip", len(whole))
    for offset in range(0, len(whole), 10_000):
        piece = whole[offset : offset + 10_000]
        progress = client.send_piece(batch.id, archive.id, piece, offset=offset)
        assert progress.received_bytes == offset + len(piece)
    client.end_announcing(batch.id)
    ended(client, batch.id)
    assert [item.name for item in client.list_batch_items(batch.id, "enrolled")] == [mate.name]


def ended(client: Client, batch_id: int) -> None:
    wait_until(lambda: client.get_batch(batch_id).status == "done", "the end of the batch", PATIENCE_S)


def test_who_is_enrolled_twice_is_found_decided_and_merged(client: Client, people: Iterator[Mate]) -> None:
    mate = next(people)
    first, second = (
        client.enrol_person(f"{mate.external_id}-{place}", mate.name, photo, wait=WAIT_S)
        for place, photo in enumerate(mate.photos)
    )

    def found() -> list[Pair]:
        ids = {first.id, second.id}
        pairs = client.list_pairs(status="open")
        return [pair for pair in pairs if {pair.a.person_id, pair.b.person_id} == ids]

    pair: Pair = wait_until(found, "the pair", PATIENCE_S)[0]
    assert client.get_pair(pair.id) == pair
    assert client.decide_pair(pair.id, "distinct", note="Twins.").pair.note == "Twins."
    assert client.decide_pair(pair.id, "undo").pair.status == "open"
    merged = client.decide_pair(pair.id, "merge", survivor_id=first.id).pair
    assert merged.status == "duplicate"
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert list(client.list_pairs(updated_after=tomorrow)) == []
    assert list(client.list_people(updated_after=tomorrow)) == []
    assert len(client.get_person(first.id).photos) == 2


def test_all_are_compared_with_each_other_by_a_scan(client: Client) -> None:
    scan = client.start_scan()
    wait_until(lambda: client.get_scan(scan.id).status == "done", "the end of the scan", PATIENCE_S)
    assert client.list_scans().items[0].id == scan.id
    with pytest.raises(Refused):
        client.cancel_scan(scan.id)


def test_figures_say_how_the_organization_is(client: Client) -> None:
    statistics, scores = client.get_statistics(), client.get_scores()
    assert statistics.workers
    assert statistics.people == len(list(client.list_people(limit=1)))
    assert scores.face_model == statistics.face_model
    assert scores.calibrated_at is None
    assert -1 < scores.search.value < 1


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

    enrolled, found, names = in_own_thread(lambda: asyncio.run(enrol_and_search()))
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
        in_own_thread(partial(exec, compile(program, str(README), "exec"), names))
    assert names["search"].status == "done"


def test_no_operation_is_left_out_here() -> None:
    contract = json.loads((ROOT / "docs" / "openapi.json").read_text())
    called = set(re.findall(r"client\.(\w+)\(", Path(__file__).read_text()))
    assert {
        one["operationId"] for methods in contract["paths"].values() for one in methods.values()
    } <= called
