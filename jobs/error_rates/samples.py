"""The scores that a calibration rests on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class NonMated:
    """For each sampled person the highest scores with other people."""

    # int64 (n,), each once.
    person_ids: NDArray[np.int64]
    # float64 (n,): of one photo, as a search with it would show if the person were not enrolled.
    highest: NDArray[np.float64]
    # float64 (n, k), each row falling: of all their photos, as people are compared with each other; one
    # score for each other person, -inf where there are fewer.
    pairs: NDArray[np.float64]
    # int64 (n,): whom the highest score is with.
    nearest: NDArray[np.int64]

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """A number for each person, int64 (n,): the same one for two who are each other's nearest.

        Their highest score is one and the same, and so they count as one when people are drawn again.
        """
        place = {int(person_id): place for place, person_id in enumerate(self.person_ids)}
        nearest = np.array([place.get(int(person_id), -1) for person_id in self.nearest], np.int64)
        own = np.arange(len(self.person_ids))
        mutual = (nearest >= 0) & (nearest[nearest] == own)
        first = np.where(mutual, np.minimum(own, nearest), own)
        return np.unique(first, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Mated:
    """For each photo of people who have several: its highest score with another photo of the person."""

    # int64 (m,): whose photo it is.
    person_ids: NDArray[np.int64]
    # float64 (m,).
    scores: NDArray[np.float64]

    @property
    def people(self) -> int:
        return len(np.unique(self.person_ids))

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """A number for each photo, int64 (m,): photos of a person are drawn together."""
        return np.unique(self.person_ids, return_inverse=True)[1].astype(np.int64)

    @property
    def weights(self) -> NDArray[np.float64]:
        """What each photo counts, float64 (m,): one person counts 1, however many photos there are."""
        return 1 / np.bincount(self.clusters)[self.clusters]


def generator(scores: NDArray[np.float64]) -> np.random.Generator:
    """Random numbers that are the same whenever the same scores are measured."""
    digest = hashlib.sha256(np.ascontiguousarray(scores).tobytes()).digest()
    return np.random.default_rng(np.frombuffer(digest, np.uint32))


def draws(
    random: np.random.Generator, clusters: NDArray[np.int64], replicates: int
) -> list[NDArray[np.int64]]:
    """How often each row is drawn in each bootstrap replicate, int64 (n,) each (Efron & Tibshirani 1993).

    `clusters` is int64 (n,): as many clusters as there are, are drawn with replacement, each with its rows.
    """
    count = int(clusters.max()) + 1
    return [
        np.bincount(random.integers(count, size=count), minlength=count)[clusters] for _ in range(replicates)
    ]
