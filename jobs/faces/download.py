"""Fetch files of face models, and InsightFace's own packs from its releases."""

from __future__ import annotations

import http.client
import shutil
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

# The address of InsightFace's model zoo, as its own package has it (insightface/utils/storage.py).
RELEASES = "https://github.com/deepinsight/insightface/releases/download/model-zoo"
DOWNLOADABLE = ("buffalo_l", "buffalo_m", "buffalo_s", "buffalo_sc", "antelopev2")

# Seconds until a connection, or the next piece of data, is given up.
_PATIENCE = 10
_CHUNK = 1 << 20


def download(name: str, model_dir: Path, announce: Callable[[str], None]) -> Path:
    """Fetch the pack `name` into a folder of that name, which is there wholly or not at all.

    Raises OSError where the network, the server or the disk fails, and zipfile.BadZipFile for a file that is
    no ZIP with ONNX files in it.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    address = f"{RELEASES}/{name}.zip"
    announce(f"Downloading the face model {name} from {address}")
    # On the same disk as the folder that it becomes, so that the last step is one rename.
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=model_dir) as scratch:
        archive = Path(scratch) / "pack.zip"
        fetch(address, archive, name)
        unpacked = Path(scratch) / name
        unpacked.mkdir()
        with zipfile.ZipFile(archive) as files:
            members = [file for file in files.infolist() if file.filename.endswith(".onnx")]
            if not members:
                raise zipfile.BadZipFile(f"{address} has no .onnx file in it")
            for member in members:
                # Some packs have a folder inside; only the files matter.
                target = unpacked / PurePosixPath(member.filename).name
                with files.open(member) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, _CHUNK)
        folder = model_dir / name
        try:
            unpacked.rename(folder)
        except OSError:
            # Another process of the same installation was first, with the same files.
            if not folder.is_dir():
                raise
    return folder


def fetch(address: str, target: Path, name: str) -> None:
    """Write what is at an address into a file, with progress on the console under `name`.

    Raises OSError where the network, the server or the disk fails.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    try:
        with (
            urllib.request.urlopen(address, timeout=_PATIENCE) as answer,  # noqa: S310 - the scheme is our own
            target.open("wb") as file,
            Progress(
                *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=Console(stderr=True)
            ) as progress,
        ):
            size = int(answer.headers.get("Content-Length") or 0)
            task = progress.add_task(name, total=size or None)
            received = 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                progress.update(task, completed=received)
    except http.client.HTTPException as error:
        raise OSError(f"the server's answer broke off: {error}") from error
    if size and received != size:
        raise OSError(f"the download broke off after {received} of {size} bytes")
