"""From a face model on disk to an engine that works on this machine."""

from __future__ import annotations

from jobs.faces.engine import FaceEngine
from jobs.faces.models import FaceModelError, ModelPack
from portal.settings import Device


def open_engine(pack: ModelPack, device: Device) -> FaceEngine:
    """Load a face model on the device, having tried that it works there.

    "auto" takes CUDA where it works and the CPU elsewhere; "cuda" takes nothing else. Raises FaceModelError
    with what to do when the files can't be loaded or the device does not work.
    """
    # Imported here: each brings its own heavy runtime, and an installation needs one of them.
    if pack.engine == "dlib":
        if device == "cuda":
            raise FaceModelError(
                "The dlib face model works on the CPU only, and PORTAL_DEVICE is cuda. Set PORTAL_DEVICE to"
                " auto or cpu, or choose another model with PORTAL_FACE_MODEL."
            )
        from jobs.faces.dlib_engine import DlibEngine

        return DlibEngine(pack)
    from jobs.faces.onnx_engine import open_onnx

    return open_onnx(pack, device)
