"""Who loads what: the web tier has none of the libraries that look at faces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.functional.mates import Mate
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING, UpPortal

pytestmark = pytest.mark.xdist_group(BROWSING)

FACE_LIBRARIES = ("cv2", "onnxruntime", "insightface", "openvino", "dlib")


def loaded(process: psutil.Process) -> set[str]:
    """Those of the libraries of which a process has a file in its memory."""
    files = [Path(mapped.path).parts for mapped in process.memory_maps()]
    return {name for name in FACE_LIBRARIES for parts in files if any(name in part for part in parts)}


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has loaded is seen on Linux only")
def test_the_web_process_that_served_everything_has_loaded_none_of_them(
    portal: UpPortal, ada: Staff, people: Iterator[Mate]
) -> None:
    mate = next(people)
    number = ada.enrol_and_wait(mate)
    ada.search(mate.probe)
    for path in ("/", f"/people/{number}", "/settings", "/members", "/audit", "/metrics", "/readyz"):
        ada.get(path)
    web = portal.processes("gunicorn")
    assert len(web) == 2  # the one that watches, and the one that serves
    assert [loaded(process) for process in web] == [set(), set()]
    # They are seen where they are.
    for worker in portal.processes("jobs.worker"):
        assert {"cv2", "onnxruntime"} <= loaded(worker)


def test_the_app_imports_neither_them_nor_the_jobs(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from portal import create_app, settings;"
        "create_app(settings.Settings.from_environment({}, data_dir=Path(sys.argv[1])));"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert "flask" in imported
    assert imported.isdisjoint({*FACE_LIBRARIES, "jobs", "numpy", "onnx", "skimage"})
