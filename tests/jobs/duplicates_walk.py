"""A walk: anything that staff and workers do with people and their pairs, in any order."""

from __future__ import annotations

from itertools import combinations, count
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from jobs import duplicates, process
from portal.calibration.choosing import Purpose, choose_threshold
from portal.database import Gone, writing
from portal.duplicates import judging
from portal.enrolment import work
from portal.installation.thresholds import thresholds_of
from portal.merging.merging import MergeError, undo_merge
from portal.organizations.models import Organization
from portal.pairs import passes, scans
from portal.pairs.finding import is_another_question, rises_clearly
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.models import Merge, Person
from portal.photos import services as enrolment
from portal.photos.models import Photo
from portal.photos.records import ChosenFaceRecord, ClaimedPhoto, FaceRecord, PhotoRecord
from portal.removal.services import delete_person, remove_photo
from portal.storage import PhotoStore, photo_store
from portal.work.models import WorkState
from tests.make.face_models import face_model
from tests.make.merges import merge_people
from tests.make.people import QUALITY, TESTER, add_person, add_photo, towards
from tests.read.pairs import assert_grouped, pair_of
from tests.run.workers import Worker

REFUSED = (Gone, MergeError, judging.PairError, scans.ScanError, enrolment.PhotoError)
# Looks that resemble each other in all degrees: directions in a few dimensions.
LOOKS = np.random.default_rng(1).normal(size=(24, 5))
STEPS_AT_REST = 60
STEPS = 40
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


class Scene:
    """An organization whose people look as they are told to, and a worker that compares them."""

    def __init__(self, session: Session, worker: Worker, organization: Organization) -> None:
        self.session, self.worker = session, worker
        self.organization = session.get_one(Organization, organization.id)
        self.people: dict[str, Person] = {}
        self._shades = count(1)
        face_model(session)
        with writing(session):
            self.organization.duplicate_threshold = 0.4
        process.begin(worker.process)

    def photo(self, name: str, *look: float) -> Photo:
        """A photo of someone, who is enrolled with the first."""
        if name not in self.people:
            self.people[name] = add_person(self.session, self.organization, name, name)
        vector = towards(*look, dimension=face_model(self.session).dimension)
        return add_photo(self.session, self.people[name], shade=next(self._shades), vector=vector)

    def remove(self, photo: Photo) -> None:
        remove_photo(self.session, self.organization, TESTER, photo, photo_store())

    def compare(self) -> None:
        while passes.is_behind(self.session, self.organization.id):
            duplicates.compare_new(self.organization.id)

    def pair(self, one: str, other: str) -> DuplicatePair:
        return pair_of(self.session, self.people[one].id, self.people[other].id)


class NoFiles(PhotoStore):
    """A store of photos whose files are nowhere."""

    def delete(self, key: str) -> None:
        """Nothing is there to delete."""


class Walk:
    """An organization in which anything happens; each step takes three numbers that choose what to.

    Photos have no files: which of LOOKS one shows is in its key, the second face of it shows another one.
    """

    def __init__(
        self, session: Session, worker: Worker, organization: Organization, store: PhotoStore
    ) -> None:
        self.session, self.worker, self.organization, self.store = session, worker, organization, store
        self.model = face_model(session)
        self.enrolled = count(1)
        # Whose photo each one was in the beginning, by its id.
        self.owners: dict[int, int] = {}

    # What is there.

    def people(self) -> list[Person]:
        mine = Person.organization_id == self.organization.id
        return self._fresh(select(Person).where(mine, Person.merged_into_id.is_(None)).order_by(Person.id))

    def photos(self) -> list[Photo]:
        return self._fresh(
            select(Photo).where(Photo.organization_id == self.organization.id).order_by(Photo.id)
        )

    def pairs(self, *, is_open: bool) -> list[DuplicatePair]:
        mine = select(DuplicatePair).where(DuplicatePair.organization_id == self.organization.id)
        pairs = self._fresh(mine.order_by(DuplicatePair.id))
        return [pair for pair in pairs if (pair.status == PairStatus.OPEN) == is_open]

    def merges(self) -> list[Merge]:
        mine = select(Merge).where(Merge.organization_id == self.organization.id, Merge.undone_at.is_(None))
        return self._fresh(mine.order_by(Merge.id.desc()))

    def _fresh(self, query: Select[Any]) -> list[Any]:
        self.session.rollback()
        return list(self.session.scalars(query.execution_options(populate_existing=True)))

    # What staff do.

    def person(self, x: int, y: int, z: int) -> None:
        number = next(self.enrolled)
        self._photo(add_person(self.session, self.organization, f"e{number}", f"n{number}"), x)

    def photo(self, x: int, y: int, z: int) -> None:
        for person in _one(self.people(), x):
            self._photo(person, y)

    def _photo(self, person: Person, look: int) -> None:
        look %= len(LOOKS)
        if any(photo.person_id == person.id and photo.sha256 == f"sha{look}" for photo in self.photos()):
            return
        with writing(self.session):
            photo = Photo(
                organization_id=self.organization.id,
                person_id=person.id,
                sha256=f"sha{look}",
                file_key=f"{person.id}/{len(self.owners)}/{look}",
                file_name="photo.jpg",
                size_bytes=1,
            )
            self.session.add(photo)
        self.owners[photo.id] = person.id

    def choose(self, x: int, y: int, z: int) -> None:
        for photo in _one([photo for photo in self.photos() if photo.state == WorkState.DONE], x):
            face_id = sorted(face.id for face in photo.faces)[y % 2]
            enrolment.choose_face(self.session, self.organization, TESTER, photo, face_id)

    def remove(self, x: int, y: int, z: int) -> None:
        for photo in _one(self.photos(), x):
            remove_photo(self.session, self.organization, TESTER, photo, self.store)

    def delete(self, x: int, y: int, z: int) -> None:
        for person in _one(self.people(), x):
            delete_person(self.session, self.organization, TESTER, person, self.store)

    def merge(self, x: int, y: int, z: int) -> None:
        people = self.people()
        if len(people) > 1:
            one = people.pop(x % len(people))
            two = (one, people[y % len(people)])
            name, external_id = two[z % 2].name, two[z // 2 % 2].external_id
            merge_people(self.session, self.organization, TESTER, *two, name=name, external_id=external_id)

    def undo(self, x: int, y: int, z: int) -> None:
        for merged in _one(self.merges(), x if x % 2 else 0):
            undo_merge(self.session, self.organization, TESTER, merged)

    def decide(self, x: int, y: int, z: int) -> None:
        for pair in _one(self.pairs(is_open=True), x):
            status = PairStatus.DISTINCT if y % 3 else PairStatus.DUPLICATE
            judging.decide(self.session, TESTER, pair, status)

    def decide_and_merge(self, x: int, y: int, z: int) -> None:
        for pair in _one(self.pairs(is_open=True), x):
            one, other = (pair.a, pair.b) if y % 2 else (pair.b, pair.a)
            judging.decide_and_merge(
                *(self.session, self.organization, TESTER, pair),
                survivor=one,
                absorbed=other,
                name=one.name,
                external_id=one.external_id,
            )

    def take_back(self, x: int, y: int, z: int) -> None:
        for pair in _one(self.pairs(is_open=False), x):
            judging.undo_decision(self.session, self.organization, TESTER, pair, pair.decided_at)

    def choose_threshold(self, x: int, y: int, z: int) -> None:
        threshold = THRESHOLDS[x % len(THRESHOLDS)]
        choose_threshold(self.session, self.organization, TESTER, Purpose.DUPLICATES, threshold)

    # What workers do.

    def work(self, x: int, y: int, z: int) -> None:
        self._write(self._claimed(1 + x % 4))

    def work_across(self, x: int, y: int, z: int) -> None:
        """Something happens between the beginning of the work and its end."""
        claimed = self._claimed(1 + x % 4)
        self.step(ACROSS[y % len(ACROSS)], z, x, y)
        self._write(claimed)

    def _claimed(self, most: int) -> list[ClaimedPhoto]:
        return work.claim_photos(self.session, self.worker.name, self.organization.id, most)[0]

    def _write(self, claimed: list[ClaimedPhoto]) -> None:
        found: dict[int, PhotoRecord | ChosenFaceRecord] = {}
        for photo in claimed:
            look = int(photo.file_key.rsplit("/", 1)[1])
            if photo.chosen is not None:
                found[photo.id] = ChosenFaceRecord(self._template(look + 7 * int(photo.chosen.box[0])))
            else:
                main = FaceRecord(**_face(0), template=self._template(look))
                faces = [main, FaceRecord(**_face(1), template=None)]
                found[photo.id] = PhotoRecord("JPEG", 64, 48, faces, 0, None)
        if found:
            work.record_photos(self.session, self.worker.name, self.organization.id, self.model.id, found)

    def _template(self, look: int) -> bytes:
        return towards(*LOOKS[look % len(LOOKS)], dimension=self.model.dimension).tobytes()

    def compare(self, x: int, y: int, z: int) -> None:
        duplicates.compare_new(self.organization.id)

    def scan(self, x: int, y: int, z: int) -> None:
        unfinished = scans.unfinished_scan(self.session, self.organization)
        scan = unfinished or scans.start_scan(self.session, self.organization, TESTER)
        duplicates.scan(scan.id)

    def step(self, name: str, x: int, y: int, z: int) -> None:
        try:
            getattr(self, name)(x, y, z)
        except REFUSED:
            self.session.rollback()

    # How it is when nobody has anything left to do.

    def rest(self, x: int = 0, y: int = 0, z: int = 0) -> None:
        for _ in range(STEPS_AT_REST):
            claimed = self._claimed(8)
            self._write(claimed)
            scan = scans.unfinished_scan(self.session, self.organization)
            if scan:
                duplicates.scan(scan.id)
            duplicates.compare_new(self.organization.id)
            if not claimed and not scan and not passes.is_behind(self.session, self.organization.id):
                break
        else:
            raise AssertionError("the workers do not get to the end")
        self.assert_right()

    def end(self) -> None:
        """After all merges were undone every photo is whose it was."""
        self.rest()
        while merges := self.merges():
            undo_merge(self.session, self.organization, TESTER, merges[0])
        self.rest()
        assert all(photo.person_id == self.owners[photo.id] for photo in self.photos())

    def assert_right(self) -> None:
        thresholds = thresholds_of(self.session, self.organization)
        assert thresholds is not None
        best = self._in_gallery()
        known = {
            (pair.a_id, pair.b_id): pair for is_open in (True, False) for pair in self.pairs(is_open=is_open)
        }
        asked_or_decided = {two for two, score in best.items() if score >= thresholds.duplicates + 1e-4}
        assert asked_or_decided <= known.keys(), "a pair is missed"
        for two in asked_or_decided:
            assert known[two].score == pytest.approx(best[two], abs=1e-4), "a score is not that of the best"
        everybody = {person.id for person in self.people()}
        for two, pair in known.items():
            if everybody.issuperset(two):
                score = best.get(two, -1.0)
                assert not pair.stale
                assert pair.threshold == thresholds.duplicates
                assert pair.score <= score + 1e-4, "a score is that of photos that are gone"
                assert pair.status == PairStatus.OPEN or pair.decided_score is not None
                assert (
                    pair.status != PairStatus.DISTINCT
                    or score < thresholds.duplicates
                    or not rises_clearly(pair.decided_score or 0, score - 1e-4)
                ), "a decision stands though the question is another one"
                assert (
                    pair.status != PairStatus.OPEN
                    or pair.decided_score is None
                    or pair.same_photo
                    or is_another_question(self.session, pair, pair)
                ), "a pair is asked again for nothing"
        assert_grouped(self.session, self.organization.id)

    def _in_gallery(self) -> dict[tuple[int, int], float]:
        """The highest score of each two people; checks who is in the gallery on the way."""
        everybody, templates = {person.id for person in self.people()}, dict[int, list[Any]]()
        for photo in self.photos():
            inside = [face for face in photo.faces if face.gallery_version is not None]
            if photo.person_id not in everybody:
                assert inside == [], "an alias is in the gallery"
                continue
            if photo.state == WorkState.DONE:
                assert [face.id for face in inside] == [photo.main_face_id]
            for face in inside:
                assert face.person_id == photo.person_id
                templates.setdefault(face.person_id, []).append(np.frombuffer(face.template or b"", "<f4"))
        return {
            (one, other): max(float(a @ b) for a in templates[one] for b in templates[other])
            for one, other in combinations(sorted(templates), 2)
        }


def _one(rows: list[Any], number: int) -> list[Any]:
    """One of these; none if there is none."""
    return [rows[number % len(rows)]] if rows else []


def _face(number: int) -> dict[str, Any]:
    box = [float(number), 0.0, 10.0, 10.0]
    return {"box": box, "landmarks": [[0.0, 0.0]] * 5, "detection_score": 0.9, "quality": QUALITY}


ACROSS = ("merge", "undo", "delete", "remove", "choose", "compare")
# How often each is done, compared with the others.
OFTEN = {
    "person": 6,
    "photo": 5,
    "work": 6,
    "work_across": 3,
    "choose": 2,
    "remove": 2,
    "delete": 1,
    "merge": 4,
    "undo": 3,
    "decide": 4,
    "decide_and_merge": 2,
    "take_back": 2,
    "choose_threshold": 1,
    "compare": 4,
    "scan": 2,
    "rest": 2,
}
NAMES = [name for name, times in OFTEN.items() for _ in range(times)]
