"""New faces against all: the pairs that a plain comparison finds, each once, and what they say of people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gallery import pairs as pairs_module
from jobs.gallery.exact import ExactGallery
from jobs.gallery.pairs import FacePairs, PeoplePairs, best_of_people, strongest_of_each
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
    unit,
)

pytestmark = pytest.mark.usefixtures("path")


def found(pairs: FacePairs) -> Scores:
    """The pairs as the reference has them; each is there once, in order."""
    ids = list(zip(pairs.face_a.tolist(), pairs.face_b.tolist(), strict=True))
    assert ids == sorted(set(ids))
    return dict(zip(ids, pairs.scores.tolist(), strict=True))


@thorough
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(0, 60),
    dimension=st.sampled_from([1, 4, 128, 512]),
    people=st.integers(1, 30),
    portion=st.sampled_from([1, 7, 1000]),
    threshold=st.sampled_from([-1.0, -0.3, 0.0, 0.4, 0.9, 1.0, "a score"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_pairs_are_those_of_a_plain_comparison(
    kind: Any, count: int, dimension: int, people: int, portion: int, threshold: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    faces = Faces.made(kind, rng, count, dimension, people)
    given = rng.choice(faces.face_ids, rng.integers(count + 1), replace=False) if count else faces.face_ids
    if threshold == "a score":
        threshold = float(rng.choice(faces.scores.ravel())) if count else 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs_module, "ROWS_AT_ONCE", portion)
        patch.setattr(pairs_module, "PROBES_AT_ONCE", portion)
        pairs = faces.gallery(rng).pairs_with([*given.tolist(), *given.tolist()[:2], 10**9], threshold)
    same(found(pairs), faces.pairs(threshold, given))
    person_of = dict(zip(faces.face_ids.tolist(), faces.person_ids.tolist(), strict=True))
    assert pairs.person_a.tolist() == [person_of[face] for face in pairs.face_a.tolist()]
    assert pairs.person_b.tolist() == [person_of[face] for face in pairs.face_b.tolist()]
    assert pairs.comparisons == faces.comparisons(given)


@pytest.mark.parametrize("kind", [random_templates, clustered, spiky, uneven], ids=lambda kind: kind.__name__)
def test_a_large_gallery_loses_no_pair(kind: Any) -> None:
    faces = Faces.made(kind, np.random.default_rng(11), 1500, 512, 900)
    pairs = faces.gallery().pairs_with(faces.face_ids[:600].tolist(), faces.high())
    same(found(pairs), faces.pairs(faces.high(), faces.face_ids[:600]))
    assert len(pairs) > 100


def test_pairs_at_the_threshold_are_found_where_their_codes_are_at_their_worst() -> None:
    """Nearly at right angles: a code is off by as much as its bound allows, either way."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        angle, along = rng.uniform(0, np.pi / 2, 200), rng.uniform(0, 0.02, 200)
        templates = unit(np.stack([along, np.cos(angle), np.sin(angle)], axis=1))
        templates[0] = [1, 0, 0]
        faces = Faces(np.arange(1, 201), np.arange(1, 201), templates)
        for threshold in np.sort(faces.scores[0])[[20, 100, 180]].astype(float):
            pairs = faces.gallery().pairs_with([1], threshold)
            same(found(pairs), faces.pairs(threshold, np.array([1])))


def test_pairs_far_below_zero_are_found_beside_templates_of_other_scales() -> None:
    faces = Faces.made(uneven, np.random.default_rng(8), 300, 512, 300)
    for threshold in (-1.0, -0.95):
        same(found(faces.gallery().pairs_with([*range(1, 3000)], threshold)), faces.pairs(threshold))


def test_the_same_template_twice_has_a_score_of_exactly_one() -> None:
    rng = np.random.default_rng(5)
    templates = np.repeat(random_templates(rng, 200, 512), 2, axis=0)
    gallery = ExactGallery(512)
    gallery.add(list(range(1, 401)), list(range(1, 401)), templates)
    pairs = gallery.pairs_with(range(1, 401), 1)
    assert found(pairs) == {(face, face + 1): 1.0 for face in range(1, 401, 2)}


def test_two_faces_have_one_score_whatever_else_is_compared() -> None:
    faces = Faces.made(clustered, np.random.default_rng(6), 300, 512, 300)
    all_of_them = found(faces.gallery().pairs_with(faces.face_ids.tolist(), 0.5))
    for face in faces.face_ids[:20].tolist():
        alone = found(faces.gallery(np.random.default_rng(7)).pairs_with([face], 0.5))
        assert alone == {pair: score for pair, score in all_of_them.items() if face in pair}


def test_nothing_is_found_where_nothing_is() -> None:
    gallery = ExactGallery(4)
    assert (len(gallery.pairs_with([1], -1)), gallery.pairs_with([1], -1).comparisons) == (0, 0)
    gallery.add([1, 2], [5, 5], random_templates(np.random.default_rng(1), 2, 4))
    pairs = gallery.pairs_with([1, 2], -1)
    assert (len(pairs), pairs.comparisons) == (0, 0)
    assert pairs.face_a.dtype == pairs.person_b.dtype == np.int64
    assert pairs.scores.dtype == np.float32


def face_pairs(rows: list[tuple[int, int, int, int, float]]) -> FacePairs:
    """Pairs from rows of (face a, face b, person a, person b, score)."""
    face_a, face_b, person_a, person_b = (
        np.array([row[place] for row in rows], np.int64) for place in range(4)
    )
    return FacePairs(face_a, face_b, person_a, person_b, np.array([row[4] for row in rows], np.float32), 0)


def test_of_two_people_the_most_alike_faces_stand_for_them() -> None:
    pairs = face_pairs(
        [(1, 4, 20, 10, 0.5), (2, 3, 10, 20, 0.75), (2, 5, 10, 30, 0.25), (6, 7, 30, 10, 0.125)]
    )
    assert list(best_of_people(pairs).rows()) == [(10, 20, 2, 3, 0.75), (10, 30, 2, 5, 0.25)]


def test_of_equally_alike_faces_the_lower_ids_stand_for_them() -> None:
    pairs = face_pairs([(1, 9, 20, 10, 0.5), (2, 8, 10, 20, 0.5), (2, 7, 10, 20, 0.5), (3, 4, 20, 10, 0.5)])
    assert list(best_of_people(pairs).rows()) == [(10, 20, 2, 7, 0.5)]


@thorough
@given(
    people=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 4)), max_size=40),
    limit=st.integers(0, 5),
)
def test_everybody_keeps_their_strongest_pairs(people: list[tuple[int, int, int]], limit: int) -> None:
    scores = {(min(a, b), max(a, b)): score / 4 for a, b, score in people if a != b}
    both = sorted(scores)
    a, b = (np.array([pair[side] for pair in both], np.int64) for side in (0, 1))
    pairs = PeoplePairs(a, b, a, b, np.array([scores[pair] for pair in both], np.float32))
    expected = set()
    for person in range(1, 10):
        theirs = [pair for pair in both if person in pair]
        expected |= set(sorted(theirs, key=lambda pair: (-scores[pair], sum(pair) - person))[:limit])
    kept, left_out = strongest_of_each(pairs, limit)
    assert [(a, b) for a, b, *_ in kept.rows()] == sorted(expected)
    assert [score for *_, score in kept.rows()] == [scores[pair] for pair in sorted(expected)]
    assert left_out == len(both) - len(expected)
