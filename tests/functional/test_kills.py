"""What is killed in the middle of its work takes nothing with it: every photo is done, and done once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest
from PIL import Image
from redis import Redis

from portal.work.claims import MAX_ATTEMPTS
from portal_client import Client
from tests.functional.interrupting import process_of, ready_workers, stop
from tests.functional.mates import Mate, mates
from tests.functional.staff import Staff
from tests.functional.up_portal import KILLING, UpPortal, up
from tests.run.programs import PATIENCE_S
from tests.visitor import one_in
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group(KILLING)

WORKERS = 2
# More photos than a worker claims at once.
PEOPLE, PHOTOS = 22, 3


@pytest.fixture(scope="module")
def busy(model_dir: Path) -> Iterator[UpPortal]:
    """A portal of these tests' own."""
    with up(model_dir, WORKERS) as portal:
        portal.add_user("otto@depot.example", portal.add_organization("Depot"), "operator")
        yield portal


@pytest.fixture(scope="module")
def otto(busy: UpPortal) -> Staff:
    return Staff(busy, "otto@depot.example")


@pytest.fixture(scope="module")
def crowd(lfw: Path) -> Iterator[Mate]:
    """People with three photos and a probe; each test takes others."""
    return iter(mates(lfw, PHOTOS))


def caught_at(portal: UpPortal, photos: str = "TRUE") -> psutil.Process | None:
    """A worker that was stopped while it had such photos claimed; it can still be killed, or go on."""
    for (worker,) in portal.rows(
        f"SELECT DISTINCT claimed_by FROM photo WHERE state = 'running' AND {photos}"
    ):
        try:
            process = process_of(worker)
        except psutil.NoSuchProcess:
            continue  # its end was not noticed yet
        process.suspend()
        wait_until(partial(_stands_still, process), "a worker that stands still")
        still = f"SELECT count(*) FROM photo WHERE state = 'running' AND claimed_by = ? AND {photos}"
        if portal.one(still, worker):
            return process
        process.resume()
    return None


def _stands_still(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


def stopped_in_the_middle(
    portal: UpPortal, staff: Staff, people: Sequence[Mate]
) -> tuple[psutil.Process, psutil.Process]:
    """Enrol people, and stop all workers while one is at their photos: that one, and the other.

    More photos are queued then.
    """
    wait_until(lambda: len(ready_workers(portal)) == WORKERS, "all workers", PATIENCE_S)
    working, idle = ready_workers(portal)
    for worker in (working, idle):
        stop(portal, worker)
    for mate in people:
        staff.enrol(mate.external_id, mate.name, mate.photos)
    working.resume()
    caught = wait_until(lambda: caught_at(portal), "a worker at work", PATIENCE_S)
    assert caught == working
    assert portal.one("SELECT count(*) FROM photo WHERE state = 'queued'") > 0
    return working, idle


def all_done(portal: UpPortal) -> bool:
    return not portal.one("SELECT count(*) FROM photo WHERE state IN ('queued', 'running')")


def expect_each_photo_done_once(portal: UpPortal, people: Sequence[Mate]) -> None:
    ids = [mate.external_id for mate in people]
    photos = portal.rows(
        "SELECT photo.*, person.external_id FROM photo JOIN person ON person.id = person_id "
        f"WHERE state != 'failed' AND external_id IN ({', '.join('?' * len(ids))})",
        *ids,
    )
    assert Counter((photo["external_id"], photo["file_name"]) for photo in photos) == Counter(
        (mate.external_id, path.name) for mate in people for path in mate.photos
    )
    assert {(photo["state"], photo["reason"], photo["claimed_by"]) for photo in photos} == {
        ("done", None, None)
    }
    for photo in photos:
        faces = portal.rows("SELECT * FROM face WHERE photo_id = ?", photo["id"])
        assert len({face["box"] for face in faces}) == len(faces)
        in_gallery = [face["id"] for face in faces if face["gallery_version"] is not None]
        assert in_gallery == [photo["main_face_id"]]
        assert {face["person_id"] for face in faces} == {photo["person_id"]}


def expect_counts_that_add_up(portal: UpPortal, staff: Staff) -> None:
    # The last figure is of pairs, which are found a moment later.
    *shown, _ = [int(value.text.replace(",", "")) for value in staff.get("/").select(".stat__value")]
    people = portal.one("SELECT count(*) FROM person")
    photos = dict(tuple(row) for row in portal.rows("SELECT state, count(*) FROM photo GROUP BY state"))
    # People; photos that are usable, in work, and not usable.
    assert shown == [people, photos["done"], 0, photos.get("failed", 0)]
    assert portal.one("SELECT count(*) FROM face WHERE gallery_version IS NOT NULL") == photos["done"]


def expect_found(portal: UpPortal, staff: Staff, people: Sequence[Mate]) -> None:
    """Searches find these people, among all."""
    everybody = portal.one("SELECT count(DISTINCT person_id) FROM face WHERE gallery_version IS NOT NULL")
    for mate in people:
        result = staff.search(mate.probe)
        first = result.select_one("[data-candidate]")
        assert first
        assert first["data-external-id"] == mate.external_id
        assert first["data-match"] == "true"
        assert f"{everybody} people" in one_in(result, ".facts").text


def empty_redis(portal: UpPortal) -> None:
    with Redis.from_url(f"unix://{portal.data_dir / 'redis.sock'}") as connection:
        connection.flushall()


@pytest.mark.parametrize(
    ("worker_killed", "redis"),
    [(True, "left alone"), (False, "emptied"), (True, "emptied"), (False, "killed")],
    ids=["worker killed", "Redis emptied", "worker killed and Redis emptied", "Redis killed"],
)
def test_every_photo_is_done_once(
    worker_killed: bool, redis: str, busy: UpPortal, otto: Staff, crowd: Iterator[Mate]
) -> None:
    people = [next(crowd) for _ in range(PEOPLE)]
    working, idle = stopped_in_the_middle(busy, otto, people)
    if redis == "emptied":
        empty_redis(busy)
    elif redis == "killed":
        (server,) = busy.processes("redis-server")
        server.kill()
    if worker_killed:
        working.kill()
    else:
        working.resume()
    idle.resume()

    wait_until(lambda: all_done(busy), "the end of the work", PATIENCE_S)
    expect_each_photo_done_once(busy, people)
    expect_counts_that_add_up(busy, otto)
    expect_found(busy, otto, people[:3])


def test_a_photo_that_kills_its_worker_three_times_is_set_aside(
    busy: UpPortal, otto: Staff, crowd: Iterator[Mate], tmp_path: Path
) -> None:
    mate = next(crowd)
    # So large that its worker can be met while it is at it.
    deadly = tmp_path / "deadly.png"
    with Image.open(mate.photos[0]) as face:
        picture = Image.new("RGB", (8000, 6000), (128, 128, 128))
        picture.paste(face.resize((4000, 4000)), (2000, 1000))
    picture.save(deadly, compress_level=1)
    person = otto.enrol(mate.external_id, mate.name, [mate.photos[1], deadly, *mate.photos[2:]])
    kills = 0

    def set_aside() -> bool:
        nonlocal kills
        if worker := caught_at(busy, "file_name = 'deadly.png'"):
            worker.kill()
            worker.wait(PATIENCE_S)
            kills += 1
        return bool(busy.one("SELECT state = 'failed' FROM photo WHERE file_name = 'deadly.png'"))

    wait_until(set_aside, "a photo that is set aside", 2 * PATIENCE_S)
    assert kills == MAX_ATTEMPTS
    wait_until(lambda: all_done(busy), "the end of the work", PATIENCE_S)
    page = otto.get(f"/people/{person}")
    states = Counter(tile["data-photo-state"] for tile in page.select("[data-photo-state]"))
    assert states == {"done": 2, "failed": 1}
    (failed,) = page.select("[data-photo-state=failed]")
    assert "it stopped the program three times" in failed.text
    expect_each_photo_done_once(busy, [Mate(mate.name, [mate.photos[1], *mate.photos[2:]], mate.probe)])
    expect_counts_that_add_up(busy, otto)

    # When what killed its worker is over, it can be tried again.
    otto.post(f"/photos/{failed['data-photo']}/retry", {})
    wait_until(lambda: all_done(busy), "the end of the work", PATIENCE_S)
    expect_each_photo_done_once(
        busy, [Mate(mate.name, [mate.photos[1], deadly, *mate.photos[2:]], mate.probe)]
    )
    expect_found(busy, otto, [mate])


def test_a_web_server_that_is_killed_while_a_program_waits_has_its_act_done_once(
    busy: UpPortal, crowd: Iterator[Mate]
) -> None:
    mate, slug = next(crowd), busy.add_organization("Register")
    key = busy.command("create-api-key", "--organization", slug, "--name", "Register", "--scope", "enrol")
    enrolled = "SELECT count(*) FROM person WHERE external_id = ?"
    wait_until(lambda: len(ready_workers(busy)) == WORKERS, "all workers", PATIENCE_S)
    workers = ready_workers(busy)
    for worker in workers:
        stop(busy, worker)
    with Client(busy.url, key) as client, ThreadPoolExecutor(1) as pool:
        # It sends the request again, with the same Idempotency-Key, when the line breaks.
        answer = pool.submit(client.enrol_person, mate.external_id, mate.name, mate.photos[0], wait=60)
        wait_until(lambda: busy.one(enrolled, mate.external_id), "the act", PATIENCE_S)
        for web in busy.processes("gunicorn"):
            web.kill()
        for worker in workers:
            worker.resume()
        person = answer.result(PATIENCE_S)
    assert [photo.file_name for photo in person.photos] == [mate.photos[0].name]
    assert busy.one(enrolled, mate.external_id) == 1
    acts = "SELECT count(*) FROM audit_event WHERE action = 'person.created' AND subject_id = ?"
    assert busy.one(acts, person.id) == 1
