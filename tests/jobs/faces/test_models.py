"""Which face model: by name, by folder, automatic; cards, fingerprints, and errors that say what to do."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from onnx import TensorProto, helper

from jobs.faces import download, graphs, models
from jobs.faces.models import FaceModelError
from portal.installation.models import PermittedUse
from tests.needs import free_face_model
from tests.run.web_server import serving


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of pack archives, and the folder that it serves."""
    served = tmp_path / "served"
    served.mkdir()
    with serving(served) as address:
        yield address, served


def archive(folder: Path, inside: str = "") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as files:
        for path in folder.iterdir():
            files.write(path, inside + path.name)
        files.writestr("../README.txt", "not wanted")
    return file.getvalue()


def onnx_file(path: Path, shape: list[int | str], outputs: int) -> None:
    value = helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)
    names = [f"out{index}" for index in range(outputs)]
    nodes = [helper.make_node("Identity", ["data"], [name]) for name in names]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]
    onnx.save(helper.make_model(helper.make_graph(nodes, "test", [value], results)), path)


@pytest.mark.parametrize(
    ("name", "detector", "recogniser"),
    [
        ("mbf", "det_500m.onnx", "mobilefacenet_arcface.onnx"),
        ("mbf_v2", "det_2.5g.onnx", "mobilefacenet_ms1m.onnx"),
    ],
)
def test_a_pack_by_name_and_by_folder(model_dir: Path, name: str, detector: str, recogniser: str) -> None:
    pack = models.find(name, model_dir, announce=print)
    assert pack == models.find(str(model_dir / name), Path("nowhere"), announce=print)
    assert (pack.name, pack.engine) == (name, "insightface")
    assert [path.name for path in pack.files] == [detector, recogniser]


def test_a_pack_is_known_by_its_files(model_dir: Path, tmp_path: Path) -> None:
    pack = models.find("mbf", model_dir, announce=print)
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in pack.files]
    assert pack.fingerprint == hashlib.sha256(b"".join(digests)).hexdigest()
    folder = tmp_path / "other name"
    shutil.copytree(model_dir / "mbf", folder, copy_function=shutil.copyfile)
    renamed = models.find(str(folder), tmp_path, announce=print)
    assert (renamed.fingerprint, renamed.card) == (pack.fingerprint, pack.card)
    assert models.find("mbf_v2", model_dir, announce=print).fingerprint != pack.fingerprint


def test_parts_that_are_neither_detector_nor_recogniser_are_left_alone(
    model_dir: Path, tmp_path: Path
) -> None:
    """A buffalo pack also has landmarks in 2-D and 3-D, and age and sex."""
    folder = tmp_path / "buffalo"
    shutil.copytree(model_dir / "mbf", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    onnx_file(folder / "1k3d68.onnx", ["n", 3, 192, 192], 1)
    onnx_file(folder / "2d106det.onnx", ["n", 3, 192, 192], 1)
    onnx_file(folder / "genderage.onnx", ["n", 3, 96, 96], 1)
    pack = models.find(str(folder), tmp_path, announce=print)
    assert pack.fingerprint == models.find("mbf", model_dir, announce=print).fingerprint


@pytest.mark.parametrize("name", ["mbf", "mbf_v2", "opencv"])
def test_every_measured_model_has_its_card(model_dir: Path, name: str) -> None:
    said: list[str] = []
    pack = models.find(name, model_dir, announce=said.append)
    assert -1 < pack.card.threshold < 1
    assert pack.card.threshold_source.startswith("Measured on LFW")
    assert name in said[0]
    assert pack.card.licence in said[0]
    assert ("non-commercial" in pack.card.licence) == (name != "opencv")
    assert pack.card.permitted_use == (PermittedUse.ANY if name == "opencv" else PermittedUse.RESEARCH)


def test_what_was_not_measured_says_so(model_dir: Path, tmp_path: Path) -> None:
    cards = {}
    for name in ("buffalo_l", "own"):
        folder = tmp_path / name
        shutil.copytree(model_dir / "mbf", folder, copy_function=shutil.copyfile)
        folder.chmod(0o755)
        # Another recogniser: nothing was measured for these files.
        shutil.copyfile(
            model_dir / "mbf_v2" / "mobilefacenet_ms1m.onnx", folder / "mobilefacenet_arcface.onnx"
        )
        cards[name] = models.find(name, tmp_path, announce=print).card
    assert "not measured" in cards["buffalo_l"].threshold_source
    assert "non-commercial" in cards["buffalo_l"].licence
    assert "Not known" in cards["own"].licence
    assert cards["own"].permitted_use == PermittedUse.UNKNOWN
    assert "not known" in cards["own"].threshold_source


def test_auto_takes_buffalo_l_from_the_disk(model_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(model_dir / "mbf", tmp_path / "buffalo_l", copy_function=shutil.copyfile)
    said: list[str] = []
    assert models.find("auto", tmp_path, announce=said.append).name == "buffalo_l"
    assert "buffalo_l" in said[0]
    assert "Licence" in said[0]


@pytest.mark.parametrize("inside", ["", "buffalo_l/"])
def test_auto_downloads_buffalo_l(
    model_dir: Path,
    tmp_path: Path,
    releases: tuple[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    inside: str,
) -> None:
    address, served = releases
    (served / "buffalo_l.zip").write_bytes(archive(model_dir / "mbf", inside))
    monkeypatch.setattr(download, "RELEASES", address)
    said: list[str] = []
    own = tmp_path / "models"
    pack = models.find("auto", own, announce=said.append)
    assert pack.name == "buffalo_l"
    assert pack.files[0].parent == own / "buffalo_l"
    assert [path.name for path in own.iterdir()] == ["buffalo_l"]
    assert address in said[0]
    assert "downloaded" in said[1]
    # The second time it is there.
    (served / "buffalo_l.zip").unlink()
    assert models.find("auto", own, announce=print) == pack


@pytest.mark.parametrize("served_as", ["missing", "no zip", "no model"])
def test_auto_without_a_download_is_opencv_and_says_why(
    tmp_path: Path, releases: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, served_as: str
) -> None:
    address, served = releases
    if served_as == "no zip":
        (served / "buffalo_l.zip").write_bytes(b"<html>please sign in to this network</html>")
    elif served_as == "no model":
        (tmp_path / "empty").mkdir()
        (served / "buffalo_l.zip").write_bytes(archive(tmp_path / "empty"))
    monkeypatch.setattr(download, "RELEASES", address)
    said: list[str] = []
    own = tmp_path / "models"
    pack = models.find("auto", own, announce=said.append)
    assert pack.engine == free_face_model()
    assert list(own.iterdir()) == []
    assert "opencv" in said[-1]
    assert "could not be downloaded" in said[-1]
    assert "installed by set-up" in said[-1]
    assert "Apache License 2.0" in said[-1]


def test_a_known_name_that_can_not_be_downloaded_is_an_error(
    tmp_path: Path, releases: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "RELEASES", releases[0])
    with pytest.raises(FaceModelError, match="could not be downloaded"):
        models.find("buffalo_s", tmp_path / "models", announce=print)


def test_a_download_that_breaks_off_leaves_nothing(
    tmp_path: Path, model_dir: Path, releases: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, served = releases
    whole = archive(model_dir / "mbf")
    (served / "buffalo_m.zip").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(download, "RELEASES", address)
    with pytest.raises(FaceModelError, match="could not be downloaded"):
        models.find("buffalo_m", tmp_path / "models", announce=print)
    assert list((tmp_path / "models").iterdir()) == []


def test_an_unknown_name_is_an_error_that_lists_what_there_is(model_dir: Path) -> None:
    with pytest.raises(FaceModelError, match="no pack of that name") as caught:
        models.find("bufalo_l", model_dir, announce=print)
    for word in ("mbf", "mbf_v2", "buffalo_l", "opencv", "dlib", "auto", str(model_dir)):
        assert word in str(caught.value)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FaceModelError, match="no such folder"):
        models.find(str(tmp_path / "nothing"), tmp_path, announce=print)


@pytest.mark.parametrize(
    ("kept", "missing"), [("det_500m.onnx", "a recogniser"), ("mobilefacenet_arcface.onnx", "a detector")]
)
def test_half_a_pack_is_an_error(model_dir: Path, tmp_path: Path, kept: str, missing: str) -> None:
    (tmp_path / "half").mkdir()
    shutil.copyfile(model_dir / "mbf" / kept, tmp_path / "half" / kept)
    with pytest.raises(FaceModelError, match=missing):
        models.find("half", tmp_path, announce=print)


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.onnx").write_bytes(b"\x01\x02 nothing of the kind")
    with pytest.raises(FaceModelError, match="fresh copy"):
        models.find("bad", tmp_path, announce=print)


def test_a_part_that_is_not_needed_may_be_without_its_weights(model_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    shutil.copytree(model_dir / "mbf", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    weights = onnx.numpy_helper.from_array(np.zeros(4096, np.float32), "weights")
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, [4096])
    both = [data, helper.make_tensor_value_info("more", TensorProto.FLOAT, [4096])]
    sum_ = helper.make_tensor_value_info("sum", TensorProto.FLOAT, [4096])
    graph = helper.make_graph(
        [helper.make_node("Add", ["data", "weights"], ["sum"])], "test", both, [sum_], [weights]
    )
    onnx.save(
        helper.make_model(graph), folder / "extra.onnx", save_as_external_data=True, location="extra.data"
    )
    (folder / "extra.data").unlink()
    assert models.find(str(folder), tmp_path, announce=print).fingerprint == (
        models.find("mbf", model_dir, announce=print).fingerprint
    )
    with pytest.raises(ValueError, match="can't be read"):
        graphs.read(folder / "extra.onnx")


def test_packs_of_the_new_manifest_are_refused_in_words(model_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "raccoon_s"
    shutil.copytree(model_dir / "mbf", folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    (folder / "manifest.json").write_text('{"manifest_version": 2}')
    with pytest.raises(FaceModelError, match="manifest format 2"):
        models.find("raccoon_s", tmp_path, announce=print)


def test_sizes_and_scaling_are_read_from_the_graph(model_dir: Path) -> None:
    free = graphs.read(model_dir / "mbf" / "det_500m.onnx")
    fixed = graphs.read(model_dir / "mbf_v2" / "det_2.5g.onnx")
    assert (free.role, free.input_shape[2:]) == ("detector", (None, None))
    assert (fixed.role, fixed.input_shape) == ("detector", (1, 3, 640, 640))
    assert graphs.read(model_dir / "mbf" / "mobilefacenet_arcface.onnx").scales_pixels
    assert not graphs.read(model_dir / "mbf_v2" / "mobilefacenet_ms1m.onnx").scales_pixels
