"""Set-up fetches two files of a face model, and goes on without them where it can't."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """setup/install.py, which puts the files into a folder of the test's."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "setup" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FACE_MODEL", tmp_path / "share" / "opencv")
    return module


def test_without_the_registry_it_says_so_and_leaves_what_is_there(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    install.FACE_MODEL.mkdir(parents=True)
    (install.FACE_MODEL / "before").write_text("from the last time")
    with pytest.raises(install.Unavailable, match="can't be fetched from the registry"):
        install.install_face_model()
    assert [path.name for path in install.FACE_MODEL.iterdir()] == ["before"]
    assert "Fetching the files of the face model opencv" in capfd.readouterr().out


def test_a_step_that_could_not_be_done_is_tried_again_the_next_time(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fails() -> None:
        tried.append(1)
        raise install.Unavailable("not today")

    monkeypatch.setattr(install, "STATE", install.FACE_MODEL.parent / "installed.json")
    install.STATE.parent.mkdir(parents=True)
    state = {"runtime": "cpu"}
    for _ in range(2):
        with pytest.raises(install.Unavailable):
            install.step(state, "face model", "", [], fails)
    assert len(tried) == 2
    install.step(state, "face model", "", [], lambda: tried.append(2))
    install.step(state, "face model", "", [], lambda: tried.append(3))
    assert tried == [1, 1, 2]
