"""Whatever staff and workers do in whatever order, in the end every pair is known, and with its score."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from jobs import duplicates
from jobs.gallery.pairs import FacePairs
from portal import queues
from portal.calibration.choosing import Purpose, choose_threshold
from portal.merging.merging import undo_merge
from portal.organizations.models import Organization
from portal.pairs import scans
from portal.pairs.finding import FoundPair
from portal.pairs.odd_photos import list_odd
from portal.work.models import WorkState
from tests.databases import on_both_databases
from tests.jobs.duplicates_walk import NAMES, STEPS, NoFiles, Scene, Walk
from tests.make.merges import merge
from tests.make.people import TESTER, towards
from tests.read.pairs import queue
from tests.run.workers import Worker


@pytest.fixture
def scene(session: Session, worker: Worker, clinic: Organization) -> Scene:
    """The clinic, with nobody in it."""
    return Scene(session, worker, clinic)


def test_a_score_is_that_of_the_best_faces_that_are_left(scene: Scene) -> None:
    best, _, _ = scene.photo("Anna", 1, 0.05), scene.photo("Anna", 1, 0.8), scene.photo("Anne", 1)
    scene.compare()
    # At once: the best goes, and a worse one comes.
    scene.remove(best)
    scene.photo("Anna", 1, 1.6)
    scene.compare()
    assert scene.pair("Anna", "Anne").score == pytest.approx(float(towards(1, 0.8)[0]))


def test_a_merge_carries_no_score_of_a_photo_that_is_gone(scene: Scene) -> None:
    scene.photo("Anna", 0, 1)
    scene.photo("Anne", 1, 0.1)
    best = scene.photo("Cleo", 1, 0.2)
    scene.photo("Cleo", 0, 0, 1)
    scene.compare()
    scene.remove(best)
    merge(scene.session, scene.people["Anna"], scene.people["Anne"])
    scene.compare()
    assert scene.pair("Anna", "Cleo").score == pytest.approx(0)
    assert queue(scene.session, scene.organization) == []


def test_a_pair_that_was_found_during_a_merge_is_there_when_that_is_undone(scene: Scene) -> None:
    for name, *look in (("Anna", 0, 1), ("Anne", 1, 0.1), ("Cleo", 1, 0.2)):
        scene.photo(str(name), *look)
    scene.compare()
    merged = merge(scene.session, scene.people["Anna"], scene.people["Anne"])
    scene.photo("Anna", 1, 0.3)
    scene.compare()
    undo_merge(scene.session, scene.organization, TESTER, merged)
    scene.compare()
    pair = scene.pair("Anna", "Cleo")
    assert pair.score == pytest.approx(float(towards(1, 0.3) @ towards(1, 0.2)))
    assert pair.group_id is not None


def test_a_merge_that_is_undone_leaves_no_photo_unlike_the_others(scene: Scene) -> None:
    scene.photo("Anna", 1)
    scene.photo("Cleo", 0, 1)
    merged = merge(scene.session, scene.people["Anna"], scene.people["Cleo"])
    scene.compare()
    assert len(list_odd(scene.session, scene.organization).items) == 2
    undo_merge(scene.session, scene.organization, TESTER, merged)
    scene.compare()
    assert list_odd(scene.session, scene.organization).items == []


@pytest.mark.parametrize("full", [True, False])
def test_what_is_found_while_the_threshold_is_raised_is_judged_by_it(
    scene: Scene, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.photo("Anna", 1)
    scene.photo("Anne", 1, 1)
    own = scene.session
    scan = scans.start_scan(own, scene.organization, TESTER)
    found_pairs = duplicates.found_pairs

    def raise_meanwhile(pairs: FacePairs) -> list[FoundPair]:
        found = found_pairs(pairs)
        choose_threshold(own, scene.organization, TESTER, Purpose.DUPLICATES, 0.8)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "found_pairs", raise_meanwhile)
        if full:
            duplicates.scan(scan.id)
        else:
            duplicates.compare_new(scene.organization.id)
    assert scene.pair("Anna", "Anne").threshold == 0.8
    assert queue(own, scene.organization) == []


def test_a_scan_that_others_always_wait_for_gets_on(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        scene.photo(f"P{number}", *([0] * number), 1)
    monkeypatch.setattr("jobs.duplicates.FACES_A_COMMIT", 2)
    monkeypatch.setattr("jobs.gallery.scan.FEWEST_OF_A_BLOCK", 2)
    monkeypatch.setattr("jobs.gallery.scan.COMPARISONS_OF_A_BLOCK", 1)
    monkeypatch.setattr(queues, "search_is_waiting", lambda: True)
    monkeypatch.setattr(queues, "LOOK_UP_EVERY_S", 0)
    scan = scans.start_scan(scene.session, scene.organization, TESTER)
    for compared in (2, 4, 6, 6):
        duplicates.scan(scan.id)
        scene.session.rollback()
        scene.session.refresh(scan)
        assert scan.compared_faces == compared
    assert scan.state == WorkState.DONE


@on_both_databases
def test_a_scan_whose_blocks_end_between_a_persons_photos_finds_the_best_of_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.gallery.scan.FEWEST_OF_A_BLOCK", 1)
    monkeypatch.setattr("jobs.gallery.scan.COMPARISONS_OF_A_BLOCK", 1)
    # The best faces meet between others that reach the threshold as well.
    shown = (("Anna", 0.8), ("Anne", 0), ("Anna", 0), ("Anna", 0.6), ("Anne", 0.7))
    photos = [scene.photo(name, 1, turned) for name, turned in shown]
    scan = scans.start_scan(scene.session, scene.organization, TESTER)
    duplicates.scan(scan.id)
    scene.session.rollback()
    scene.session.refresh(scan)
    assert (scan.state, scan.compared_faces, scan.new_pairs, scan.pairs) == (WorkState.DONE, 5, 1, 1)
    pair = scene.pair("Anna", "Anne")
    assert pair.score == pytest.approx(1)
    assert (pair.face_a_id, pair.face_b_id) == (photos[2].main_face_id, photos[1].main_face_id)


@pytest.mark.parametrize("seed", range(5, 15))
def test_after_any_walk_all_pairs_are_known(walk: Walk, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(STEPS):
        walk.step(chance.choice(NAMES), *(chance.randrange(1000) for _ in range(3)))
    walk.end()


@pytest.fixture
def walk(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """The clinic, to walk in; workers compare in small parts."""
    monkeypatch.setattr("jobs.duplicates.FACES_AT_ONCE", 2)
    monkeypatch.setattr("jobs.duplicates.PAIRS_A_COMMIT", 3)
    return Walk(scene.session, scene.worker, scene.organization, NoFiles(tmp_path))
