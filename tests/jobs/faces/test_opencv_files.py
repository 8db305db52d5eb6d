"""Where the two files of YuNet and SFace come from: known by their content, and said."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.faces import models, opencv_files
from jobs.faces.models import FaceModelError
from jobs.faces.opencv_files import DETECTOR, FROM_SETUP, RECOGNISER
from tests.needs import free_face_model
from tests.run.web_server import serving

FILES = (DETECTOR, RECOGNISER)


@pytest.fixture(autouse=True)
def _installed() -> None:
    free_face_model()


@pytest.fixture
def nothing_from_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the package registry could not be reached."""
    monkeypatch.setattr(opencv_files, "FROM_SETUP", tmp_path / "not installed")


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The second of the zoo's addresses serves this folder; the first refuses."""
    served = tmp_path / "zoo"
    for file in FILES:
        (served / file.folder).mkdir(parents=True)
        shutil.copyfile(FROM_SETUP / file.name, served / file.folder / file.name)
    with serving(served) as address:
        monkeypatch.setattr(opencv_files, "ADDRESSES", (f"{address}/nowhere", address))
        yield served


def place(folder: Path) -> Path:
    """Both files in the model folder."""
    own = folder / "opencv"
    own.mkdir(parents=True)
    for file in FILES:
        shutil.copyfile(FROM_SETUP / file.name, own / file.name)
    return own


def test_what_setup_installed_is_taken_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    pack = models.find("opencv", tmp_path / "models", announce=said.append, may_download=False)
    assert pack.files == (FROM_SETUP / DETECTOR.name, FROM_SETUP / RECOGNISER.name)
    assert "installed by set-up" in said[-1]
    # Known by both files, wherever they are.
    digests = [hashlib.sha256((FROM_SETUP / file.name).read_bytes()).digest() for file in FILES]
    assert pack.fingerprint == hashlib.sha256(b"".join(digests)).hexdigest()


def test_the_licence_texts_lie_beside_the_files() -> None:
    assert "Apache License" in (FROM_SETUP / "SFace.txt").read_text()
    assert "Permission is hereby granted, free of charge" in (FROM_SETUP / "YuNet.txt").read_text()


def test_the_model_folder_comes_first(tmp_path: Path) -> None:
    own = place(tmp_path)
    said: list[str] = []
    pack = models.find("opencv", tmp_path, announce=said.append)
    assert pack.files == (own / DETECTOR.name, own / RECOGNISER.name)
    assert f"found in {own}" in said[-1]


@pytest.mark.parametrize("file", FILES, ids=["detector", "recogniser"])
def test_a_tampered_file_is_told_and_never_used(tmp_path: Path, file: opencv_files.ZooFile) -> None:
    own = place(tmp_path)
    content = bytearray((own / file.name).read_bytes())
    content[len(content) // 2] ^= 1
    (own / file.name).write_bytes(content)
    said: list[str] = []
    pack = models.find("opencv", tmp_path, announce=said.append)
    assert own / file.name not in pack.files
    assert FROM_SETUP / file.name in pack.files
    assert str(own / file.name) in said[0]
    assert hashlib.sha256(content).hexdigest() in said[0]
    assert "It is not used" in said[0]
    assert pack.fingerprint == models.find("opencv", tmp_path / "empty", announce=print).fingerprint


@pytest.mark.usefixtures("nothing_from_setup")
def test_a_tampered_file_without_another_is_an_error(tmp_path: Path) -> None:
    own = place(tmp_path)
    (own / RECOGNISER.name).write_bytes(b"something else")
    with pytest.raises(FaceModelError, match="is damaged, or is not the file"):
        models.find("opencv", tmp_path, announce=print, may_download=False)


@pytest.mark.usefixtures("nothing_from_setup")
def test_they_are_downloaded_with_their_licences(tmp_path: Path, zoo: Path) -> None:
    said: list[str] = []
    own = tmp_path / "models" / "opencv"
    pack = models.find("opencv", tmp_path / "models", announce=said.append)
    assert pack.files == (own / DETECTOR.name, own / RECOGNISER.name)
    assert f"downloaded to {own}" in said[-1]
    assert "Apache License" in (own / "SFace.txt").read_text()
    assert {path.name for path in own.iterdir()} == {*(file.name for file in FILES), "SFace.txt", "YuNet.txt"}
    assert [path.name for path in own.parent.iterdir()] == ["opencv"]
    # The second time they are there.
    shutil.rmtree(zoo)
    assert models.find("opencv", tmp_path / "models", announce=print) == pack


@pytest.mark.usefixtures("nothing_from_setup", "zoo")
def test_only_what_may_be_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(FaceModelError, match="neither in"):
        models.find("opencv", tmp_path / "models", announce=print, may_download=False)
    assert not (tmp_path / "models").exists()


@pytest.mark.usefixtures("nothing_from_setup")
@pytest.mark.parametrize("served", [None, b"<html>please sign in to this network</html>"])
def test_a_refused_download_says_what_to_do(tmp_path: Path, zoo: Path, served: bytes | None) -> None:
    path = zoo / RECOGNISER.folder / RECOGNISER.name
    if served is None:
        path.unlink()
    else:
        path.write_bytes(served)
    own = tmp_path / "models" / "opencv"
    with pytest.raises(FaceModelError, match="could not be downloaded") as caught:
        models.find("opencv", tmp_path / "models", announce=print)
    for word in (RECOGNISER.name, RECOGNISER.sha256, str(own), "Run `make setup`"):
        assert word in str(caught.value)
    # What did come is kept for the next time; nothing else is.
    assert not (own / RECOGNISER.name).exists()
    assert [folder.name for folder in own.parent.iterdir()] == ["opencv"]


@pytest.mark.usefixtures("nothing_from_setup")
def test_a_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    own = place(tmp_path)
    (own / DETECTOR.name).unlink()
    (own / DETECTOR.name).mkdir()
    with pytest.raises(FaceModelError, match="can't be read"):
        models.find("opencv", tmp_path, announce=print, may_download=False)


@pytest.mark.usefixtures("nothing_from_setup")
def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path, zoo: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder would be")
    with pytest.raises(FaceModelError, match="could not be downloaded"):
        models.find("opencv", tmp_path / "models", announce=print)
