"""What an installation is made of: pinned, hashed, from nowhere in particular, with one ONNX Runtime."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = {"cpu": "onnxruntime", "openvino": "onnxruntime-openvino", "gpu": "onnxruntime-gpu"}


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.stem)
def test_every_package_is_pinned_and_hashed_and_no_address_is_named(lock: Path) -> None:
    text = lock.read_text().replace("\\\n", "")
    assert "://" not in text
    assert text.splitlines()
    for line in text.splitlines():
        assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_there_is_one_onnx_runtime_and_one_opencv_without_a_screen(runtime: str) -> None:
    names = pins(ROOT / "requirements" / f"{runtime}.txt").keys()
    assert {name for name in names if name.startswith("onnxruntime")} == {RUNTIMES[runtime]}
    assert {name for name in names if name.startswith("opencv")} == {"opencv-python-headless"}


def test_the_locks_agree_on_what_they_share() -> None:
    versions: dict[str, set[str]] = {}
    for lock in (ROOT / "requirements").glob("*.txt"):
        for name, version in pins(lock).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_the_pages_scripts_are_pinned_and_no_address_is_named() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for name, package in packages.items():
        assert "resolved" not in package
        assert not name or package["integrity"].startswith("sha512-")
    assert packages[""]["dependencies"] == {"htmx.org": "2.0.11"}
