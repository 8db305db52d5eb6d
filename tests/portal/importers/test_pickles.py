"""Pickles are read without running anything of them."""

from __future__ import annotations

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portal.importers.pickled_faces import NO_FOLDER, NO_PHOTO, NOT_UNDERSTOOD, without_photos
from portal.importers.pickles import UNKNOWN, PickleError, read_pickle


class Harm:
    """Something that a pickle runs when Python's own reader reads it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


def read(thing: Any, protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    return read_pickle(io.BytesIO(pickle.dumps(thing, protocol)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_lists_dicts_and_texts_are_read_and_numbers_passed_over(protocol: int) -> None:
    same = ["x"]
    thing = [{"identity": "a/Ä.jpg", "embedding": [1.5, 2.5], "deep": (same, same)}, ["b.jpg", [0.5]], None]
    found = read(thing, protocol)
    assert found == [{"identity": "a/Ä.jpg", "embedding": [], "deep": (["x"], ["x"])}, ["b.jpg", []]]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_numpy_are_not_made(protocol: int) -> None:
    found = read({"names": ["Ana", "Ben"], "encodings": [np.zeros(128), np.ones(128)]}, protocol)
    assert found == {"names": ["Ana", "Ben"], "encodings": []}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(protocol: int, tmp_path: Path) -> None:
    made = tmp_path / "made"
    content = pickle.dumps({"names": ["Ana"], "encodings": Harm(made)}, protocol)
    assert read_pickle(io.BytesIO(content)) == {"names": ["Ana"], "encodings": UNKNOWN}
    assert not made.exists()
    pickle.loads(content)
    assert made.exists(), "Python's own reader runs it: the pickle was a harmful one"


HARM = {
    "nothing": b"",
    "text": b"hello",
    "cut off": pickle.dumps(["a" * 100])[:50],
    "stack that is empty": b".",
    "unknown instruction": b"\xff.",
    "memo of 2 GiB": b"N" + b"r" + struct.pack("<I", 2**31 - 1) + b"0.",
    "text of 8 EiB": b"\x8d" + struct.pack("<Q", 2**63 - 1) + b"x.",
    "bytes of 8 EiB": b"\x96" + struct.pack("<Q", 2**63 - 1) + b"x.",
    "number of 2 GiB": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
    "mark that is missing": b"e.",
    "key without a value": b"}(X\x01\x00\x00\x00au.",
    "memo that is missing": b"h\x07.",
}


@pytest.mark.parametrize("content", HARM.values(), ids=HARM.keys())
def test_what_is_damaged_is_refused(content: bytes) -> None:
    with pytest.raises(PickleError):
        read_pickle(io.BytesIO(content))


def test_every_beginning_of_a_pickle_is_refused() -> None:
    content = pickle.dumps([["a.jpg", np.zeros(4)], {"identity": "b.jpg"}])
    for length in range(len(content)):
        with pytest.raises(PickleError):
            read_pickle(io.BytesIO(content[:length]))


def test_says_what_has_no_photo(tmp_path: Path) -> None:
    files = {
        "representations_vgg_face.pkl": [
            ["db/Ana/1.jpg", [0.1] * 4096],
            ["C:\\somewhere\\db\\Ben\\gone.jpg", [0.1] * 4096],
        ],
        "ds_model_arcface_detector_opencv.pkl": [
            {"identity": "db/Ana/1.jpg", "embedding": [0.1] * 512, "hash": "x"},
            {"identity": "db/Cleo/1.jpg", "embedding": [0.1] * 512, "hash": "x"},
        ],
        "encodings.pickle": {"names": ["Ana", "Dora", "Dora"], "encodings": [np.zeros(128)] * 3},
        "other.pkl": {"weights": np.zeros(3)},
        "broken.pkl": None,
    }
    for name, thing in files.items():
        (tmp_path / name).write_bytes(pickle.dumps(thing) if thing is not None else b"broken")
    found = without_photos([tmp_path / name for name in files], tmp_path, ["Ana/1.jpg"])
    assert [(row.what, row.name or row.detail, row.reason) for row in found] == [
        ("face", "C:\\somewhere\\db\\Ben\\gone.jpg", NO_PHOTO),
        ("face", "db/Cleo/1.jpg", NO_PHOTO),
        ("face", "Dora", NO_FOLDER),
        ("pickle", "other.pkl", NOT_UNDERSTOOD),
        ("pickle", "broken.pkl", "It is damaged, or no pickle."),
    ]
