"""`portal doctor` where something is amiss (where all is well: tests/portal/up/test_launch.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.needs import free_face_model
from tests.run.commands import portal


def doctor(data_dir: Path, **variables: str) -> tuple[int, dict[str, str]]:
    """The exit code, and the line of each part."""
    done = portal(data_dir, "doctor", **{"PORTAL_FACE_MODEL": free_face_model(), **variables})
    assert done.stderr == ""
    return done.returncode, {line[7:22].strip(): line for line in done.stdout.splitlines()}


def test_a_portal_that_is_not_up_is_no_fault(tmp_path: Path) -> None:
    code, lines = doctor(tmp_path)
    assert code == 0
    assert {part: line.split()[0] for part, line in lines.items()} == {
        "data folder": "ok",
        "secret key": "ok",
        "photo storage": "ok",
        "redis": "off",
        "database": "ok",
        "face model": "off",
        "licence": "ok",
        "remark": "NOTE",
        "device": "ok",
        "comparison": "ok",
        "workers": "off",
        "webhooks": "ok",
    }
    assert "`portal up` starts it" in lines["workers"]


@pytest.mark.parametrize(
    ("variables", "part", "told"),
    [
        ({"PORTAL_SECRET_KEY": "short"}, "secret key", "Set PORTAL_SECRET_KEY to a long random text"),
        ({"PORTAL_REDIS_URL": "redis://127.0.0.1:1"}, "redis", "does not answer. Start it."),
        (
            {"PORTAL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"},
            "database",
            "Check PORTAL_DATABASE_URL.",
        ),
        ({"PORTAL_FACE_MODEL": "no-such-model"}, "face model", "no-such-model"),
    ],
)
def test_what_is_wrong_comes_with_what_to_do(
    tmp_path: Path, variables: dict[str, str], part: str, told: str
) -> None:
    code, lines = doctor(tmp_path, **variables)
    assert code == 1
    assert lines[part].startswith("TO DO")
    assert told in lines[part]


def test_webhooks_into_ones_own_network_are_noted(tmp_path: Path) -> None:
    code, lines = doctor(tmp_path, PORTAL_WEBHOOK_PRIVATE_ADDRESSES="1")
    assert code == 0
    assert lines["webhooks"].startswith("NOTE")


def test_photos_that_can_not_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "photos").write_text("a file where the folder would be")
    code, lines = doctor(tmp_path)
    assert code == 1
    assert "can't be written" in lines["photo storage"]
