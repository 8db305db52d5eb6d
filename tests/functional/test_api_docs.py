"""The examples of docs/api.md, run as they stand there, by a program that knows nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.functional.looks import Seen
from tests.functional.mates import mates
from tests.functional.up_portal import BROWSING, UpPortal
from tests.needs import missing
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group(BROWSING)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "api.md"
ADDRESS = "http://127.0.0.1:8000"
# A curl that fails where the portal refuses, and says nothing of its progress.
QUIET = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


def examples() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)


def all_json(text: str) -> Iterator[Any]:
    """What several answers say, one behind the other."""
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:]


def pair_with(portal: UpPortal, key: str, external_id: str) -> int | None:
    """The open pair of someone, once the workers have found it."""
    request = Request(f"{portal.url}/api/v1/duplicates", headers={"Authorization": f"Bearer {key}"})
    with urlopen(request, timeout=PATIENCE_S) as answer:
        pairs = json.load(answer)["items"]
    return next((pair["id"] for pair in pairs if pair["b"]["external_id"] == external_id), None)


def test_every_example_does_what_the_page_says(
    portal: UpPortal, first_run: Seen, lfw: Path, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        missing("needs curl on the PATH")
    anna, ben = mates(lfw, photos=2)[-3:-1]
    for name, photo in (
        ("anna", anna.photos[0]),
        ("someone", anna.photos[1]),
        ("ben", ben.photos[0]),
        ("C-7", anna.photos[1]),
    ):
        shutil.copy(photo, tmp_path / f"{name}.jpg")
    environment = {
        **portal.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    said: dict[str, str] = {}
    for example in examples():
        if "$PAIR" in example:
            environment["PAIR"] = str(
                wait_until(partial(pair_with, portal, environment["KEY"], "C-7"), "a pair")
            )
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
        if '"grouping"' in example:
            environment["BATCH"] = str(json.loads(done.stdout)["id"])
        if '"files"' in example:
            (item,) = json.loads(done.stdout)["items"]
            environment["ITEM"] = str(item["id"])
    answers = [one for text in said.values() if text.startswith("{") for one in all_json(text)]
    (enrolled,) = [one for one in answers if one.get("external_id") == "A-1" and one["name"] == "Anna Berg"]
    assert [photo["state"] for photo in enrolled["photos"]] == ["done"]
    (found,) = [one for one in answers if "people_compared" in one]
    assert found["faces"][0]["candidates"][0]["external_id"] == "A-1"
    assert any(one.get("name") == "Anna Berg-Olsen" for one in answers)
    assert any(one.get("pair", {}).get("note") == "Twins." for one in answers)
