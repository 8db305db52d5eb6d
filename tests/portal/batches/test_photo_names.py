"""Which file a name in a list means."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.batches.photo_names import is_photo_name, key_of_photo, means, split_photos


def fits(name: str, file: str) -> bool:
    return means(key_of_photo(name), key_of_photo(file))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("o1.jpg", "o1.jpg"),
        (r"C:\Users\kim\Pictures\school\o1.jpg", "o1.jpg"),
        (r"C:\Users\kim\Pictures\school\o1.jpg", "school/o1.jpg"),
        (r"\\server\share\4A\1.jpg", "4A/1.jpg"),
        ("photos/3.jpg", "3.jpg"),
        ("3.jpg", "photos/3.jpg"),
        ("./3.jpg", "photos/3.jpg"),
        ("../photos/3.jpg", "upload/photos/3.jpg"),
        ("P1.JPG", "p1.jpg"),
        ("p1", "P1.jpeg"),
        ("p1.jpg", "p1.jpeg"),
        ("p1.jpg", "p1"),
        ("a/p1", "a/p1.png"),
        ("anna.b", "anna.b.jpg"),
        (unicodedata.normalize("NFD", "jörg.jpg"), unicodedata.normalize("NFC", "jörg.jpg")),
        ("https://example.org/img/Anna%20B.jpg?size=2", "Anna B.jpg"),
        ("file:///C:/photos/1.jpg", "1.jpg"),
    ],
)
def test_names_that_mean_a_file(name: str, file: str) -> None:
    assert fits(name, file)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("4A/1.jpg", "4B/1.jpg"),
        (r"D:\class\4A\1.jpg", "4B/1.jpg"),
        ("1.jpg", "11.jpg"),
        ("1.jpg", "1.png"),
        ("1.jpg", "1/2.jpg"),
        ("a.b", "a.jpg"),
        ("", "a.jpg"),
    ],
)
def test_names_that_mean_another_file(name: str, file: str) -> None:
    assert not fits(name, file)


@pytest.mark.parametrize(
    ("cell", "photos"),
    [
        ("a.jpg", ["a.jpg"]),
        ("a.jpg; b.png", ["a.jpg", "b.png"]),
        ("a.jpg, b.jpg,c.jpeg", ["a.jpg", "b.jpg", "c.jpeg"]),
        ("a.jpg|b.jpg\nc.jpg", ["a.jpg", "b.jpg", "c.jpg"]),
        ("Ihle, Anna.jpg", ["Ihle, Anna.jpg"]),
        ("a;b", ["a;b"]),
        ("  ", []),
    ],
)
def test_several_photos_of_one_cell(cell: str, photos: list[str]) -> None:
    assert split_photos(cell) == photos


def test_what_ends_as_a_photo_does() -> None:
    assert all(map(is_photo_name, ["a.jpg", "A.JPEG ", "x/y.heic", "a.b.png"]))
    assert not any(map(is_photo_name, ["photo", ".jpg", "a.jpg.txt", "Anna B.", "x/.png"]))


PARTS = st.lists(st.text(st.sampled_from("abÄß1. "), min_size=1, max_size=5), min_size=1, max_size=4)


@given(PARTS, PARTS, st.sampled_from(["jpg", "JPEG", "png", "heic"]))
def test_a_file_is_meant_by_each_end_of_its_path_and_by_what_it_is_an_end_of(
    folders: list[str], above: list[str], suffix: str
) -> None:
    path = "/".join(folders) + f"x.{suffix}"
    for start in range(len(folders)):
        end = path.split("/")[start:]
        assert fits("\\".join(end).upper(), path) or "ß" in path
        assert fits("/".join(end).removesuffix(f".{suffix}"), path)
    assert fits("C:\\" + "\\".join([*above, path.replace("/", "\\")]), path)
