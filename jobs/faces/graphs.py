"""ONNX files of face models: what each is, read from its inputs and outputs and not from its name."""

from __future__ import annotations

from collections.abc import Collection
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
    """An ONNX graph with its weights, and what is to be known of its outside."""

    # For messages.
    name: str
    model: onnx.ModelProto
    input_name: str
    # (batch, channels, height, width); None where the graph leaves the size open.
    input_shape: tuple[int | None, ...]
    output_count: int
    # True: mean and scale are part of the graph, which then takes plain 0…255 pixels.
    scales_pixels: bool

    @property
    def role(self) -> Role:
        """Which part of an InsightFace pack this is, by the rules of InsightFace's model router.

        A detector has an output for scores, boxes and key points at each stride; a recogniser takes one
        square image of 112 pixels or more and gives one vector; landmark (192), attribute (96) and swapping
        (two inputs) models are "other".
        """
        if self.output_count in _DETECTOR_OUTPUTS:
            return "detector"
        if len(inputs_of(self.model)) != 1 or self.output_count != 1 or len(self.input_shape) != 4:
            return "other"
        height, width = self.input_shape[2:]
        if height is None or height != width or height < 112 or height % 16 or height == 192:
            return "other"
        return "recogniser"


def read(path: Path, *, weights: bool = True) -> Graph:
    """Read an ONNX file, with the weights that lie beside it or without those.

    Raises ValueError for a file that is no ONNX graph, or whose weights are not there.
    """
    try:
        model = onnx.load(path, load_external_data=weights)
    except (DecodeError, OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ValueError(f"{path} can't be read as an ONNX file ({error}).") from error
    if not inputs_of(model):
        raise ValueError(f"{path} is not an ONNX graph with an input.")
    return of(model, path.name)


def of(model: onnx.ModelProto, name: str) -> Graph:
    """A graph that is in memory, with one input or more."""
    first = inputs_of(model)[0]
    return Graph(
        name=name,
        model=model,
        input_name=first.name,
        input_shape=tuple(dim.dim_value or None for dim in first.type.tensor_type.shape.dim),
        output_count=len(model.graph.output),
        scales_pixels=_scales_pixels(model.graph.node),
    )


def inputs_of(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are given at every run; older files list their weights among the inputs, too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def with_open_sides(graph: Graph, sides: Collection[int]) -> Graph:
    """The graph with these sides of its input (0 batch, 2 height, 3 width) left open.

    For files that name sizes although they compute the same with any.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    for side in sides:
        inputs_of(model)[0].type.tensor_type.shape.dim[side].ClearField("dim_value")
    return of(model, graph.name)


def with_fixed_input(graph: Graph, shape: tuple[int, int, int, int]) -> bytes:
    """The graph with its input fixed to `shape` (NCHW), as a serialized model.

    A runtime that compiles a graph does so faster, and runs it faster, when no size is left open.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    for dim, size in zip(inputs_of(model)[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.ClearField("dim_param")
        dim.dim_value = size
    # What was noted about shapes inside and at the end followed from the old input.
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())


def _scales_pixels(nodes: list[onnx.NodeProto]) -> bool:
    """InsightFace's rule: a subtraction and a multiplication, by name, among the first eight nodes."""
    names = [node.name for node in nodes[:8]]
    return any(name.startswith(("Sub", "_minus")) for name in names) and any(
        name.startswith(("Mul", "_mul")) for name in names
    )
