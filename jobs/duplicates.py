"""Duplicates: new faces are compared with all others, and on demand all with all."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sqlalchemy.orm import Session

from jobs import process
from jobs.gallery.exact import ExactGallery
from jobs.gallery.pairs import FacePairs, best_of_people, strongest_of_each
from jobs.gallery.scan import Scan
from jobs.job import has_claimed, job
from jobs.records import template_array
from jobs.slices import Slice
from portal import queues
from portal.database import writing
from portal.extensions import db
from portal.installation.thresholds import Thresholds, thresholds_of
from portal.organizations.models import Organization
from portal.pairs import finding, passes, remeasuring, scans
from portal.pairs.finding import FoundPair
from portal.pairs.locking import DuplicatePass, lock_pairs
from portal.pairs.models import DuplicateScan
from portal.pairs.odd_photos import Likeness, record_likeness
from portal.work.claims import requeue_untouched

# Compared, and committed, at a time.
FACES_AT_ONCE = 256
STALE_AT_ONCE = 100
# Of each face at most this many pairs are kept, the strongest: a picture that hundreds have is one question.
PAIRS_OF_PERSON = 100
# A scan commits when it has this many pairs, or this many faces behind it.
PAIRS_A_COMMIT = 2_000
FACES_A_COMMIT = 4_096


@job
def compare_new(organization_id: int) -> None:
    """Compare the faces that joined an organization's gallery with all the others."""
    session, worker = db.session(), process.current().worker.name
    claimed = passes.claim_pass(session, worker, organization_id)
    if claimed is None:
        return
    has_claimed(DuplicatePass, [claimed.id])
    try:
        _pass(session, worker, organization_id, claimed)
    except passes.LostPass:
        session.rollback()


def _pass(session: Session, worker: str, organization_id: int, claimed: DuplicatePass) -> None:
    slice_, model_id = Slice(), process.current().face_model_id
    while (new := passes.next_faces(session, claimed, model_id, FACES_AT_ONCE)) is not None:
        # Opened after the new faces were listed: all of them are in it.
        gallery = process.current().galleries.open(session, organization_id)
        found = found_pairs(
            gallery.pairs_with(new.face_ids, _thresholds(session, organization_id).duplicates)
        )
        likeness = _likeness(gallery, new.person_ids)
        with writing(session):
            lock_pairs(session, organization_id)
            in_force = _thresholds(session, organization_id)
            remeasuring.mark_stale(session, organization_id, claimed.compared_version, new.version)
            finding.record_found(session, organization_id, found, in_force.duplicates, model_id)
            record_likeness(session, organization_id, likeness, in_force.search)
            passes.advance(session, worker, claimed, new.version)
        _measure_again(session, organization_id)
        if slice_.is_over():
            with writing(session):
                requeue_untouched(session, DuplicatePass, worker, [claimed.id])
            queues.enqueue_comparison(organization_id)
            return
    _measure_again(session, organization_id)
    passes.end_pass(session, worker, claimed)


@job
def scan(scan_id: int) -> None:
    """Do a scan, or a part of it; the rest is requeued."""
    session, worker = db.session(), process.current().worker.name
    claimed = scans.claim_scan(session, worker, scan_id)
    if claimed is None:
        return
    has_claimed(DuplicateScan, [scan_id])
    _scan(session, worker, claimed)


def _scan(session: Session, worker: str, row: DuplicateScan) -> None:
    model_id, organization_id = process.current().face_model_id, row.organization_id
    gallery = process.current().galleries.open(session, organization_id)
    comparing, slice_ = Scan(gallery), Slice()
    while True:
        threshold = row.threshold
        part = _compare_some(comparing, row.compared_face_id, threshold, slice_)
        people = _people_between(gallery, row.compared_face_id, part.last_face_id)
        likeness = _likeness(gallery, people)
        with writing(session):
            lock_pairs(session, organization_id)
            if not scans.is_still_claimed(session, worker, row):
                scans.end_scan(session, worker, row)
                return
            if row.threshold != threshold:
                continue  # it was changed meanwhile, and everything is compared again
            in_force = _thresholds(session, organization_id)
            found = list(part.found.values())
            new = finding.record_found(session, organization_id, found, in_force.duplicates, model_id)
            record_likeness(session, organization_id, likeness, in_force.search)
            row.faces, row.people = comparing.faces, gallery.people
            row.compared_face_id, row.compared_faces = part.last_face_id, row.compared_faces + part.faces
            row.comparisons, row.attempts = row.comparisons + part.comparisons, 1
            row.new_pairs = row.new_pairs + new
            if not part.faces:
                session.flush()
                scans.end_scan(session, worker, row)
                return
        # Asked after each part, so that every slice gets on.
        if slice_.is_over():
            with writing(session):
                requeue_untouched(session, DuplicateScan, worker, [row.id])
            queues.enqueue_scan(row.id)
            return


@dataclass
class _Part:
    """What a scan compared between two commits."""

    last_face_id: int
    faces: int = 0
    comparisons: int = 0
    # By the two people: blocks that end between the faces of one of them find the same two again.
    found: dict[tuple[int, int], FoundPair] = field(default_factory=dict)

    def add(self, pairs: list[FoundPair]) -> None:
        """Keep the best pair of faces of each two people; of equals that of the lowest face ids."""
        for pair in pairs:
            two = (pair.a_id, pair.b_id)
            self.found[two] = min(self.found.get(two, pair), pair, key=_best_first)


def _best_first(pair: FoundPair) -> tuple[float, int, int]:
    return -pair.score, pair.face_a_id, pair.face_b_id


def _compare_some(comparing: Scan, after_face_id: int, threshold: float, slice_: Slice) -> _Part:
    part = _Part(after_face_id)
    while len(part.found) < PAIRS_A_COMMIT and part.faces < FACES_A_COMMIT:
        block = comparing.block(part.last_face_id, threshold)
        part.last_face_id, part.faces = block.last_face_id, part.faces + block.faces
        part.comparisons += block.pairs.comparisons
        part.add(found_pairs(block.pairs))
        if not block.faces or slice_.is_over():
            break
    return part


def _people_between(gallery: ExactGallery, after_face_id: int, last_face_id: int) -> list[int]:
    rows = gallery.rows()
    between = (rows.face_ids > after_face_id) & (rows.face_ids <= last_face_id)
    people: list[int] = np.unique(rows.person_ids[between]).tolist()
    return people


def found_pairs(pairs: FacePairs) -> list[FoundPair]:
    """The best pair of faces of each two people, as it is written down."""
    best, _ = strongest_of_each(best_of_people(pairs), PAIRS_OF_PERSON)
    return [FoundPair(*row) for row in best.rows()]


def _measure_again(session: Session, organization_id: int) -> None:
    """Give pairs whose best faces left the gallery a new score."""
    last = 0
    session.rollback()
    while stale := remeasuring.stale_pairs(session, organization_id, last, STALE_AT_ONCE):
        templates = remeasuring.templates_of(session, sorted({one for _, a, b in stale for one in (a, b)}))
        best = {
            pair_id: _best_between(a_id, templates[a_id], b_id, templates[b_id])
            for pair_id, a_id, b_id in stale
        }
        last = stale[-1][0]
        with writing(session):
            remeasuring.remeasure(session, organization_id, best)


def _best_between(
    a_id: int, faces_a: list[tuple[int, bytes]], b_id: int, faces_b: list[tuple[int, bytes]]
) -> FoundPair | None:
    if not faces_a or not faces_b:
        return None
    a = np.stack([template_array(template) for _, template in faces_a])
    b = np.stack([template_array(template) for _, template in faces_b])
    scores = a @ b.T
    row, column = divmod(int(scores.argmax()), len(faces_b))
    score = float(np.clip(scores[row, column], -1, 1))
    return FoundPair(a_id, b_id, faces_a[row][0], faces_b[column][0], score)


def _likeness(gallery: ExactGallery, person_ids: list[int]) -> list[Likeness]:
    return [Likeness(*row) for row in gallery.similarity_within(person_ids).rows()]


def _thresholds(session: Session, organization_id: int) -> Thresholds:
    thresholds = thresholds_of(session, session.get_one(Organization, organization_id))
    assert thresholds is not None, "a worker has a face model"
    return thresholds
