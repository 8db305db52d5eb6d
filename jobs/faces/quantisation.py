"""Weights that were stored as blocks of int8 become the float32 weights that every runtime takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from jobs.faces import graphs
from jobs.faces.graphs import Graph


def read_dequantised(path: Path) -> Graph:
    """The graph of an ONNX file whose weights pass through DequantizeLinear, with plain float32 weights.

    Only weights are stored in eight bits; the graph computes in float32 before and after. ONNX Runtime
    refuses such files of the OpenCV Zoo: they give a block size for weights that have one scale only, and
    list as inputs the weights that were there before. Raises ValueError for a file that is no ONNX graph.
    """
    model = graphs.read(path).model
    whole = model.graph
    stored = {tensor.name: tensor for tensor in whole.initializer}
    weights: dict[str, NDArray[Any]] = {}
    kept: list[onnx.NodeProto] = []
    for node in whole.node:
        if node.op_type == "DequantizeLinear" and all(name in stored for name in node.input):
            values, scales, zeros = (numpy_helper.to_array(stored[name]) for name in node.input)
            attributes = {it.name: onnx.helper.get_attribute_value(it) for it in node.attribute}
            weights[node.output[0]] = dequantised(values, scales, zeros, attributes.get("axis", 1))
        elif node.op_type == "Reshape" and node.input[0] in weights:
            shape = numpy_helper.to_array(stored[node.input[1]])
            weights[node.output[0]] = weights[node.input[0]].reshape(shape)
        else:
            kept.append(node)
    used = {name for node in kept for name in node.input}
    tensors = [tensor for name, tensor in stored.items() if name in used]
    tensors += [numpy_helper.from_array(values, name) for name, values in weights.items() if name in used]
    inputs = [value for value in graphs.inputs_of(model) if value.name in used]
    plain = onnx.helper.make_graph(kept, whole.name, inputs, list(whole.output), tensors)
    opsets = list(model.opset_import)
    return graphs.of(
        onnx.helper.make_model(plain, opset_imports=opsets, ir_version=model.ir_version), path.name
    )


def dequantised(
    values: NDArray[np.int8], scales: NDArray[np.float32], zeros: NDArray[np.int8], axis: int
) -> NDArray[np.float32]:
    """(value - zero) * scale (ONNX, DequantizeLinear): float32, of the shape of `values`.

    scales, zeros: one for all, or one for each block along `axis`, as many as divide that side evenly (the
    last block may be cut off). Every zero is exact in float32, so the result is the same everywhere.
    """
    steps = values.astype(np.float32)
    if scales.size == 1:
        return (steps - zeros.astype(np.float32)) * scales
    length = values.shape[axis]
    block = -(-length // scales.shape[axis])
    missing = block * scales.shape[axis] - length
    steps = np.pad(steps, [(0, missing if side == axis else 0) for side in range(values.ndim)])
    in_blocks = (*values.shape[:axis], scales.shape[axis], block, *values.shape[axis + 1 :])
    result = (steps.reshape(in_blocks) - np.expand_dims(zeros.astype(np.float32), axis + 1)) * np.expand_dims(
        scales, axis + 1
    )
    whole = result.reshape(steps.shape)
    return np.ascontiguousarray(whole.take(range(length), axis=axis) if missing else whole)
