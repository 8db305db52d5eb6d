"""Whatever is cut off or killed in the middle of a batch: it goes on, and each photo is enrolled once."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from portal.batches.importing import RECEIVED_AT_ONCE
from portal.batches.unpacking import ENTRIES_AT_ONCE
from portal.http.bodies import MOST_AT_ONCE
from portal.removal.undoing import AT_ONCE as UNDONE_AT_ONCE
from portal.storage import CHUNK_BYTES
from tests.functional.bulk import PARCEL_FILES, Photos, Sending
from tests.functional.bulk_rows import (
    expect_all_enrolled,
    expect_counts,
    expect_gallery_of_done_photos,
    expect_nothing_left_over,
    unowned_files,
)
from tests.functional.interrupting import (
    kill,
    kill_everything,
    process_of,
    ready_workers,
    standing_still,
    stop,
)
from tests.functional.staff import Staff
from tests.functional.up_portal import KILLING_IN_BULK, UpPortal, up
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group(KILLING_IN_BULK)

WORKERS = 2

Take = Callable[[int], dict[str, Path]]
# Their photos resemble each other so little that they are held up, as a class would be.
UNLIKE = {"Courtney_Love", "Denise_Johnson", "James_McGreevey"}


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
def take(lfw: Path) -> Take:
    """At least so many photos of people whom no other test takes, by the paths that they are dropped with."""
    rest = (sorted(folder.glob("*.jpg")) for folder in sorted(lfw.iterdir()) if folder.name not in UNLIKE)

    def some(number: int) -> dict[str, Path]:
        taken: dict[str, Path] = {}
        while len(taken) < number:
            taken |= {f"{photo.parent.name}/{photo.name}": photo for photo in next(rest)}
        return taken

    return some


@dataclass(frozen=True)
class Drop:
    """What is dropped: photos as they are, and in two ZIPs."""

    photos: dict[str, Path]
    archive: Path
    other_archive: Path
    paths: list[str]


@pytest.fixture
def drop(take: Take, tmp_path: Path) -> Drop:
    photos, inside, inside_other = take(2 * PARCEL_FILES + 10), take(3 * ENTRIES_AT_ONCE), take(10)
    return Drop(
        photos,
        zipped(tmp_path / "archive.zip", inside),
        zipped(tmp_path / "other.zip", inside_other),
        [*photos, *inside, *inside_other],
    )


def zipped(path: Path, photos: Photos) -> Path:
    """A ZIP of photos, with hidden files between them: it is received in several pieces."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, photo in photos.items():
            archive.writestr(f"__MACOSX/{name}", os.urandom(8 * CHUNK_BYTES // len(photos)))
            archive.write(photo, name)
    return path


def folder_of(path: Path, photos: Photos) -> Path:
    """A folder of links to photos."""
    for name, photo in photos.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).symlink_to(photo)
    return path


def all_workers(portal: UpPortal) -> list[psutil.Process]:
    """The workers, once all of them are ready."""
    found: list[psutil.Process] = wait_until(
        lambda: len(ready := ready_workers(portal)) == WORKERS and ready, "all workers", PATIENCE_S
    )
    return found


def test_what_arrived_before_the_connection_was_cut_is_not_sent_again(
    busy: UpPortal, otto: Staff, drop: Drop
) -> None:
    sending = Sending(otto)
    wanted = sending.wanted(drop.photos)
    arrived = dict(list(wanted.items())[:PARCEL_FILES])
    on_its_way = dict(list(wanted.items())[PARCEL_FILES : 2 * PARCEL_FILES])
    sending.send(arrived)
    with sending.half_of_parcel(on_its_way):
        wait_until(lambda: list((busy.data_dir / "photos/incoming").iterdir()), "a photo on its way")
    wait_until(lambda: unowned_files(busy) == [], "what came of the form to be removed")
    number, _ = sending.archive(drop.archive)
    sending.send_piece(drop.archive, number, 0, CHUNK_BYTES)
    end = drop.archive.stat().st_size
    with sending.half_of_piece(drop.archive, number, CHUNK_BYTES, end):
        wait_until(lambda: sending.archive(drop.archive)[1] > CHUNK_BYTES, "a part of a ZIP")
    status, counts = sending.progress()
    assert status == "receiving"
    assert counts["expected"] == len(drop.photos) - PARCEL_FILES

    # A form is taken as a whole or not at all.
    assert sending.wanted(drop.photos).keys() == wanted.keys() - arrived.keys()
    sending.everything(drop.photos, drop.archive, drop.other_archive)
    counts = sending.ended()
    expect_all_enrolled(busy, sending.batch, drop.paths)
    expect_counts(counts, enrolled=len(drop.paths))
    expect_nothing_left_over(busy)


def test_a_connection_that_breaks_after_another_one_went_on_adds_nothing(
    busy: UpPortal, otto: Staff, take: Take, tmp_path: Path
) -> None:
    photos = take(20)
    archive = zipped(tmp_path / "archive.zip", photos)
    sending = Sending(otto)
    number, _ = sending.archive(archive)
    server = busy.processes("gunicorn")
    with sending.half_of_piece(archive, number, 0, 5 * MOST_AT_ONCE) as connection:
        # Half of this is two and a half pieces: the last of them is not written yet.
        wait_until(lambda: sending.archive(archive)[1] == 2 * MOST_AT_ONCE, "a part of a ZIP")
        own_port = connection.getsockname()[1]
        sending.send_piece(archive, number, 2 * MOST_AT_ONCE, 3 * MOST_AT_ONCE)

    def noticed() -> bool:
        connections = [one for process in server for one in process.net_connections("tcp")]
        return all(one.raddr.port != own_port for one in connections if one.raddr)

    wait_until(noticed, "the server to notice that the first connection is gone")
    sending.everything({}, archive)
    expect_counts(sending.ended(), enrolled=len(photos))
    expect_all_enrolled(busy, sending.batch, photos)


def at_work_on(table: str) -> str:
    return f"SELECT claimed_by FROM {table} WHERE state = 'running' LIMIT 1"


def worker_at(table: str) -> Callable[[UpPortal], None]:
    return lambda portal: kill([process_of(portal.one(at_work_on(table)))])


def all_of(words: str) -> Callable[[UpPortal], None]:
    return lambda portal: kill(portal.processes(words))


@pytest.mark.parametrize(
    ("at_work", "kill_some"),
    [
        pytest.param("photo", worker_at("photo"), id="the worker at the photos"),
        pytest.param("batch_archive", worker_at("batch_archive"), id="the worker at the ZIP"),
        pytest.param("photo", all_of("jobs.worker"), id="all workers"),
        pytest.param("photo", all_of("redis-server"), id="Redis"),
        pytest.param("batch_archive", all_of("gunicorn"), id="the web server"),
        pytest.param("photo", kill_everything, id="everything"),
    ],
)
def test_a_batch_goes_on_after_a_kill(
    at_work: str,
    kill_some: Callable[[UpPortal], None],
    busy: UpPortal,
    otto: Staff,
    drop: Drop,
    take: Take,
    tmp_path: Path,
) -> None:
    workers = all_workers(busy)
    for worker in workers:
        stop(busy, worker)
    sending = Sending(otto)
    wanted = sending.wanted(drop.photos)
    parcels = list(wanted.items())
    sending.send(dict(parcels[:PARCEL_FILES]))
    sending.send_archive(drop.archive)
    number, _ = sending.archive(drop.other_archive)
    sending.all_announced()
    with ExitStack() as requests:
        requests.enter_context(sending.half_of_parcel(dict(parcels[PARCEL_FILES : 2 * PARCEL_FILES])))
        end = drop.other_archive.stat().st_size
        requests.enter_context(sending.half_of_piece(drop.other_archive, number, 0, end))
        wait_until(lambda: list((busy.data_dir / "photos/incoming").iterdir()), "a photo on its way")
        wait_until(lambda: sending.archive(drop.other_archive)[1], "a part of a ZIP")
        for worker in workers:
            worker.resume()
        with standing_still(busy, "a worker in the middle of its work", at_work_on(at_work)):
            kill_some(busy)
    if kill_some is kill_everything:
        imported = take(20)
        archive = zipped(tmp_path / "imported.zip", imported)
        said = busy.command("import", str(archive), "--organization", "depot")
        busy.start()
        assert "The portal is not up" in said
        expect_imported(busy, archive, imported)

    sending.everything(drop.photos, drop.archive, drop.other_archive)
    counts = sending.ended()
    expect_all_enrolled(busy, sending.batch, drop.paths)
    expect_counts(counts, enrolled=len(drop.paths))
    expect_nothing_left_over(busy)


def expect_imported(portal: UpPortal, archive: Path, photos: Photos) -> None:
    batch = portal.one("SELECT id FROM batch WHERE source = ?", f"from {archive}")
    wait_until(lambda: portal.one("SELECT finished_at FROM batch WHERE id = ?", batch), "the end", PATIENCE_S)
    expect_all_enrolled(portal, batch, photos)


def test_an_import_that_was_killed_goes_on_when_it_is_run_again(
    busy: UpPortal, otto: Staff, take: Take, tmp_path: Path
) -> None:
    photos = take(2 * RECEIVED_AT_ONCE + 10)
    folder = folder_of(tmp_path, photos)
    command = ("import", str(folder), "--organization", "depot", "--grouping", "folder", "--label", "name")
    source = f"SELECT 1 FROM batch_item JOIN batch ON batch.id = batch_id WHERE source = 'from {folder}'"
    importing = busy.begin(*command)
    try:
        with standing_still(
            busy,
            "an import in the middle",
            f"{source} AND state = 'expected'",
            f"{source} AND state != 'expected'",
        ):
            kill([psutil.Process(importing.pid)])
    finally:
        importing.close()

    said = busy.command(*command)
    batch = busy.one("SELECT id FROM batch WHERE source = ?", f"from {folder}")
    assert f"Batch {batch}: {len(photos)} photos: {len(photos)} enrolled" in " ".join(said.split())
    expect_all_enrolled(busy, batch, photos)

    # Once more: nothing is enrolled twice.
    said = " ".join(busy.command(*command).split())
    assert f"{len(photos)} photos: 0 enrolled, 0 added to enrolled people, {len(photos)} already" in said
    expect_gallery_of_done_photos(busy)
    expect_nothing_left_over(busy)


def test_a_batch_is_undone_to_the_end_when_all_are_killed_in_the_middle_of_it(
    busy: UpPortal, otto: Staff, take: Take, tmp_path: Path
) -> None:
    before = Counter(busy.rows("SELECT person_id FROM photo"))
    photos = take(UNDONE_AT_ONCE + 10)
    sending = Sending(otto)
    sending.everything(photos)
    expect_counts(sending.ended(), enrolled=len(photos))
    workers = all_workers(busy)
    for worker in workers:
        stop(busy, worker)
    otto.post(f"/enrol/{sending.batch}/undo", {})
    for worker in workers:
        worker.resume()
    items = f"SELECT 1 FROM batch_item WHERE batch_id = {sending.batch}"
    with standing_still(
        busy,
        "an undo in the middle",
        f"{items} AND state = 'undone'",
        f"{items} AND state != 'undone'",
    ):
        kill(busy.processes("jobs.worker"))

    expect_counts(sending.ended("undone"), undone=len(photos))
    assert Counter(busy.rows("SELECT person_id FROM photo")) == before
    assert busy.one("SELECT count(*) FROM person WHERE batch_id = ?", sending.batch) == 0
    expect_gallery_of_done_photos(busy)
    expect_nothing_left_over(busy)


def test_a_batch_does_not_wait_for_that_of_others_nor_a_search_for_both(
    busy: UpPortal, otto: Staff, take: Take
) -> None:
    busy.add_user("pia@port.example", busy.add_organization("Port"), "operator")
    workers = all_workers(busy)
    large, small = Sending(otto), Sending(Staff(busy, "pia@port.example"))
    photos = take(300)
    some = dict(list(photos.items())[:60])
    for worker in workers:
        stop(busy, worker)
    large.everything(photos)
    small.everything(some)
    for worker in workers:
        worker.resume()
    enrolled = f"SELECT 1 FROM batch_item WHERE batch_id = {large.batch} AND state = 'enrolled'"
    wait_until(lambda: busy.rows(enrolled), "the large batch to have begun", PATIENCE_S, every_s=0.002)
    for worker in workers:
        stop(busy, worker)
    assert len(busy.rows(enrolled)) < len(photos)
    address, _ = otto.post("/search", {}, {"photo": [next(iter(photos.values()))]})
    for worker in workers:
        worker.resume()
    expect_counts(small.ended(), enrolled=len(some))
    expect_counts(large.ended(), enrolled=len(photos))
    expect_all_enrolled(busy, small.batch, some)
    expect_all_enrolled(busy, large.batch, photos)
    ended = "SELECT max(finished_at) FROM batch_item WHERE batch_id = ?"
    assert busy.one(ended, small.batch) < busy.one(ended, large.batch)
    answered = busy.one("SELECT finished_at FROM search WHERE id = ?", address.rpartition("/")[2])
    assert answered < busy.one(ended, large.batch)
