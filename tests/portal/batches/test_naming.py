"""Names of dropped files and folders: whom they name, and whom they don't."""

from __future__ import annotations

import tracemalloc
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.batches.guessing import guess
from portal.batches.naming import (
    Grouping,
    Label,
    Named,
    Naming,
    Unnamed,
    is_system_file,
    normal_path,
    path_key,
    person_of,
)
from portal.batches.reasons import ItemReason

FOLDER_NAME = Naming(Grouping.FOLDER, Label.NAME)
FOLDER_ID = Naming(Grouping.FOLDER, Label.EXTERNAL_ID)
FILE_NAME = Naming(Grouping.FILE, Label.NAME)
FILE_ID = Naming(Grouping.FILE, Label.EXTERNAL_ID)

PATHS = st.text(alphabet=st.characters() | st.sampled_from("/\\. _aé\u0301\n"), max_size=40)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("lfw/Anna/a.jpg", "lfw/Anna/a.jpg"),
        ("\\lfw\\Anna\\a.jpg", "lfw/Anna/a.jpg"),
        ("/./lfw//Anna/./a.jpg/", "lfw/Anna/a.jpg"),
        ("../a.jpg", "../a.jpg"),
        ("Jose\u0301/a.jpg", "José/a.jpg"),
        ("An\0na\r\n/\ud800a\x7f.jpg", "Anna/a.jpg"),
        (".\0/a.jpg", "a.jpg"),
        ("", ""),
        ("///", ""),
    ],
)
def test_a_path_is_written_in_one_way(written: str, normal: str) -> None:
    assert normal_path(written) == normal


@given(PATHS)
def test_a_normal_path_is_printable_relative_and_stays_as_it_is(text: str) -> None:
    path = normal_path(text)
    assert normal_path(path) == path
    assert unicodedata.is_normalized("NFC", path)
    assert not {unicodedata.category(character) for character in path} & {"Cc", "Cs"}
    assert "\\" not in path
    assert path == "" or not {"", "."} & set(path.split("/"))


@given(PATHS)
def test_a_key_is_its_own_key(text: str) -> None:
    assert path_key(path_key(text)) == path_key(text)


@given(PATHS)
def test_neither_case_nor_the_form_of_accents_makes_another_key(text: str) -> None:
    assert path_key(unicodedata.normalize("NFD", text)) == path_key(text)
    assert path_key(unicodedata.normalize("NFD", text).casefold()) == path_key(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Photos\\ANNA.JPG", "photos/anna.jpg"), ("José.jpg", "JOSE\u0301.JPG"), ("Straße.jpg", "STRASSE.jpg")],
)
def test_a_manifest_may_write_a_path_in_another_way(one: str, other: str) -> None:
    assert path_key(one) == path_key(other)


def test_an_accent_makes_another_path() -> None:
    assert path_key("José.jpg") != path_key("Jose.jpg")


@pytest.mark.parametrize(
    "path",
    [
        ".DS_Store",
        "lfw/.DS_Store",
        "lfw/Anna/._a.jpg",
        "__MACOSX/lfw/Anna/a.jpg",
        "lfw\\__MACOSX\\a.jpg",
        "lfw/Thumbs.db",
        "lfw/THUMBS.DB",
        "desktop.ini",
        "lfw/Icon\r",
        ".thumbnails/a.jpg",
        "lfw/.git/a.jpg",
        "./.hidden.jpg",
    ],
)
def test_nobody_dropped_the_systems_files_on_purpose(path: str) -> None:
    assert is_system_file(path)


@pytest.mark.parametrize(
    "path",
    ["a.jpg", "./a.jpg", "../a.jpg", "lfw/Anna/a.jpg", "Thumbs.db/a.jpg", "Icon", "__MACOSX", "a.DS_Store"],
)
def test_other_files_were_dropped_on_purpose(path: str) -> None:
    assert not is_system_file(path)


@pytest.mark.parametrize(
    ("path", "naming", "named"),
    [
        ("lfw/Aaron_Eckhart/a.jpg", FOLDER_NAME, Named("Aaron_Eckhart", "Aaron Eckhart")),
        ("lfw/Aaron_Eckhart/a.jpg", FOLDER_ID, Named("Aaron_Eckhart", "Aaron_Eckhart")),
        ("lfw/Aaron__Eckhart_/a.jpg", FOLDER_NAME, Named("Aaron__Eckhart_", "Aaron Eckhart")),
        ("lfw\\Anna  B.\\a.jpg", FOLDER_ID, Named("Anna B.", "Anna B.")),
        ("A-17/deep.folder/a.jpg", FOLDER_ID, Named("deep.folder", "deep.folder")),
        ("A-17.jpg", FILE_ID, Named("A-17", "A-17")),
        ("lfw/A-17.heic", FILE_ID, Named("A-17", "A-17")),
        ("Anna_Smith.JPEG", FILE_NAME, Named("Anna_Smith", "Anna Smith")),
        ("17.jpg.png", FILE_ID, Named("17.jpg", "17.jpg")),
        ("Dr. Anna Smith", FILE_NAME, Named("Dr. Anna Smith", "Dr. Anna Smith")),
        ("Anna.Schröder", FILE_NAME, Named("Anna.Schröder", "Anna.Schröder")),
        ("Anna.longest", FILE_ID, Named("Anna.longest", "Anna.longest")),
        ("Jose\u0301_Nu\u0301n\u0303ez .jpg", FILE_NAME, Named("José_Núñez", "José Núñez")),
    ],
)
def test_a_path_names_a_person(path: str, naming: Naming, named: Named) -> None:
    assert person_of(path, naming) == named


@pytest.mark.parametrize(
    ("path", "naming", "reason", "detail"),
    [
        ("a.jpg", FOLDER_NAME, ItemReason.NO_FOLDER, "a.jpg lies in no folder."),
        ("/a.jpg", FOLDER_ID, ItemReason.NO_FOLDER, "a.jpg lies in no folder."),
        ("lfw/.jpg", FILE_ID, ItemReason.NO_EXTERNAL_ID, "Enter the external ID."),
        ("lfw/ /a.jpg", FOLDER_ID, ItemReason.NO_EXTERNAL_ID, "Enter the external ID."),
        ("lfw/___/a.jpg", FOLDER_NAME, ItemReason.NO_NAME, "Enter the name."),
        (
            f"{'x' * 101}.jpg",
            FILE_NAME,
            ItemReason.BAD_EXTERNAL_ID,
            "The external ID has 101 characters; 100 are allowed.",
        ),
    ],
)
def test_a_path_that_names_nobody_says_why(
    path: str, naming: Naming, reason: ItemReason, detail: str
) -> None:
    with pytest.raises(Unnamed) as refusal:
        person_of(path, naming)
    assert (refusal.value.reason, refusal.value.detail) == (reason, detail)


@given(PATHS, st.sampled_from([FOLDER_NAME, FOLDER_ID, FILE_NAME, FILE_ID]))
def test_whoever_is_named_can_be_enrolled(path: str, naming: Naming) -> None:
    try:
        named = person_of(path, naming)
    except Unnamed:
        return
    assert 0 < len(named.external_id) <= 100
    assert 0 < len(named.name) <= 200
    assert named.external_id == " ".join(named.external_id.split())


@pytest.mark.parametrize(
    ("paths", "naming"),
    [
        (["lfw/Aaron_Eckhart/a.jpg", "lfw/Abel Aguilar/a.jpg"], FOLDER_NAME),
        (["lfw/Aaron_Eckhart/a.jpg", "lfw/Abel_Aguilar/a.jpg", "lfw/A-17/a.jpg"], FOLDER_NAME),
        (["lfw/Aaron_Eckhart/a.jpg", "lfw/A-17/a.jpg"], FOLDER_ID),
        (["A-17/a.jpg", "A-18/a.jpg"], FOLDER_ID),
        (["lfw/Anna/a.jpg", "lfw/Abel/a.jpg"], FOLDER_ID),
        (["J._Smith/a.jpg", "O'Brien Seán/b.jpg", "李 小龙/c.jpg"], FOLDER_NAME),
        (["photos/Anna_Smith.jpg", "photos/Abel_Aguilar.jpg"], FILE_NAME),
        (["photos/A-17.jpg", "photos/A-18.jpg"], FILE_ID),
        (["Anna Smith.jpg", "Abel Aguilar.png"], FILE_NAME),
        (["photos/A-17.jpg", "__MACOSX/photos/._A-17.jpg", ".thumbs/A-17.jpg"], FILE_ID),
        (["2023/photos/A-17.jpg", "2024/photos/A-18.jpg"], FILE_ID),
        (["photos/A-17.jpg", "A-18.jpg"], FILE_ID),
        ([], FILE_ID),
    ],
)
def test_the_naming_is_guessed(paths: list[str], naming: Naming) -> None:
    assert guess(iter(paths)) == naming


def test_a_guess_remembers_no_files() -> None:
    tracemalloc.start()
    try:
        guess(f"lfw/Person {number % 50}/{number:050}.jpg" for number in range(20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000
