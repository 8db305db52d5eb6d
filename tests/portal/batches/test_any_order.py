"""Whatever happens to batches, in any order: nothing is lost, nothing is enrolled twice, all of it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine
from portal.batches.models import Batch, BatchArchive, BatchItem, ItemState
from portal.database import writing
from portal.enrolment.admitting import admit_received
from portal.enrolment.work import claim_photos
from portal.people.models import Person, PersonWord
from portal.photos.models import Face, GalleryRemoval, Photo
from portal.storage import photo_store
from portal.work.models import WorkState
from tests.make.batches import all_announced, drop_on, finish, start, zipped
from tests.make.photos import picture
from tests.read.batches import ENDS, assert_sound, items_of
from tests.run.workers import Worker, sweep
from tests.visitor import Visitor, file

PATHS = [f"P{person}/{number}.jpg" for person in range(3) for number in range(3)] + ["loose.jpg"]
some_paths = st.lists(st.sampled_from(PATHS), min_size=1, max_size=4, unique=True)
which = st.integers(0, 1)

Step = tuple[str, object, object]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("drop"), which, some_paths),
        st.tuples(st.just("drop a ZIP"), which, some_paths),
        st.tuples(st.just("announce"), which, some_paths),
        st.tuples(st.just("work"), st.integers(1, 3), st.none()),
        st.tuples(st.sampled_from(["lose a worker", "sweep", "lose Redis"]), st.none(), st.none()),
        st.tuples(
            st.sampled_from(["pause", "resume", "cancel", "finish", "retry", "undo"]), which, st.none()
        ),
        st.tuples(st.sampled_from(["replace", "remove a photo", "delete a person"]), which, st.none()),
    ),
    min_size=3,
    max_size=14,
)

WITH_A_ZIP: list[Step] = [
    ("drop a ZIP", 0, PATHS[:3]),
    ("work", 1, None),
    ("pause", 0, None),
    ("drop", 1, PATHS[:4]),
    ("lose a worker", None, None),
    ("retry", 0, None),
    ("resume", 0, None),
    ("undo", 1, None),
]
WITH_A_CANCELLATION: list[Step] = [
    ("announce", 0, PATHS[:2]),
    ("drop", 0, PATHS[1:3]),
    ("cancel", 0, None),
    ("retry", 0, None),
    ("work", 2, None),
    ("delete a person", 0, None),
    ("drop", 0, PATHS[:4]),
    ("lose Redis", None, None),
]


def photo_at(path: str) -> bytes:
    """The photo of a path: some people have the same one under two names."""
    return picture(PATHS.index(path) % 4)


@dataclass
class Batches:
    """Two batches, and what was dropped on each."""

    bob: Visitor
    session: Session
    worker: Worker
    new_worker: Callable[[], Worker]
    numbers: list[int]
    announced: list[set[str]] = field(default_factory=lambda: [set(), set()])
    in_zips: list[set[str]] = field(default_factory=lambda: [set(), set()])
    ended: list[bool] = field(default_factory=lambda: [False, False])

    def take(self, step: Step) -> None:
        what, first, second = step
        if what in {"drop", "drop a ZIP", "announce"}:
            assert isinstance(first, int)
            assert isinstance(second, list)
            self._drop(what, first, second)
        elif what == "work":
            assert isinstance(first, int)
            self.worker.work(jobs=first)
        elif what == "lose a worker":
            lost = self.new_worker()
            _, unneeded = admit_received(self.session, self.bob.organization.id)
            for key in unneeded:
                photo_store().delete(key)
            claim_photos(self.session, lost.name, self.bob.organization.id, 2)
            lost.lose()
        elif what == "sweep":
            sweep(self.worker.app)
        elif what == "lose Redis":
            self.worker._connection.flushall()
        else:
            assert isinstance(first, int)
            self._act(what, first)

    def _drop(self, what: str, index: int, paths: list[str]) -> None:
        number, photos = self.numbers[index], {path: photo_at(path) for path in paths}
        listed = {"files": [{"path": path, "size": len(content)} for path, content in photos.items()]}
        content = zipped(photos)
        if what == "drop a ZIP":
            named = {"name": f"{'-'.join(paths)}.zip".replace("/", ""), "size": str(len(content))}
            response = self.bob.call(f"/enrol/{number}/archives", data=named)
            if response.status_code == 200:
                archive = response.get_json()["id"]
                self.bob.call(f"/enrol/{number}/archives/{archive}?offset=0", data=content)
                self.in_zips[index] |= set(paths)
        else:
            response = self.bob.call(f"/enrol/{number}/files", json=listed)
            if response.status_code == 200:
                self.announced[index] |= set(paths)
                if what == "drop":
                    drop_on(self.bob, number, photos)
        assert response.status_code in {200, 409}

    def _act(self, what: str, index: int) -> None:
        number = self.numbers[index]
        items = items_of(self.session, number)
        if what == "replace":
            open_items = [item for item in items if item.state == ItemState.ATTENTION and item.external_id]
            if open_items:
                sent = {"photo": [file(picture(50 + open_items[0].id))]}
                self.bob.post(f"/enrol/{number}/items/{open_items[0].id}/replace", sent)
        elif what == "remove a photo":
            if photos := [item.photo_id for item in items if item.photo_id]:
                self.bob.post(f"/photos/{photos[0]}/remove")
        elif what == "delete a person":
            if people := [item.person_id for item in items if item.person_id]:
                self.bob.post(f"/people/{people[0]}/delete")
        else:
            self.bob.post(f"/enrol/{number}/{what}")
            self.ended[index] |= what in {"cancel", "undo"}

    def check(self) -> None:
        """What is true at every moment."""
        dropped = {}
        for index, number in enumerate(self.numbers):
            items = items_of(self.session, number)
            # Those of people who were deleted, and of a batch that was undone, are forgotten.
            paths = [item.path for item in items if item.path]
            assert len(paths) == len(set(paths))
            assert set(paths) <= self.announced[index] | self.in_zips[index]
            assert len(self.announced[index] - set(paths)) <= len(items) - len(paths)
            dropped[number] = len(items)
        assert_sound(self.session, dropped)

    def end(self) -> None:
        """Let everything come to its end, and see that it does."""
        for number in self.numbers:
            self.bob.call(f"/enrol/{number}/resume")
            self.bob.call(f"/enrol/{number}/announced")
        finish(self.worker)  # unpacks
        for number in self.numbers:
            self.bob.call(f"/enrol/{number}/finish")
        finish(self.worker)
        sweep(self.worker.app)
        self.check()
        for index, number in enumerate(self.numbers):
            batch = self.session.get_one(Batch, number)
            assert batch.finished_at is not None, batch.decision
            items = items_of(self.session, number)
            assert {item.state for item in items} <= ENDS
            if batch.decision == "undo":
                assert {item.state for item in items} <= {ItemState.UNDONE}
            if not self.ended[index]:
                # Of people whom another batch had brought and took along, the paths are forgotten.
                assert len(items) == len(self.announced[index] | self.in_zips[index])
        states = set(self.session.scalars(select(Photo.state)))
        assert states <= {WorkState.DONE, WorkState.FAILED}


def forget_everything(session: Session, worker: Worker) -> None:
    """What an example before this one left would be blamed on this one."""
    session.rollback()
    with writing(session):
        for table in (Face, GalleryRemoval, BatchItem, BatchArchive, Batch, Photo, PersonWord, Person):
            session.execute(delete(table))
    for path in photo_store().folder.rglob("*"):
        if path.is_file():
            path.unlink()
    worker._connection.flushall()


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS)
@example(WITH_A_ZIP)
@example(WITH_A_CANCELLATION)
def test_nothing_is_lost_and_nothing_enrolled_twice(
    bob: Visitor, session: Session, worker: Worker, face_engine: FaceEngine, steps: list[Step]
) -> None:
    forget_everything(session, worker)
    numbers = [start(bob), start(bob, known="skip")]
    batches = Batches(bob, session, worker, lambda: Worker(worker.app, face_engine), numbers)
    for step in steps:
        batches.take(step)
        batches.check()
    for number in numbers:
        if bob.call(f"/enrol/{number}/announced").status_code == 200:
            all_announced(bob, number)
    batches.end()
