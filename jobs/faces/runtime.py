"""ONNX Runtime for the workers: which provider and precision, on which device, with one thread each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from portal.settings import Device

_CUDA = "CUDAExecutionProvider"
_OPENVINO = "OpenVINOExecutionProvider"
_CPU = "CPUExecutionProvider"

# Instructions that multiply bfloat16 numbers; without them OpenVINO would only convert back and forth.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


@dataclass(frozen=True)
class Runtime:
    """One way to run a model. The three words are for `portal doctor` and the settings page."""

    provider: str
    precision: str
    device: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def batch(self) -> int:
        """Faces embedded in one run: on a CPU, measured, eight at once are no faster than one by one."""
        return 16 if self.provider == _CUDA else 1

    def open(self, model: bytes) -> onnxruntime.InferenceSession:
        """A session for a serialized model on exactly this provider.

        Raises RuntimeError where the provider is not the one that the session really uses.
        """
        options = onnxruntime.SessionOptions()
        # Several worker processes with one thread each do more than one process with several threads.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Errors only: ONNX Runtime warns on the console about graphs that are perfectly fine.
        options.log_severity_level = 3
        providers: list[tuple[str, dict[str, str]]] = [(self.provider, dict(self.options))]
        session = onnxruntime.InferenceSession(model, options, providers=providers)
        if session.get_providers()[0] != self.provider:
            raise RuntimeError(f"ONNX Runtime could not start {self.provider}")
        return session


# Always there, and what the others are compared with.
REFERENCE = Runtime(_CPU, "float32", "cpu")


def runtimes(device: Device) -> list[Runtime]:
    """What can be tried on `device`, the fastest first. Empty: the device is not there."""
    available = set(onnxruntime.get_available_providers())
    found: list[Runtime] = []
    if device != "cpu" and _CUDA in available:
        found.append(_cuda())
    if device != "cuda":
        if _OPENVINO in available:
            if _cpu_flags() & _BFLOAT16_FLAGS:
                found.append(_openvino("bfloat16", "bf16"))
            found.append(_openvino("float32", "f32"))
        found.append(REFERENCE)
    return found


def _cuda() -> Runtime:
    # The CUDA libraries may come from wheels, which no system path leads to.
    preload: Any = getattr(onnxruntime, "preload_dlls", None)
    if preload is not None:
        preload()
    return Runtime(_CUDA, "float32", "cuda", (("cudnn_conv_algo_search", "HEURISTIC"), ("use_tf32", "0")))


def _openvino(precision: str, hint: str) -> Runtime:
    config = {
        "CPU": {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": 1,
            # Pinned, every worker of a machine would sit on its first core.
            "ENABLE_CPU_PINNING": False,
        }
    }
    options = (("device_type", "CPU"), ("load_config", json.dumps(config)))
    return Runtime(_OPENVINO, precision, "cpu", options)


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()  # not Linux: float32 it is
    return next((set(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), set())
