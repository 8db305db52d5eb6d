"""Templates of every kind, and everything compared with everything, plainly, for the tests of galleries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck
from hypothesis import settings as effort
from numpy.typing import NDArray

from jobs.gallery.exact import ExactGallery

Templates = NDArray[np.float32]
# (lower face id, higher face id) and score.
Scores = dict[tuple[int, int], float]

# How many examples are tried; the fixture that they share does not change.
thorough = effort(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def unit(vectors: NDArray[Any]) -> Templates:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def random_templates(rng: np.random.Generator, count: int, dimension: int) -> Templates:
    return unit(rng.normal(size=(count, dimension)))


def clustered(rng: np.random.Generator, count: int, dimension: int) -> Templates:
    """Faces of few people, each a little different: many scores lie close to the best."""
    centres = rng.normal(size=(3, dimension))
    return unit(centres[rng.integers(3, size=count)] + rng.normal(scale=0.02, size=(count, dimension)))


def repeated(rng: np.random.Generator, count: int, dimension: int) -> Templates:
    """The same few templates again and again: ties everywhere."""
    return random_templates(rng, 3, dimension)[rng.integers(3, size=count)]


def spiky(rng: np.random.Generator, count: int, dimension: int) -> Templates:
    """One component far above the others: the codes of the others are coarse."""
    vectors = rng.normal(scale=0.01, size=(count, dimension))
    vectors[np.arange(count), rng.integers(dimension, size=count)] = rng.choice([-1.0, 1.0], size=count)
    return unit(vectors)


def uneven(rng: np.random.Generator, count: int, dimension: int) -> Templates:
    """Codes of the greatest and of the smallest scales there are, and many opposites."""
    flat = np.ones((count, dimension)) + rng.normal(scale=0.1, size=(count, dimension))
    signs = rng.choice([-1.0, 1.0], size=(count, 1))
    return np.where(rng.random((count, 1)) < 0.3, spiky(rng, count, dimension), unit(signs * flat))


KINDS: list[Callable[[np.random.Generator, int, int], Templates]] = [
    random_templates,
    clustered,
    repeated,
    spiky,
    uneven,
]


class Faces:
    """Faces with their people, as columns; the plain way to say what a gallery must find among them."""

    def __init__(
        self, face_ids: NDArray[np.int64], person_ids: NDArray[np.int64], templates: Templates
    ) -> None:
        self.face_ids, self.person_ids, self.templates = face_ids, person_ids, templates
        double = templates.astype(np.float64)
        double /= np.linalg.norm(double, axis=1, keepdims=True)
        # Cosine of each with each, as float32: what the scores are to be.
        self.scores = (double @ double.T).clip(-1, 1).astype(np.float32)

    def __len__(self) -> int:
        return len(self.face_ids)

    @classmethod
    def made(cls, kind: Any, rng: np.random.Generator, count: int, dimension: int, people: int) -> Faces:
        """`count` faces of at most so many people, in no order of ids; some are near others, or equal."""
        templates = kind(rng, count, dimension)
        for place in range(0, count - 1, 5):
            noise = rng.normal(scale=0.05 if place % 2 else 0, size=dimension)
            templates[place + 1] = unit((templates[place] + noise)[None])[0]
        face_ids = rng.choice(10 * count, count, replace=False) + 1
        return cls(face_ids.astype(np.int64), rng.integers(1, people + 1, count), templates)

    def gallery(self, rng: np.random.Generator | None = None) -> ExactGallery:
        """A gallery of these faces; with `rng`, in another order and after others had come and gone."""
        gallery = ExactGallery(self.templates.shape[1])
        order = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        ids, people = self.face_ids[order].tolist(), self.person_ids[order].tolist()
        gallery.add(ids, people, self.templates[order])
        if rng is not None and ids:
            passing = [-1, *ids[::3]]
            gallery.add(
                passing, [9999] * len(passing), random_templates(rng, len(passing), gallery.dimension)
            )
            gallery.remove([-1, *ids[::2]])
            back = np.isin(self.face_ids, [*ids[::2], *ids[::3]])
            gallery.add(self.face_ids[back].tolist(), self.person_ids[back].tolist(), self.templates[back])
        return gallery

    def pairs(self, threshold: float, given: NDArray[np.int64] | None = None) -> dict[tuple[int, int], float]:
        """(lower face id, higher face id) and score of every pair of two people, with a given face if any."""
        a, b = np.nonzero(self._compared(given) & (self.scores.astype(np.float64) >= threshold))
        both = zip(self.face_ids[a].tolist(), self.face_ids[b].tolist(), strict=True)
        return dict(zip(both, self.scores[a, b].tolist(), strict=True))

    def comparisons(self, given: NDArray[np.int64] | None = None) -> int:
        """How many pairs of faces of two people there are, with a given face if any."""
        return int(self._compared(given).sum())

    def high(self) -> float:
        """A score that one in a thousand pairs reach."""
        return float(np.quantile(self.scores, 0.999))

    def _compared(self, given: NDArray[np.int64] | None) -> NDArray[np.bool_]:
        among = np.ones(len(self), bool) if given is None else np.isin(self.face_ids, given)
        different = self.person_ids[:, None] != self.person_ids
        lower = self.face_ids[:, None] < self.face_ids
        compared: NDArray[np.bool_] = different & (among[:, None] | among) & lower
        return compared


def same(found: Scores, expected: Scores) -> None:
    """The very same pairs. A score that lies between two float32 may be either of them."""
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[pair] for pair in expected], list(expected.values()), rtol=0, atol=1e-7)
