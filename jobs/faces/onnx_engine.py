"""Face models on ONNX Runtime: a detector with five landmarks, ArcFace's alignment, and a recogniser.

InsightFace's packs (SCRFD and an ArcFace recogniser) and the OpenCV Zoo's models (YuNet and SFace).
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from jobs.faces import graphs
from jobs.faces.alignment import arcface_landmarks, scale_of, similarity
from jobs.faces.detector import Decoder, Detector
from jobs.faces.engine import Detections, Pixels
from jobs.faces.graphs import Graph
from jobs.faces.models import FaceModelError, ModelPack
from jobs.faces.opencv_files import FROM_SETUP
from jobs.faces.quantisation import read_dequantised
from jobs.faces.recogniser import Recogniser
from jobs.faces.runtime import REFERENCE, Runtime, runtimes
from jobs.faces.scrfd import Scrfd
from jobs.faces.yunet import YuNet
from portal.settings import Device

_LOG = logging.getLogger(__name__)

# A provider or precision is used when templates made with it are this close to plain float32 on the CPU.
AGREEMENT = 0.999

_BROKEN = (
    RuntimeError,
    ValueError,
    OSError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)


class OnnxEngine:
    """A face model on ONNX Runtime."""

    def __init__(self, pack: ModelPack, detector: Detector, recogniser: Recogniser) -> None:
        self.pack = pack
        self.nose = detector.nose
        self.longest_side, self.upright = detector.longest_side, detector.upright
        self.provider = recogniser.runtime.provider
        precisions = (detector.runtime.precision, recogniser.runtime.precision)
        # Detector and recogniser, where they differ.
        self.precision = "/".join(dict.fromkeys(precisions))
        self.device = recogniser.runtime.device
        self.dimension = recogniser.dimension
        self._detector = detector
        self._recogniser = recogniser
        self._targets = arcface_landmarks(recogniser.side)

    def detect(self, picture: Pixels) -> Detections:
        return self._detector.detect(picture)

    def alignment_scale(self, landmarks: NDArray[np.float32]) -> float:
        return scale_of(similarity(landmarks, self._targets))

    def align(self, picture: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
        side = self._recogniser.side
        return cv2.warpAffine(picture, similarity(landmarks, self._targets), (side, side))  # type: ignore[return-value]

    def embed(self, aligned: Sequence[Pixels]) -> NDArray[np.float32]:
        if not aligned:
            return np.empty((0, self.dimension), np.float32)
        return self._recogniser.embed(aligned)


def open_onnx(pack: ModelPack, device: Device) -> OnnxEngine:
    """The fastest detector and recogniser of the device that agree with float32 on the CPU.

    Each is tried on the faces of a photo that comes with the insightface package, which also warms it up.
    A recogniser often agrees in reduced precision where a detector does not: landmarks that are off by half
    a pixel change a template more than the recogniser's own rounding. Raises FaceModelError.
    """
    candidates = runtimes(device)
    if not candidates:
        raise FaceModelError(
            "PORTAL_DEVICE is cuda, but the installed ONNX Runtime does not include CUDA. Install the portal"
            " with RUNTIME=gpu, or set PORTAL_DEVICE to auto or cpu."
        )
    try:
        detector_graph, decoder, recogniser_graph = _parts(pack)
        reference = OnnxEngine(
            pack, Detector(detector_graph, decoder, REFERENCE), Recogniser(recogniser_graph, REFERENCE)
        )
    except _BROKEN as error:
        raise FaceModelError(
            f"The face model {pack.name} can't be loaded: {error}. {_how_to_renew(pack)}"
        ) from error
    trial = _Trial(reference)
    detector = _first_that_agrees(
        candidates,
        lambda runtime: Detector(detector_graph, decoder, runtime),
        lambda detector: trial.agreement(detector, reference),
    )
    recogniser = _first_that_agrees(
        candidates,
        lambda runtime: Recogniser(recogniser_graph, runtime),
        lambda recogniser: trial.agreement(detector, recogniser),
    )
    return OnnxEngine(pack, detector, recogniser)


def _how_to_renew(pack: ModelPack) -> str:
    folder = pack.files[0].parent
    if folder == FROM_SETUP:
        return f"Delete {folder} and run `make setup`."
    return f"Delete its folder ({folder}) and put a fresh copy of the pack there."


def _parts(pack: ModelPack) -> tuple[Graph, Decoder, Graph]:
    """The detector, how to read what it says, and the recogniser."""
    if pack.engine == "opencv":
        detector, recogniser = (read_dequantised(path) for path in pack.files)
        # They name a size and a batch, and compute the same with any.
        return graphs.with_open_sides(detector, (2, 3)), YuNet(), graphs.with_open_sides(recogniser, (0,))
    detector, recogniser = (graphs.read(path) for path in pack.files)
    return detector, Scrfd(detector.output_count), recogniser


Part = TypeVar("Part")


def _first_that_agrees(
    candidates: list[Runtime], load: Callable[[Runtime], Part], agreement_of: Callable[[Part], float]
) -> Part:
    complaint = ""
    for runtime in candidates:
        try:
            part = load(runtime)
            agreement = agreement_of(part)
        except _BROKEN as error:
            complaint = str(error)
        else:
            if agreement >= AGREEMENT:
                return part
            complaint = f"its templates differ from those of plain CPU (cosine {agreement:.4f})"
        level = logging.WARNING if runtime.device == "cuda" else logging.INFO
        _LOG.log(level, "%s with %s is not used: %s", runtime.provider, runtime.precision, complaint)
    # Plain CPU agrees with itself, so only a GPU that was asked for by name comes to this.
    raise FaceModelError(
        f"PORTAL_DEVICE is cuda, but CUDA does not work here: {complaint}. Check the driver with nvidia-smi"
        " and that its CUDA version fits the installed onnxruntime-gpu, or set PORTAL_DEVICE to auto or cpu."
    )


class _Trial:
    """The faces of a photo of six people, and their templates as plain float32 on the CPU gives them."""

    def __init__(self, reference: OnnxEngine) -> None:
        self._align = reference.align
        self._picture = _test_photo()
        self._faces = reference.detect(self._picture)
        if not len(self._faces):
            raise FaceModelError(
                f"The face model {reference.pack.name} finds no face in a photo of six people: its files are"
                " not a detector and a recogniser that belong together. Put a fresh copy of the pack in its"
                " folder."
            )
        self._expected = self._templates(reference, self._faces.landmarks)

    def agreement(self, detector: Finder, recogniser: Embedder) -> float:
        """The lowest cosine between the templates that these two make of the photo and the expected ones;
        -1 where the detector finds other faces."""
        found = detector.detect(self._picture)
        if len(found) != len(self._faces):
            return -1.0
        same = [int(np.argmin(np.abs(found.boxes - box).sum(axis=1))) for box in self._faces.boxes]
        templates = self._templates(recogniser, found.landmarks[same])
        return float(np.min(np.sum(templates * self._expected, axis=1)))

    def _templates(self, recogniser: Embedder, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        return recogniser.embed([self._align(self._picture, points) for points in landmarks])


class Finder(Protocol):
    def detect(self, picture: Pixels) -> Detections: ...


class Embedder(Protocol):
    def embed(self, aligned: Sequence[Pixels]) -> NDArray[np.float32]: ...


def _test_photo() -> Pixels:
    """Six people: BGR."""
    spec = importlib.util.find_spec("insightface")
    if spec is None or not spec.submodule_search_locations:
        raise FaceModelError("The insightface package is not installed. Run `make setup` again.")
    path = Path(spec.submodule_search_locations[0]) / "data" / "images" / "t1.jpg"
    picture = cv2.imread(str(path))
    if picture is None:
        raise FaceModelError(f"{path} is missing or damaged. Run `make setup` again.")
    return picture  # type: ignore[return-value]
