"""One `portal up` a data folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portal.up.lock import AlreadyUp, is_up, only_one


def test_a_second_one_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    with only_one(tmp_path):
        with (
            pytest.raises(AlreadyUp, match=f"already up on {tmp_path} .process {os.getpid()}."),
            only_one(tmp_path),
        ):
            pass
        assert is_up(tmp_path)
    assert not is_up(tmp_path)


def test_is_free_again_after_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        with only_one(tmp_path):
            assert is_up(tmp_path)
    assert not is_up(tmp_path)


def test_a_folder_that_was_never_used_is_not_up(tmp_path: Path) -> None:
    assert not is_up(tmp_path)
    assert list(tmp_path.iterdir()) == []
