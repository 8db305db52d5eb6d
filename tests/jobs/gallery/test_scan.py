"""A scan: every pair once, wherever it stopped and whoever goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gallery import scan as scan_module
from jobs.gallery.exact import ExactGallery
from jobs.gallery.scan import Scan
from tests.jobs.gallery.templates import (
    KINDS,
    Faces,
    Scores,
    clustered,
    random_templates,
    same,
    spiky,
    thorough,
    uneven,
)

pytestmark = pytest.mark.usefixtures("path")


def scanned(galleries: list[ExactGallery], threshold: float) -> tuple[Scores, int]:
    """All pairs and comparisons of a scan whose blocks are done by one gallery after the other."""
    pairs: Scores = {}
    after = faces = comparisons = turn = 0
    while True:
        block = Scan(galleries[turn % len(galleries)]).block(after, threshold)
        turn += 1
        comparisons, faces = comparisons + block.pairs.comparisons, faces + block.faces
        for a, b, score in zip(block.pairs.face_a, block.pairs.face_b, block.pairs.scores, strict=True):
            assert after < a <= block.last_face_id
            assert (int(a), int(b)) not in pairs
            pairs[int(a), int(b)] = float(score)
        if not block.faces:
            assert block.last_face_id == after
            assert faces == len(galleries[0])
            return pairs, comparisons
        assert block.last_face_id > after
        after = block.last_face_id


@thorough
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(0, 60),
    dimension=st.sampled_from([1, 4, 128, 512]),
    people=st.integers(1, 30),
    rows=st.sampled_from([1, 7, 1000]),
    block=st.sampled_from([1, 5, 64]),
    threshold=st.sampled_from([-1.0, 0.0, 0.4, 1.0, "a score"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_pair_is_found_once_whoever_goes_on(
    kind: Any, count: int, dimension: int, people: int, rows: int, block: int, threshold: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    faces = Faces.made(kind, rng, count, dimension, people)
    if threshold == "a score":
        threshold = float(rng.choice(faces.scores.ravel())) if count else 0.5
    order = np.argsort(faces.face_ids)
    in_order = Faces(faces.face_ids[order], faces.person_ids[order], faces.templates[order]).gallery()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "ROWS_AT_ONCE", rows)
        patch.setattr(scan_module, "PROBES_AT_ONCE", block)
        pairs, comparisons = scanned([faces.gallery(rng), in_order, faces.gallery(rng)], threshold)
    same(pairs, faces.pairs(threshold))
    assert comparisons == faces.comparisons()


@pytest.mark.parametrize("kind", [random_templates, clustered, spiky, uneven], ids=lambda kind: kind.__name__)
def test_a_large_gallery_loses_no_pair(kind: Any) -> None:
    rng = np.random.default_rng(12)
    faces = Faces.made(kind, rng, 1500, 512, 800)
    pairs, comparisons = scanned([faces.gallery(), faces.gallery(rng)], faces.high())
    same(pairs, faces.pairs(faces.high()))
    assert comparisons == faces.comparisons()


def test_a_scan_goes_on_after_a_face_that_is_gone() -> None:
    rng = np.random.default_rng(13)
    gallery = ExactGallery(8)
    gallery.add([10, 20, 30, 40], [1, 2, 3, 4], random_templates(rng, 4, 8))
    block = Scan(gallery).block(25, -1)
    assert (block.pairs.face_a.tolist(), block.pairs.face_b.tolist()) == ([30], [40])
    assert (block.last_face_id, block.faces, block.pairs.comparisons) == (40, 2, 1)


def test_a_block_is_smaller_where_the_gallery_is_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "COMPARISONS_OF_A_BLOCK", 200_000)
    rng = np.random.default_rng(14)
    scan = Scan(Faces.made(random_templates, rng, 2000, 16, 2000).gallery())
    after, sizes = 0, []
    while (block := scan.block(after, 1.0)).faces:
        after = block.last_face_id
        sizes.append(block.faces)
    assert sizes[0] == 100
    assert max(sizes) <= 512
    assert sizes == [*sorted(sizes[:-1]), sizes[-1]]
    assert sum(sizes) == scan.faces == 2000


@pytest.mark.parametrize("change", ["add", "remove"])
def test_a_gallery_that_changed_is_not_scanned_as_if_it_had_not(change: str) -> None:
    gallery = ExactGallery(4)
    templates = random_templates(np.random.default_rng(15), 2, 4)
    gallery.add([1, 2], [1, 2], templates)
    scan = Scan(gallery)
    assert scan.block(0, -1).faces == 2
    if change == "add":
        gallery.add([3], [3], templates[:1])
    else:
        gallery.remove([1])
    with pytest.raises(RuntimeError, match="The gallery has changed"):
        scan.block(0, -1)
