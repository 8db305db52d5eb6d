"""How long it takes to find people who were enrolled twice, beside NumPy, and whether the pairs are the same.

    python -m bench.pairs

Synthetic galleries: random unit vectors of 512 numbers, one face a person; every hundredth person is there
once more, at a cosine of 0.5 to 0.9. NumPy compares in float32, blocks of 1,024 rows with all rows, so that
it meets each pair twice. Every measurement has a process of its own, with one thread, and is in seconds of
the processor: what else the machine does counts less.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.rows import Row, show

PEOPLE = (10_000, 100_000)
DIMENSION = 512
THRESHOLD = 0.4
NEW_FACES = 64
REPEATS = 5
NUMPY_ROWS = 1024
# NumPy takes minutes for the large gallery: at most so many of its blocks are measured.
NUMPY_BLOCKS = 10
# What the linear algebra that NumPy is built with reads when it is loaded.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Pairs = set[tuple[int, int]]


@dataclass
class Result:
    """Seconds, and the pairs of faces that were found: (lower id, higher id). Faces are numbered from 0."""

    seconds: float
    pairs: Pairs = field(default_factory=set)
    # The longest that a search would have had to wait.
    longest_block: float = 0.0
    # How many faces were compared with all others.
    faces: int = 0


def run() -> list[Row]:
    """For each gallery: the pass per new face, the full scan, and the pairs."""
    return [row for people in PEOPLE for row in _gallery(people)]


def _gallery(people: int) -> list[Row]:
    new, numpy_new = _alone(_pass, people), _alone(_numpy_pass, people)
    scan, numpy_scan = _alone(_scan, people), _alone(_numpy_scan, people)
    # NumPy compared the first faces: our pairs with one of them.
    part = {pair for pair in scan.pairs if pair[0] < numpy_scan.faces}
    same = new.pairs == numpy_new.pairs and part == numpy_scan.pairs
    whole = numpy_scan.seconds * people / numpy_scan.faces
    scaled = "" if numpy_scan.faces == people else f", scaled from {numpy_scan.faces:,} of the rows"
    found = f"{'' if same else 'NOT '}the same: {len(new.pairs)} with new faces, {len(part)} of the scan"
    return [
        Row(
            f"{people:,} people, a new face",
            new.seconds / NEW_FACES * 1000,
            "ms",
            numpy_new.seconds / new.seconds,
            note=f"of {NEW_FACES} at a time; NumPy {numpy_new.seconds / NEW_FACES * 1000:.3g} ms",
        ),
        Row(
            f"{people:,} people, full scan",
            scan.seconds,
            "s",
            whole / scan.seconds,
            note=f"NumPy {whole:.3g} s{scaled}; longest block {scan.longest_block * 1000:.0f} ms",
        ),
        Row(f"{people:,} people, pairs", len(scan.pairs), "pairs", target="NumPy's", note=found),
    ]


def _alone(measure: Callable[[int], Result], people: int) -> Result:
    """A measurement in a new process whose linear algebra has one thread."""
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(measure, (people,))
    finally:
        os.environ.clear()
        os.environ.update(before)


def _templates(people: int) -> NDArray[np.float32]:
    """Unit rows, float32 (people, DIMENSION); the last hundredth are the first once more."""
    rng = np.random.default_rng(people)
    vectors = _unit(rng.standard_normal((people, DIMENSION), np.float32))
    mates = people // 100
    cosine = rng.uniform(0.5, 0.9, (mates, 1)).astype(np.float32)
    others = (
        vectors[-mates:] - (vectors[-mates:] * vectors[:mates]).sum(axis=1, keepdims=True) * vectors[:mates]
    )
    vectors[-mates:] = cosine * vectors[:mates] + np.sqrt(1 - cosine**2) * _unit(others)
    return vectors


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _pass(people: int) -> Result:
    from jobs.gallery.exact import ExactGallery

    gallery = ExactGallery(DIMENSION)
    gallery.add(range(people), range(people), _templates(people))
    new = range(people - NEW_FACES, people)
    seconds, pairs = _fastest(lambda: gallery.pairs_with(new, THRESHOLD))
    return Result(seconds, set(zip(pairs.face_a.tolist(), pairs.face_b.tolist(), strict=True)))


def _numpy_pass(people: int) -> Result:
    vectors = _templates(people)
    new = slice(people - NEW_FACES, people)
    seconds, pairs = _fastest(lambda: _numpy_pairs(vectors, new))
    return Result(seconds, pairs)


def _fastest(act: Callable[[], Any]) -> tuple[float, Any]:
    """The least seconds of some calls after a first, and what the call gives."""
    answer, seconds = act(), []
    for _ in range(REPEATS):
        started = time.process_time()
        act()
        seconds.append(time.process_time() - started)
    return min(seconds), answer


def _scan(people: int) -> Result:
    from jobs.gallery.exact import ExactGallery
    from jobs.gallery.scan import Scan

    gallery = ExactGallery(DIMENSION)
    gallery.add(range(people), range(people), _templates(people))
    gallery.pairs_with([0], THRESHOLD)
    result, started = Result(0), time.process_time()
    scan, after, faces = Scan(gallery), -1, 1
    while faces:
        began = time.process_time()
        block = scan.block(after, THRESHOLD)
        result.longest_block = max(result.longest_block, time.process_time() - began)
        after, faces = block.last_face_id, block.faces
        result.pairs.update(zip(block.pairs.face_a.tolist(), block.pairs.face_b.tolist(), strict=True))
    result.seconds, result.faces = time.process_time() - started, scan.faces
    return result


def _numpy_scan(people: int) -> Result:
    vectors = _templates(people)
    _numpy_pairs(vectors, slice(0, NUMPY_ROWS))
    result, started = Result(0, faces=min(people, NUMPY_ROWS * NUMPY_BLOCKS)), time.process_time()
    for start in range(0, result.faces, NUMPY_ROWS):
        result.pairs |= _numpy_pairs(vectors, slice(start, min(start + NUMPY_ROWS, result.faces)))
    result.seconds = time.process_time() - started
    return result


def _numpy_pairs(vectors: NDArray[np.float32], block: slice) -> Pairs:
    reached = np.flatnonzero(vectors[block] @ vectors.T >= THRESHOLD)
    rows, others = np.divmod(reached, len(vectors))
    both = zip((rows + block.start).tolist(), others.tolist(), strict=True)
    return {(min(pair), max(pair)) for pair in both if pair[0] != pair[1]}


def main() -> None:
    show(run())


if __name__ == "__main__":
    main()
