"""int8 codes: how far they are from what they stand for, and whether this machine multiplies them right."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from jobs.gallery import quantized
from jobs.gallery.quantized import ZERO_POINT, comparison_path, encode, integer_product

VECTORS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 40)),
    elements=st.floats(-1, 1, width=32, allow_subnormal=False),
)


@effort(deadline=None)
@given(VECTORS)
def test_a_code_is_as_far_from_its_vector_as_it_says(vectors: NDArray[np.float32]) -> None:
    codes, scales, errors = encode(vectors)
    assert codes.dtype == np.uint8
    decoded = (codes.astype(np.float64) - ZERO_POINT) * scales[:, None]
    distance = np.linalg.norm(vectors - decoded, axis=1)
    assert (distance <= errors * (1 + 1e-5) + 1e-6).all()
    # The greatest component decides the scale, so nothing is clipped.
    assert (np.abs(vectors - decoded) <= scales[:, None] / 2 * (1 + 1e-5) + 1e-6).all()


@effort(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 64, 512]))
def test_the_bound_of_the_search_holds_for_every_pair(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(40, dimension)) * rng.choice([0.001, 1, 50], size=(1, dimension))
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    codes, scales, errors = encode(units)
    decoded = (codes.astype(np.float64) - ZERO_POINT) * scales[:, None]
    true = units.astype(np.float64) @ units.astype(np.float64).T
    bound = errors[:, None] * (1 + errors[None]) + errors[None] + 1e-5
    assert (np.abs(true - decoded @ decoded.T) <= bound).all()


def test_nothing_is_coded_as_nothing() -> None:
    codes, scales, errors = encode(np.zeros((1, 4), np.float32))
    assert (codes == ZERO_POINT).all()
    assert (scales[0], errors[0]) == (1, 0)


def product(codes: NDArray[np.uint8], probes: NDArray[np.int8]) -> NDArray[np.int32]:
    session = integer_product()
    if session is None:
        pytest.skip("this machine's integer product saturates, so it is not used")
    return np.asarray(session.run(None, {"codes": codes, "probes": probes})[0])


def test_the_integer_product_is_exact() -> None:
    rng = np.random.default_rng(5)
    for shape in ((1, 1, 1), (3, 512, 1), (1000, 512, 7), (33, 128, 64)):
        count, dimension, probes = shape
        left = rng.integers(0, 256, (count, dimension)).astype(np.uint8)
        right = rng.integers(-127, 128, (dimension, probes)).astype(np.int8)
        expected = (left.astype(np.int64) - ZERO_POINT) @ right.astype(np.int64)
        assert (product(left, right) == expected).all()


@pytest.fixture
def saturating(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that adds neighbouring products in 16 bits, as x86 without VNNI does."""

    def run(_: Any, inputs: dict[str, Any]) -> list[NDArray[np.int32]]:
        codes, probes = inputs["codes"].astype(np.int32), inputs["probes"].astype(np.int32)
        pairs = codes[:, :, None] * probes[None]
        pairs = np.clip(pairs[:, ::2] + pairs[:, 1::2], -32768, 32767)
        return [(pairs.sum(axis=1) - ZERO_POINT * probes.sum(axis=0)).astype(np.int32)]

    monkeypatch.setattr(quantized, "_session", lambda: SimpleNamespace(run=run))
    integer_product.cache_clear()
    yield
    integer_product.cache_clear()


@pytest.mark.usefixtures("saturating")
def test_a_machine_that_saturates_is_found_out_and_compares_in_float32() -> None:
    assert integer_product() is None
    assert comparison_path() == "float32 only"


def test_what_is_said_is_what_is_done() -> None:
    assert comparison_path() == ("float32 only" if integer_product() is None else "int8, then float32")
