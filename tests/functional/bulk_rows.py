"""What has to be in the database and the photo store when a batch has ended."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable

from redis import Redis

from jobs.maintenance import ORPHAN_AGE_S
from portal.batches.models import ItemState
from portal.batches.reasons import ItemReason
from portal.queues import ENROLMENT, queue
from portal.storage import PhotoStore
from tests.functional.up_portal import UpPortal
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

TO_CHECK = ItemReason.SEVERAL_FACES


def expect_all_enrolled(portal: UpPortal, batch: int, paths: Iterable[str]) -> None:
    """Every photo that was dropped is a photo of its person, once, and done."""
    dropped = Counter(list(paths))
    items = portal.rows(
        "SELECT item.path, item.state, item.reason, item.file_key, photo.file_name, photo.reason AS trouble, "
        "photo.state AS photo_state, photo.claimed_by, photo.main_face_id, photo.id AS photo_id, "
        "person.external_id, person.name FROM batch_item item LEFT JOIN photo ON photo.id = item.photo_id "
        "LEFT JOIN person ON person.id = photo.person_id WHERE item.batch_id = ?",
        batch,
    )
    assert Counter(item["path"] for item in items) == dropped
    assert {(item["state"], item["reason"].replace(TO_CHECK, "")) for item in items} == {("enrolled", "")}
    assert {item["file_key"] for item in items} == {None}
    assert {(item["photo_state"], item["trouble"], item["claimed_by"]) for item in items} == {
        ("done", None, None)
    }
    assert len({item["photo_id"] for item in items}) == len(items)
    assert Counter(f"{item['external_id']}/{item['file_name']}" for item in items) == dropped
    assert {item["name"] for item in items} == {path.partition("/")[0].replace("_", " ") for path in dropped}
    expect_gallery_of_done_photos(portal)


def expect_gallery_of_done_photos(portal: UpPortal) -> None:
    """The faces in the gallery are the main faces of the photos that are done; no photo is there twice."""
    in_gallery = portal.rows(
        "SELECT photo_id, id, person_id FROM face WHERE gallery_version IS NOT NULL ORDER BY 1"
    )
    done = portal.rows("SELECT id, main_face_id, person_id FROM photo WHERE state = 'done' ORDER BY 1")
    assert [tuple(row) for row in in_gallery] == [tuple(row) for row in done]
    assert portal.rows("SELECT person_id FROM photo GROUP BY person_id, sha256 HAVING count(*) > 1") == []
    assert (
        portal.rows("SELECT id FROM person GROUP BY organization_id, external_id HAVING count(*) > 1") == []
    )


def expect_counts(counts: dict[str, int], **expected: int) -> None:
    """So many items are in these states, and none in another."""
    assert counts == {
        **{state.replace("_", "-"): 0 for state in ItemState},
        **expected,
        "total": sum(expected.values()),
    }


def expect_nothing_left_over(portal: UpPortal) -> None:
    """No ZIP is there any more; and of the photo files, once the cleaning was here, those that rows own."""
    rows = portal.rows("SELECT id FROM batch_archive WHERE state IN ('queued', 'running')")
    assert [tuple(row) for row in rows] == []
    store, long_ago = PhotoStore(portal.data_dir / "photos"), time.time() - 2 * ORPHAN_AGE_S
    for path in store.folder.rglob("*"):
        if path.is_file():
            os.utime(path, (long_ago, long_ago))
    with Redis.from_url(f"unix://{portal.data_dir / 'redis.sock'}") as connection:
        cleaning = "jobs.maintenance.remove_orphaned_files"
        queue(ENROLMENT, connection).enqueue_call(cleaning, args=(0,), result_ttl=0)
    wait_until(lambda: unowned_files(portal) == [], "only files that rows own", PATIENCE_S)
    assert [key for key in owned_keys(portal) if not (store.folder / key).is_file()] == []


def owned_keys(portal: UpPortal) -> set[str]:
    return {
        key
        for table in ("photo", "search", "batch_item")
        for (key,) in portal.rows(f"SELECT file_key FROM {table} WHERE file_key IS NOT NULL")
    }


def unowned_files(portal: UpPortal) -> list[str]:
    """The files in the photo store that belong to no photo; pieces of ZIPs and of photos among them."""
    store = PhotoStore(portal.data_dir / "photos")
    pieces = [str(path) for name in ("incoming", "archives") for path in (store.folder / name).glob("*")]
    return pieces + sorted(set(store.keys(time.time())) - owned_keys(portal))
