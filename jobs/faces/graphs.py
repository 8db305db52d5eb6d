"""What an ONNX file of a face model pack is, read from its inputs and outputs and not from its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

Role = Literal["detector", "recogniser", "other"]

# SCRFD with five key points: score, box and key points at each of its strides (three, or five of them).
_DETECTOR_OUTPUTS = {9, 15}


@dataclass(frozen=True)
class Graph:
    """The outside of one ONNX file."""

    path: Path
    role: Role
    input_name: str
    # (batch, channels, height, width); None where the graph leaves the size open.
    input_shape: tuple[int | None, ...]
    output_count: int
    # True: mean and scale are part of the graph, which then takes plain 0…255 pixels.
    scales_pixels: bool


def read(path: Path) -> Graph:
    """Read the outside of an ONNX file and say which part of a face model it is.

    The rules are those of InsightFace's model router: a detector has an output for scores, boxes and key
    points at each stride; a recogniser takes one square image of 112 pixels or more and gives one vector;
    landmark (192), attribute (96) and swapping (two inputs) models are "other".

    Raises ValueError for a file that is no ONNX graph.
    """
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError, ValueError) as error:
        raise ValueError(f"{path} can't be read as an ONNX file ({error}).") from error
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if not inputs:
        raise ValueError(f"{path} is not an ONNX graph with an input.")
    shape = tuple(dim.dim_value or None for dim in inputs[0].type.tensor_type.shape.dim)
    return Graph(
        path=path,
        role=_role(len(inputs), shape, len(graph.output)),
        input_name=inputs[0].name,
        input_shape=shape,
        output_count=len(graph.output),
        scales_pixels=_scales_pixels(graph.node),
    )


def with_fixed_input(path: Path, shape: tuple[int, int, int, int]) -> bytes:
    """The graph of `path` with its input fixed to `shape` (NCHW), as a serialized model.

    A runtime that compiles a graph does so faster, and runs it faster, when no size is left open.
    """
    model = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    value = next(value for value in model.graph.input if value.name not in constants)
    for dim, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dim.ClearField("dim_param")
        dim.dim_value = size
    # What was noted about shapes inside and at the end followed from the old input.
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())


def _role(inputs: int, shape: tuple[int | None, ...], outputs: int) -> Role:
    if outputs in _DETECTOR_OUTPUTS:
        return "detector"
    if inputs != 1 or outputs != 1 or len(shape) != 4:
        return "other"
    height, width = shape[2:]
    if height is None or height != width or height < 112 or height % 16 or height == 192:
        return "other"
    return "recogniser"


def _scales_pixels(nodes: list[onnx.NodeProto]) -> bool:
    """InsightFace's rule: a subtraction and a multiplication, by name, among the first eight nodes."""
    names = [node.name for node in nodes[:8]]
    return any(name.startswith(("Sub", "_minus")) for name in names) and any(
        name.startswith(("Mul", "_mul")) for name in names
    )
