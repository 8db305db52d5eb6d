"""int8 codes of templates, and their comparison as one integer matrix product in ONNX Runtime."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

ZERO_POINT = 128
# What float32 rounds away from a score, far above what sums of 512 products and rows that are a millionth
# longer or shorter than 1 lose.
ROUNDING = 1e-5
# ONNX opset and IR of MatMulInteger's graph; both are read by every runtime since 1.17.
OPSET, IR_VERSION = 13, 8


def encode(
    vectors: NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Codes, scales and errors of templates.

    `vectors` is float32 (n, d). Returns uint8 (n, d), float32 (n,) and float32 (n,) so that
    `(codes − 128) · scale` is the vector but for a rest of Euclidean length `error`. The scale is each
    row's own: its greatest component divided by 127.
    """
    greatest = np.abs(vectors).max(axis=1, initial=0.0)
    scales = np.where(greatest > 0, greatest / 127, 1).astype(np.float32)
    rounded = np.rint(vectors / scales[:, None])
    errors = np.linalg.norm(vectors - rounded * scales[:, None], axis=1).astype(np.float32)
    return (rounded + ZERO_POINT).astype(np.uint8), scales, errors


def as_probes(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Codes as the right side of the product: uint8 (m, d) from `encode` become int8 (d, m), zero at 0."""
    # With its highest bit turned over, a byte that counts from -128 is one that counts from 0.
    return np.ascontiguousarray((codes ^ np.uint8(ZERO_POINT)).view(np.int8).T)


def _session() -> onnxruntime.InferenceSession:
    """codes uint8 (n, d) × probes int8 (d, m) -> int32 (n, m): the left matrix is never repacked."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["codes", "probes", "zero"], ["products"])],
        "compare",
        [
            helper.make_tensor_value_info("codes", TensorProto.UINT8, ["n", "d"]),
            helper.make_tensor_value_info("probes", TensorProto.INT8, ["d", "m"]),
        ],
        [helper.make_tensor_value_info("products", TensorProto.INT32, ["n", "m"])],
        [helper.make_tensor("zero", TensorProto.UINT8, [], [ZERO_POINT])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@cache
def integer_product() -> onnxruntime.InferenceSession | None:
    """The integer product, or None where it is wrong on this machine.

    On x86 without VNNI, u8·s8 products are added in 16 bits and saturate; extreme values show it.
    """
    session = _session()
    for code, probe in ((255, 127), (255, -127), (0, 127), (0, -127)):
        codes = np.full((64, 512), code, np.uint8)
        probes = np.full((512, 2), probe, np.int8)
        expected = (code - ZERO_POINT) * probe * 512
        if not (session.run(None, {"codes": codes, "probes": probes})[0] == expected).all():
            return None
    return session


def comparison_path() -> str:
    """How templates are compared on this machine, for doctor and the settings page."""
    return "int8, then float32" if integer_product() is not None else "float32 only"
