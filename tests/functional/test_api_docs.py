"""The examples of docs/api.md, run as they stand there, by a program that knows nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.looks import Seen
from tests.functional.mates import mates
from tests.functional.up_portal import BROWSING, UpPortal
from tests.needs import missing

pytestmark = pytest.mark.xdist_group(BROWSING)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
ADDRESS = "http://127.0.0.1:8000"
# A curl that fails where the portal refuses, and says nothing of its progress.
QUIET = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


def examples() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)


def test_every_example_does_what_the_page_says(
    portal: UpPortal, first_run: Seen, lfw: Path, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        missing("needs curl on the PATH")
    anna, ben = mates(lfw, photos=2)[-3:-1]
    for name, photo in (("anna", anna.photos[0]), ("someone", anna.photos[1]), ("ben", ben.photos[0])):
        shutil.copy(photo, tmp_path / f"{name}.jpg")
    environment = {
        **portal.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    said: dict[str, str] = {}
    for example in examples():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", QUIET + example.replace(ADDRESS, portal.url)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{example}\n{done.stdout}\n{done.stderr}"
        said[example.split("\n")[0]] = done.stdout
        if example.startswith("portal create-api-key"):
            environment["KEY"] = done.stdout.split()[-1]
        if "external_id=A-1" in example:
            environment["PERSON"] = str(json.loads(done.stdout)["id"])
    answers = [json.loads(text) for text in said.values() if text.startswith("{")]
    (enrolled,) = [one for one in answers if one.get("external_id") == "A-1" and one["name"] == "Anna Berg"]
    assert [photo["state"] for photo in enrolled["photos"]] == ["done"]
    (found,) = [one for one in answers if "threshold" in one]
    assert found["faces"][0]["candidates"][0]["external_id"] == "A-1"
    assert any(one.get("name") == "Anna Berg-Olsen" for one in answers)
