"""From aligned faces to templates, on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.faces import graphs
from jobs.faces.engine import Pixels, unit_length
from jobs.faces.graphs import Graph
from jobs.faces.runtime import Runtime


class Recogniser:
    """A graph that takes square pictures of a face and gives a vector for each."""

    def __init__(self, graph: Graph, runtime: Runtime) -> None:
        self.batch = graph.input_shape[0] or runtime.batch
        self.side = int(graph.input_shape[2] or 0)
        # InsightFace: (pixel - 127.5) / 127.5 in the order RGB, unless the graph does that itself.
        self._mean, self._scale = (0.0, 1.0) if graph.scales_pixels else (127.5, 1 / 127.5)
        self._input_name = graph.input_name
        self.runtime = runtime
        shape = (self.batch, 3, self.side, self.side)
        self._session = runtime.open(graphs.with_fixed_input(graph, shape))
        self.dimension = self.embed([np.zeros((self.side, self.side, 3), np.uint8)]).shape[1]

    def embed(self, aligned: Sequence[Pixels]) -> NDArray[np.float32]:
        """float32, (n, dimension), unit length. Runs are of one size: the last is filled up."""
        mean = (self._mean, self._mean, self._mean)
        parts = []
        for start in range(0, len(aligned), self.batch):
            part = aligned[start : start + self.batch]
            filled = [*part, *[part[0]] * (self.batch - len(part))]
            blob = cv2.dnn.blobFromImages(filled, self._scale, mean=mean, swapRB=True)
            parts.append(self._session.run(None, {self._input_name: blob})[0][: len(part)])
        return unit_length(np.concatenate(parts).reshape(len(aligned), -1))
