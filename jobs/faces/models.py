"""Which face model: a pack of InsightFace, the OpenCV Zoo's YuNet and SFace, or dlib where installed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jobs.faces import graphs, opencv_files
from jobs.faces.cards import ModelCard, card_of
from jobs.faces.download import DOWNLOADABLE, download
from jobs.faces.opencv_files import FilesMissing

__all__ = ["FaceModelError", "ModelCard", "ModelPack", "find"]

_BEST = "buffalo_l"
_DLIB_FILES = ("shape_predictor_5_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat")


Engine = Literal["insightface", "opencv", "dlib"]


class FaceModelError(Exception):
    """A face model that is missing, damaged or does not run. The message is for the operator."""


@dataclass(frozen=True)
class ModelPack:
    """A face model on disk. Templates of packs with different fingerprints mean nothing to each other."""

    name: str
    engine: Engine
    # What finds faces (for dlib: their landmarks, its detector is part of the library) and what embeds them.
    files: tuple[Path, ...]
    # SHA-256 over the SHA-256 of each file, in their order: 64 hexadecimal digits.
    fingerprint: str
    card: ModelCard


def find(
    face_model: str, model_dir: Path, *, announce: Callable[[str], None], may_download: bool = True
) -> ModelPack:
    """The pack that `face_model` names.

    "auto" is buffalo_l, from `model_dir` or downloaded into it, or else "opencv" (YuNet and SFace); "dlib",
    where that extra is installed; the name of a pack in `model_dir` (one of InsightFace's own is downloaded
    when it is not there); or the path of a pack's folder.
    `announce` is told, in one plain sentence at a time, what was chosen and why. With `may_download` false
    only what is on the disk is taken.

    Raises FaceModelError.
    """
    if face_model == "auto":
        return _auto(model_dir, announce, may_download)
    if face_model == opencv_files.NAME:
        return _opencv(model_dir, announce, may_download, "as asked for")
    pack = _dlib() if face_model == "dlib" else _named(face_model, model_dir, announce, may_download)
    announce(f"Face model: {pack.name}. Licence: {pack.card.licence}")
    return pack


def _auto(model_dir: Path, announce: Callable[[str], None], may_download: bool) -> ModelPack:
    folder = model_dir / _BEST
    if folder.is_dir():
        pack = _insightface(folder)
        announce(f"Face model: {_BEST}, found in {model_dir}. Licence: {pack.card.licence}")
        return pack
    if not may_download:
        raise FaceModelError(
            f"No face model has been chosen yet: the first `portal up` takes {_BEST} if it can be downloaded"
            f" to {model_dir}, and opencv (YuNet and SFace) if not."
        )
    try:
        download(_BEST, model_dir, announce)
    except (OSError, zipfile.BadZipFile) as error:
        why = f"because {_BEST} is not in {model_dir} and could not be downloaded ({error})"
        return _opencv(model_dir, announce, may_download, why)
    pack = _insightface(folder)
    announce(f"Face model: {_BEST}, downloaded to {model_dir}. Licence: {pack.card.licence}")
    return pack


def _opencv(model_dir: Path, announce: Callable[[str], None], may_download: bool, why: str) -> ModelPack:
    try:
        detector, recogniser, source = opencv_files.locate(model_dir, announce, may_download=may_download)
    except FilesMissing as error:
        raise FaceModelError(str(error)) from error
    pack = _pack(opencv_files.NAME, "opencv", (detector, recogniser))
    announce(
        f"Face model: opencv (YuNet and SFace), {why}. Its files were {source}. Licence: {pack.card.licence}"
    )
    return pack


def _named(
    face_model: str, model_dir: Path, announce: Callable[[str], None], may_download: bool
) -> ModelPack:
    is_path = Path(face_model).name != face_model
    folder = Path(face_model).expanduser().resolve() if is_path else model_dir / face_model
    if folder.is_dir():
        return _insightface(folder)
    if is_path:
        raise FaceModelError(
            f"PORTAL_FACE_MODEL is {face_model}, and there is no such folder. Give the folder that holds the"
            " pack's .onnx files."
        )
    if face_model in DOWNLOADABLE and may_download:
        try:
            download(face_model, model_dir, announce)
        except (OSError, zipfile.BadZipFile) as error:
            raise FaceModelError(
                f"The face model {face_model} is not in {model_dir} and could not be downloaded ({error})."
                " Put its folder there by hand, or set PORTAL_FACE_MODEL to opencv, whose files come with"
                " set-up."
            ) from error
        return _insightface(folder)
    there = sorted(path.name for path in model_dir.iterdir() if path.is_dir()) if model_dir.is_dir() else []
    raise FaceModelError(
        f"PORTAL_FACE_MODEL is {face_model}, and {model_dir} holds no pack of that name"
        f" (it holds: {', '.join(there) or 'nothing'}). Put the pack's folder there, or set PORTAL_FACE_MODEL"
        f" to one of {', '.join(DOWNLOADABLE)}, to a folder, to opencv, dlib or auto."
    )


def _insightface(folder: Path) -> ModelPack:
    if _needs_manifest(folder):
        raise FaceModelError(
            f"{folder} is a pack of InsightFace's manifest format 2, which the portal does not read yet."
            f" Set PORTAL_FACE_MODEL to one of {', '.join(DOWNLOADABLE)}, or to opencv."
        )
    parts: dict[str, Path] = {}
    for path in sorted(folder.glob("*.onnx")):
        try:
            graph = graphs.read(path, weights=False)
        except ValueError as error:
            raise FaceModelError(
                f"{error} Delete {folder} and put a fresh copy of the pack there."
            ) from error
        # As InsightFace does: where there are two of a kind, the first by name.
        parts.setdefault(graph.role, path)
    for role, what in (
        ("detector", "a detector with five key points"),
        ("recogniser", "a recogniser"),
    ):
        if role not in parts:
            raise FaceModelError(
                f"{folder} is not a complete face model: its .onnx files do not include {what}."
                " Put all files of an InsightFace pack there."
            )
    return _pack(folder.name, "insightface", (parts["detector"], parts["recogniser"]))


def _dlib() -> ModelPack:
    # Found without importing the packages: one of them needs a pkg_resources that setuptools no longer has.
    spec = importlib.util.find_spec("face_recognition_models")
    folders = [Path(folder) / "models" for folder in (spec.submodule_search_locations or [])] if spec else []
    files = tuple(folder / name for folder in folders[:1] for name in _DLIB_FILES)
    if not files or not all(path.is_file() for path in files) or importlib.util.find_spec("dlib") is None:
        raise FaceModelError(
            "The face model dlib is not installed: it is an extra, for those who have templates of it."
            " Run `make setup EXTRAS=dlib`."
        )
    return _pack("dlib", "dlib", files)


def _pack(name: str, engine: Engine, files: tuple[Path, ...]) -> ModelPack:
    fingerprint = _fingerprint(files)
    return ModelPack(name, engine, files, fingerprint, card_of(name, fingerprint))


def _needs_manifest(folder: Path) -> bool:
    try:
        document = json.loads((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise FaceModelError(f"{folder / 'manifest.json'} can't be read: {error}.") from error
    return isinstance(document, dict) and document.get("manifest_version") == 2


def _fingerprint(files: tuple[Path, ...]) -> str:
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
