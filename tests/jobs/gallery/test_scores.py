"""Scores with other people, and within a person: those of a plain comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gallery import scores as scores_module
from jobs.gallery.exact import ExactGallery
from tests.jobs.gallery.templates import KINDS, Faces, random_templates, thorough

pytestmark = pytest.mark.usefixtures("path")


def best_others(faces: Faces, place: int, limit: int, mates: dict[int, set[int]]) -> list[tuple[float, int]]:
    """(score, person) of the people most like a face who are not its own person's."""
    own = int(faces.person_ids[place])
    best: dict[int, float] = {}
    for person, score in zip(faces.person_ids.tolist(), faces.scores[place].tolist(), strict=True):
        if person != own and person not in mates.get(own, ()):
            best[person] = max(best.get(person, -2), score)
    return sorted(((score, person) for person, score in best.items()), key=lambda one: (-one[0], one[1]))[
        :limit
    ]


def agree(
    gallery: ExactGallery, faces: Faces, given: list[int], limit: int, mates: dict[int, set[int]]
) -> None:
    """The gallery gives the scores and people that a plain comparison gives."""
    result = gallery.non_mates([*given, 10**9], limit, mates)
    assert result.face_ids.tolist() == sorted(set(given))
    place_of = {int(face): place for place, face in enumerate(faces.face_ids)}
    for row, face in enumerate(result.face_ids.tolist()):
        place = place_of[face]
        assert result.person_ids[row] == faces.person_ids[place]
        expected = best_others(faces, place, limit, mates)
        missing = limit - len(expected)
        expected_scores = [score for score, _ in expected] + [np.nan] * missing
        np.testing.assert_allclose(result.scores[row], expected_scores, rtol=0, atol=1e-7)
        assert result.others[row].tolist() == [person for _, person in expected] + [0] * missing


@thorough
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(0, 60),
    dimension=st.sampled_from([1, 4, 128, 512]),
    people=st.integers(1, 40),
    rows=st.sampled_from([1, 9, 1000]),
    limit=st.sampled_from([1, 2, 10]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_best_other_people_are_those_of_a_plain_comparison(
    kind: Any, count: int, dimension: int, people: int, rows: int, limit: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    faces = Faces.made(kind, rng, count, dimension, people)
    mates: dict[int, set[int]] = {}
    for a, b in rng.integers(1, people + 1, (people // 3, 2)).tolist():
        mates.setdefault(a, set()).add(b)
        mates.setdefault(b, set()).add(a)
    given = rng.permutation(faces.face_ids)[: count // 2 + 1].tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores_module, "ROWS_AT_ONCE", rows)
        patch.setattr(scores_module, "PROBES_AT_ONCE", rows)
        agree(faces.gallery(rng), faces, given, limit, mates)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_large_gallery_loses_nobody(kind: Any) -> None:
    rng = np.random.default_rng(21)
    faces = Faces.made(kind, rng, 1500, 128, 900)
    mates = {person: {person + 1} for person in range(1, 900, 2)}
    agree(faces.gallery(rng), faces, faces.face_ids[:150].tolist(), 10, mates)


def test_at_least_one_other_person_is_asked_for() -> None:
    with pytest.raises(ValueError, match="At least 1 person"):
        ExactGallery(4).non_mates([], 0, {})


@thorough
@given(
    kind=st.sampled_from(KINDS),
    count=st.integers(0, 60),
    dimension=st.sampled_from([4, 512]),
    people=st.integers(1, 30),
    asked=st.sets(st.integers(1, 35)),
    portion=st.sampled_from([1, 1000]),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_face_has_its_highest_score_with_the_persons_other_faces(
    kind: Any, count: int, dimension: int, people: int, asked: set[int], portion: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    faces = Faces.made(kind, rng, count, dimension, people)
    expected = []
    for place, (face, person) in enumerate(
        zip(faces.face_ids.tolist(), faces.person_ids.tolist(), strict=True)
    ):
        others = (faces.person_ids == person) & (faces.face_ids != face)
        if person in asked and others.any():
            expected.append((face, person, float(faces.scores[place, others].max())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores_module, "PROBES_AT_ONCE", portion)
        result = faces.gallery(rng).similarity_within([*asked, *asked])
    expected.sort(key=lambda row: (row[1], row[0]))
    rows = list(result.rows())
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    np.testing.assert_allclose([row[2] for row in rows], [row[2] for row in expected], rtol=0, atol=1e-7)


def test_the_people_of_a_gallery_are_those_who_have_a_face_in_it() -> None:
    gallery = ExactGallery(4)
    gallery.add([1, 2, 3], [7, 5, 7], random_templates(np.random.default_rng(22), 3, 4))
    assert gallery.person_ids() == [5, 7]
    gallery.remove([1, 2])
    assert gallery.person_ids() == [7]
