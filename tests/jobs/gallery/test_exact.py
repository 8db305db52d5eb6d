"""The gallery in memory against a plain comparison of everything with everything, in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobs.gallery import exact
from jobs.gallery.exact import ExactGallery
from tests.jobs.gallery.templates import KINDS, Templates, random_templates, unit

# Sums of so many float32 products differ by this much when they are added in another order.
ROUNDING = 1e-6

thorough = effort(max_examples=60, deadline=None)


class Reference:
    """Everybody, compared one by one."""

    def __init__(self) -> None:
        self.faces: dict[int, tuple[int, Templates]] = {}

    def add(self, face_ids: list[int], person_ids: list[int], templates: Templates) -> None:
        self.faces.update(zip(face_ids, zip(person_ids, templates, strict=True), strict=True))

    def remove(self, face_ids: list[int]) -> None:
        for face_id in face_ids:
            self.faces.pop(face_id, None)

    def scores(self, probe: Templates, among: list[int] | None) -> dict[int, float]:
        """The best score of each person (None: of all)."""
        best: dict[int, float] = {}
        for person_id, template in self.faces.values():
            if among is not None and person_id not in among:
                continue
            score = float(template.astype(np.float64) @ probe.astype(np.float64))
            best[person_id] = max(best.get(person_id, -2), score)
        return best


def agree(
    gallery: ExactGallery,
    reference: Reference,
    probe: Templates,
    limit: int,
    among: list[int] | None = None,
) -> None:
    """The gallery gives the people, scores and faces that the reference has."""
    expected = reference.scores(probe, among)
    matches = gallery.search(probe, limit, among)
    assert len(gallery) == len(reference.faces)
    assert gallery.people_among(among) == len(expected)
    assert len(matches) == min(limit, len(expected))
    assert len({match.person_id for match in matches}) == len(matches)
    found = [match.score for match in matches]
    assert found == sorted(found, reverse=True)
    np.testing.assert_allclose(found, sorted(expected.values(), reverse=True)[: len(found)], atol=ROUNDING)
    for match in matches:
        person_id, template = reference.faces[match.face_id]
        assert person_id == match.person_id
        assert match.score == pytest.approx(expected[match.person_id], abs=ROUNDING)
        assert match.score == pytest.approx(float(template @ probe), abs=ROUNDING)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_large_gallery_finds_exactly_whom_a_plain_comparison_finds(kind: Any) -> None:
    rng = np.random.default_rng(1)
    count, dimension = 3000, 512
    templates = kind(rng, count, dimension)
    faces, people = list(range(1, count + 1)), [int(person) for person in rng.integers(1, 900, size=count)]
    gallery, reference = ExactGallery(dimension), Reference()
    gallery.add(faces, people, templates)
    reference.add(faces, people, templates)
    for probe in (*kind(rng, 3, dimension), *templates[:3], -templates[0]):
        for limit in (1, 20, 2000):
            agree(gallery, reference, probe, limit)
        for among in ([], [5], [10**6], [5, 5, 10**6, *range(100, 140)], people):
            for limit in (1, 20):
                agree(gallery, reference, probe, limit, among)


def test_the_best_are_found_where_their_codes_are_at_their_worst() -> None:
    """Nearly at right angles to the probe: a code is off by as much as its bound allows, either way."""
    probe = np.array([1, 0, 0], np.float32)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        along, angle = rng.uniform(0, 0.02, 200), rng.uniform(0, np.pi / 2, 200)
        templates = unit(np.stack([along, np.cos(angle), np.sin(angle)], axis=1))
        gallery, reference = ExactGallery(3), Reference()
        for keeper in (gallery, reference):
            keeper.add(list(range(200)), list(range(200)), templates)
        for limit in (1, 5):
            agree(gallery, reference, probe, limit)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sets(st.integers(1, 40), min_size=1, max_size=12)),
        st.tuples(st.just("remove"), st.sets(st.integers(1, 45), max_size=12)),
    ),
    max_size=8,
)


@thorough
@given(
    acts=ACTS,
    kind=st.sampled_from(KINDS),
    dimension=st.sampled_from([1, 4, 128]),
    people=st.integers(1, 12),
    limit=st.integers(1, 15),
    seed=st.integers(0, 2**32 - 1),
)
def test_joining_leaving_and_replacing_never_lose_or_keep_anybody(
    acts: list[tuple[str, set[int]]], kind: Any, dimension: int, people: int, limit: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    gallery, reference = ExactGallery(dimension), Reference()
    for act, face_ids in acts:
        faces = sorted(face_ids)
        if act == "add":  # those that are there already are replaced
            templates = kind(rng, len(faces), dimension)
            persons = [int(person) for person in rng.integers(1, people + 1, size=len(faces))]
            gallery.add(faces, persons, templates)
            reference.add(faces, persons, templates)
        else:
            gallery.remove(faces)
            reference.remove(faces)
        probes = [
            kind(rng, 1, dimension)[0],
            *(template for _, template in list(reference.faces.values())[:1]),
        ]
        for probe in probes:
            agree(gallery, reference, probe, limit)


def test_a_gallery_grows_without_losing_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "FIRST_CAPACITY", 4)
    rng = np.random.default_rng(2)
    gallery, reference = ExactGallery(16), Reference()
    for start in range(0, 60, 7):
        faces = list(range(start, start + 7))
        templates = random_templates(rng, 7, 16)
        gallery.add(faces, faces, templates)
        reference.add(faces, faces, templates)
        agree(gallery, reference, templates[0], 10)


def test_nobody_is_found_where_nobody_is() -> None:
    gallery = ExactGallery(4)
    probe = np.array([1, 0, 0, 0], np.float32)
    assert gallery.search(probe, 5) == []
    gallery.add([1], [1], probe[None])
    assert gallery.search(probe, 0) == []
    gallery.remove([1, 2])
    assert gallery.search(probe, 5) == []
    assert (len(gallery), gallery.people) == (0, 0)


def test_of_equals_the_older_face_comes_first() -> None:
    probe = np.array([1, 0, 0, 0], np.float32)
    gallery = ExactGallery(4)
    gallery.add([9, 3, 5], [1, 2, 1], np.stack([probe] * 3))
    assert [(match.face_id, match.person_id) for match in gallery.search(probe, 5)] == [(3, 2), (5, 1)]


def test_a_score_is_never_above_one() -> None:
    almost = unit(np.random.default_rng(3).normal(size=(50, 512))) * np.float32(1 + 1e-6)
    gallery = ExactGallery(512)
    gallery.add(list(range(50)), list(range(50)), almost)
    assert max(match.score for probe in almost for match in gallery.search(probe, 1)) == 1.0


def test_templates_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 faces came with templates of shape \(2, 5\)"):
        ExactGallery(4).add([1, 2], [1, 2], np.zeros((2, 5), np.float32))


def test_a_removed_template_does_not_stay_in_memory() -> None:
    gallery = ExactGallery(4)
    templates = unit(np.random.default_rng(4).normal(size=(3, 4)))
    gallery.add([1, 2, 3], [1, 2, 3], templates)
    gallery.remove([1, 3])
    for gone in (templates[0], templates[2]):
        assert not (np.isclose(gallery._vectors, gone).all(axis=1)).any()
