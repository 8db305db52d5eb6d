"""Whoever is killed while people are compared, and however many workers race: no pair is missed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.functional.bulk import Sending
from tests.functional.interrupting import kill, kill_everything, process_of, standing_still
from tests.functional.mates import mates
from tests.functional.staff import Staff
from tests.functional.up_portal import COMPARING, UpPortal, up
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group(COMPARING)

WORKERS, RACING = 2, 4
# So many that comparing them takes a few seconds.
STRANGERS = 16_000
PLANTED = 40
FOUND = """
    SELECT a.external_id, b.external_id, pair.score FROM duplicate_pair AS pair
    JOIN person AS a ON a.id = a_id JOIN person AS b ON b.id = b_id WHERE pair.organization_id = ?
"""


@pytest.fixture(scope="module")
def busy(model_dir: Path) -> Iterator[UpPortal]:
    """A portal of these tests' own."""
    with up(model_dir, WORKERS) as portal:
        portal.add_user("otto@depot.example", portal.add_organization("Depot"), "operator")
        portal.add_user("pia@port.example", portal.add_organization("Port"), "operator")
        yield portal


def organization(portal: UpPortal, slug: str) -> int:
    return int(portal.one("SELECT id FROM organization WHERE slug = ?", slug))


def all_compared(portal: UpPortal) -> bool:
    behind = """
        SELECT 1 FROM organization LEFT JOIN duplicate_pass ON organization.id = organization_id
        WHERE gallery_version > coalesce(compared_version, 0) OR state != 'done'
    """
    return not portal.rows(behind)


def expected(portal: UpPortal, number: int, threshold: float) -> set[tuple[str, str]]:
    """All pairs of people of whom two faces reach the threshold: plain NumPy."""
    rows = portal.rows(
        "SELECT person.id, external_id, template FROM face JOIN person ON person.id = person_id "
        "WHERE gallery_version IS NOT NULL AND face.organization_id = ? ORDER BY person.id",
        number,
    )
    vectors = np.stack([np.frombuffer(row["template"], "<f4") for row in rows])
    found = set()
    for start in range(0, len(rows), 1000):
        for i, j in np.argwhere(vectors[start : start + 1000] @ vectors[start:].T >= threshold):
            if rows[start + i]["id"] < rows[start + j]["id"]:
                found.add((rows[start + i]["external_id"], rows[start + j]["external_id"]))
    return found


def recorded(portal: UpPortal, number: int) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in portal.rows(FOUND, number)]


def test_workers_that_race_find_all_pairs_and_each_once(busy: UpPortal, lfw: Path) -> None:
    otto, pia = (Staff(busy, who) for who in ("otto@depot.example", "pia@port.example"))
    people = mates(lfw, photos=1)[:60]
    twice = [
        (f"{side}_{mate.name}/1.jpg", photo)
        for mate in people
        for side, photo in (("A", mate.photos[0]), ("B", mate.probe))
    ]
    random.Random(1).shuffle(twice)
    sendings = [Sending(otto), Sending(pia)]
    with busy.more_workers(RACING - WORKERS):
        for sending in sendings:
            sending.everything(dict(twice))
        for sending in sendings:
            sending.ended()
        wait_until(lambda: all_compared(busy), "everybody to be compared", PATIENCE_S)
    threshold = busy.one("SELECT max(threshold) FROM duplicate_pair")
    for slug in ("depot", "port"):
        number = organization(busy, slug)
        found = recorded(busy, number)
        assert len(found) == len(set(found)) >= 50
        assert set(found) == expected(busy, number, threshold)


def add_strangers(portal: UpPortal, number: int, seed: int) -> None:
    """People with made-up templates, some of them twice; all enrolled and none compared."""
    random_, dimension = (
        np.random.default_rng(seed),
        portal.one("SELECT dimension FROM face_model WHERE id = (SELECT face_model_id FROM installation)"),
    )
    vectors = random_.normal(size=(STRANGERS, dimension))
    copies = random_.choice(STRANGERS // 2, PLANTED, replace=False)
    vectors[-PLANTED:] = vectors[copies] + 0.5 * random_.normal(size=(PLANTED, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with (
        closing(sqlite3.connect(portal.data_dir / "portal.sqlite3", timeout=PATIENCE_S)) as database,
        database,
    ):
        model = database.execute("SELECT face_model_id FROM installation").fetchone()[0]
        first = database.execute("SELECT coalesce(max(id), 0) + 1 FROM person").fetchone()[0]
        photo = database.execute("SELECT coalesce(max(id), 0) + 1 FROM photo").fetchone()[0]
        ids = range(STRANGERS)
        database.executemany(
            "INSERT INTO person (id, organization_id, external_id, name, name_key, created_at, updated_at) "
            "VALUES (?, ?, ?, 'S', 's', '2026-01-01', '2026-01-01')",
            ((first + i, number, f"S{seed}-{i}") for i in ids),
        )
        database.executemany(
            "INSERT INTO photo (id, organization_id, person_id, state, attempts, created_at, sha256, "
            "file_key, file_name, size_bytes) VALUES (?, ?, ?, 'done', 0, '2026-01-01', ?, ?, 's.jpg', 1)",
            ((photo + i, number, first + i, f"{seed}-{i}", f"{number}/{seed}-{i}") for i in ids),
        )
        database.executemany(
            "INSERT INTO face (organization_id, person_id, photo_id, face_model_id, box, landmarks, "
            "detection_score, quality, template, gallery_version) VALUES (?, ?, ?, ?, '[0,0,1,1]', '[]', 1, "
            "'{}', ?, (SELECT gallery_version + 1 FROM organization WHERE id = ?))",
            ((number, first + i, photo + i, model, vectors[i].astype("<f4").tobytes(), number) for i in ids),
        )
        database.execute(
            "UPDATE organization SET gallery_version = gallery_version + 1 WHERE id = ?", (number,)
        )
        # As if they had been there before anybody compared people.
        database.execute(
            "INSERT INTO duplicate_pass (organization_id, compared_version, state, attempts, created_at) "
            "SELECT id, gallery_version, 'done', 0, '2026-01-01' FROM organization WHERE id = ?",
            (number,),
        )


@pytest.mark.parametrize("killed", ["the worker", "everything"])
def test_a_scan_goes_on_after_a_kill(busy: UpPortal, killed: str) -> None:
    slug = busy.add_organization(f"Strangers, {killed}")
    number = organization(busy, slug)
    add_strangers(busy, number, seed=len(killed))
    scanning = busy.begin("scan-duplicates", "--organization", slug)
    try:
        with standing_still(
            busy,
            "a scan in the middle",
            f"SELECT 1 FROM duplicate_scan WHERE organization_id = {number} AND state = 'running' "
            "AND compared_face_id > 0 AND compared_faces < faces",
        ):
            if killed == "everything":
                kill_everything(busy)
            else:
                name = busy.one("SELECT claimed_by FROM duplicate_scan WHERE state = 'running'")
                kill([process_of(name)])
        if killed == "everything":
            busy.start()
        wait_until(
            lambda: busy.one("SELECT state FROM duplicate_scan WHERE organization_id = ?", number) == "done",
            "the end of the scan",
            PATIENCE_S,
        )
    finally:
        scanning.close()
    (scan,) = busy.rows("SELECT * FROM duplicate_scan WHERE organization_id = ?", number)
    assert scan["compared_faces"] == scan["faces"] == STRANGERS
    assert scan["comparisons"] == STRANGERS * (STRANGERS - 1) // 2
    found = recorded(busy, number)
    assert len(found) == len(set(found)) >= PLANTED
    assert set(found) == expected(busy, number, scan["threshold"])
