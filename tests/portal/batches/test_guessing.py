"""How names seem to name people, and where that has to be asked."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.batches.guessing import UnclearNames, guess
from portal.batches.naming import (
    Grouping,
    Label,
    Naming,
    Unnamed,
    is_class,
    is_system_file,
    person_of,
    without_copy,
)
from portal.batches.reasons import ItemReason

FOLDER, FILE, BOTH = Grouping.FOLDER, Grouping.FILE, Grouping.BOTH


def people(paths: list[str], naming: Naming | None = None) -> dict[str, str]:
    """Names by external ID, of the people whom these paths name."""
    named = [person_of(path, naming or guess(paths)) for path in paths if not is_system_file(path)]
    return {one.external_id: one.name for one in named}


@pytest.mark.parametrize(
    "paths",
    [
        ["4A/1.jpg", "4A/2.jpg", "4B/1.jpg"],
        ["4A/1.jpg"],
        ["Klasse 5b/IMG_0001.jpg", "Klasse 5b/IMG_0002.jpg"],
        ["2023/1.jpg", "2024/1.jpg"],
        ["Team_1/a.jpg", "Team_2/a.jpg"],
        ["3º A/1.jpg", "3º B/1.jpg"],
        ["Anna/1.jpg", "Anna/2.jpg"],
        ["D001/photo.jpg"],
        ["Sunflowers/Anna.jpg", "Sunflowers/Bo.jpg", "Daisies/Eva.jpg"],
        ["Blue Birds/Bo Jones.jpg", "Blue Birds/Eva Holm.jpg", "Red Robins/Fay Berg.jpg"],
        ["HR/10023.jpg", "HR/10024.jpg", "Sales/10025.jpg"],
    ],
)
def test_what_may_be_a_class_or_a_person_is_asked(paths: list[str]) -> None:
    with pytest.raises(UnclearNames, match="Say who is on a photo"):
        guess(paths)
    # Whatever staff say, holds.
    assert guess(paths, FOLDER).grouping is FOLDER
    assert guess(paths, FILE).grouping is FILE


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (
            ["Class 4A/Smith_Anna.jpg", "Class 4B/Holm_Eva.jpg"],
            {"Smith_Anna": "Smith Anna", "Holm_Eva": "Holm Eva"},
        ),
        (["4A/Anna.jpg", "4B/Eva.jpg"], {"Anna": "Anna", "Eva": "Eva"}),
        (["Grade 10/10023.jpg", "Grade 10/10024.jpg"], {"10023": "10023", "10024": "10024"}),
        (["1班/李小龙.jpg", "2班/王芳.jpg"], {"李小龙": "李小龙", "王芳": "王芳"}),
        (["5 Б/Петров Иван.jpg"], {"Петров Иван": "Петров Иван"}),
    ],
)
def test_a_class_whose_photos_have_names_is_no_person(paths: list[str], named: dict[str, str]) -> None:
    assert people(paths) == named


@pytest.mark.parametrize(
    "photos",
    [
        ["1.jpg", "2.jpg"],
        ["IMG_0001.jpg", "DSC00017.JPG"],
        ["front.jpg", "left side.jpg"],
        ["Anna_Lindqvist_0001.jpg", "lindqvist anna 2.jpg"],
        ["WhatsApp Image 2023-01-02 at 10.20.30.jpeg", "IMG-20230101-WA0001.jpg"],
        ["5f0c8a1be3d94c0f8a7b.jpg", "123e4567-e89b-12d3-a456-426614174000.png"],
    ],
)
def test_one_persons_own_folder_is_one_person(photos: list[str]) -> None:
    assert people([f"Anna Lindqvist/{photo}" for photo in photos]) == {"Anna Lindqvist": "Anna Lindqvist"}


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (["12345_Smith_Anna.jpg", "12346_Jones_Bo.jpg"], {"12345": "Smith Anna", "12346": "Jones Bo"}),
        (["12345 - Anna Smith.jpg", "KX-77_Bo_Jones.png"], {"12345": "Anna Smith", "KX-77": "Bo Jones"}),
        (["Smith, Anna (12345).jpg", "Jones, Bo [A-7].jpg"], {"12345": "Smith, Anna", "A-7": "Jones, Bo"}),
        (["Smith, Anna (12345) (2).jpg", "Smith, Anna (12345).jpg"], {"12345": "Smith, Anna"}),
        (["Smith, Anna (12).jpg", "Jones, Bo (13).jpg"], {"12": "Smith, Anna", "13": "Jones, Bo"}),
        (["12345_Smith_Anna/1.jpg", "12346_Jones_Bo/1.jpg"], {"12345": "Smith Anna", "12346": "Jones Bo"}),
        (["007_Łukasz_Wiśniewski.jpg"], {"007": "Łukasz Wiśniewski"}),
    ],
)
def test_an_id_and_a_name_are_taken_apart(paths: list[str], named: dict[str, str]) -> None:
    assert people(paths) == named


@pytest.mark.parametrize(
    "paths",
    [["1001_front.jpg", "1001_left.jpg"], ["A-17.jpg", "A-18.jpg"], ["12345_Smith_Anna.jpg", "Bo.jpg"]],
)
def test_what_not_all_have_is_no_pattern(paths: list[str]) -> None:
    assert guess(paths).label is Label.EXTERNAL_ID


def test_a_name_that_is_not_in_the_chosen_pattern_names_nobody() -> None:
    with pytest.raises(Unnamed) as refusal:
        person_of("Anna.jpg", Naming(FILE, Label.ID_NAME))
    assert refusal.value.reason == ItemReason.NOT_IN_PATTERN


@pytest.mark.parametrize(
    "copy",
    [
        *("1001 (2)", "1001(1)", "1001 - Copy", "1001 - Copy (3)", "1001 copy", "1001 copy 2", "1001_copy"),
        *(
            "1001 - Kopie",
            "1001 – Kopie (2)",
            "1001 (copy 1)",
            "Copy of 1001",
            "Copy (2) of 1001",
            "Kopie von 1001",
        ),
        *("1001 - копия", "1001 - 副本", "1001 - Copia - Copia"),
    ],
)
def test_a_copy_is_of_the_same_person(copy: str) -> None:
    assert people([f"{copy}.jpg", "1001.jpg"]) == {"1001": "1001"}


@pytest.mark.parametrize(
    "name", ["1001", "A-17", "Smith, Anna (12345)", "Copy", "(2)", "Photocopy", "1001_2"]
)
def test_what_is_no_copy_keeps_its_name(name: str) -> None:
    assert without_copy(name) == name


@given(st.text(max_size=30))
def test_a_name_without_its_copy_is_never_empty_nor_changes_again(stem: str) -> None:
    plain = without_copy(stem)
    assert bool(plain) == bool(stem)
    assert without_copy(plain) == plain


@pytest.mark.parametrize("number", ["1", "07", "999"])
def test_a_number_in_a_class_is_no_external_id(number: str) -> None:
    with pytest.raises(Unnamed) as refusal:
        person_of(f"4B/{number}.jpg", Naming(FILE, Label.EXTERNAL_ID))
    assert refusal.value.reason == ItemReason.NUMBER_OF_A_CLASS
    assert people([f"4B/{number}.jpg"], Naming(BOTH, Label.EXTERNAL_ID)) == {f"4B {number}": f"4B {number}"}
    assert people(["4B/Anna.jpg"], Naming(BOTH, Label.NAME)) == {"4B Anna": "Anna"}


@given(
    st.lists(st.sampled_from(["4A", "4B", "10c", "Class 3", "Klasse 7b", "2024"]), min_size=1, unique=True),
    st.lists(st.integers(1, 40), min_size=1, max_size=5, unique=True),
)
def test_no_pupil_gets_the_number_of_another(classes: list[str], numbers: list[int]) -> None:
    paths = [f"school/{one}/{number}.jpg" for one, number in itertools.product(classes, numbers)]
    with pytest.raises(UnclearNames):
        guess(paths)
    both = [person_of(path, Naming(BOTH, Label.EXTERNAL_ID)).external_id for path in paths]
    assert len(set(both)) == len(paths)


@pytest.mark.parametrize(
    "folder", ["4A", "10-b", "Class 4A", "klasse_5b", "Year 10", "2023-24", "Group 3", "5 Б"]
)
def test_classes_are_known_by_their_names(folder: str) -> None:
    assert is_class(folder)


@pytest.mark.parametrize(
    "folder", ["Anna Lindqvist", "1001", "D-204", "Classen Anna", "A1", "Team Anna Smith", ""]
)
def test_people_are_no_classes(folder: str) -> None:
    assert not is_class(folder)


@pytest.mark.parametrize(
    "path",
    [
        *("@eaDir/Anna Nas.jpg/SYNOPHOTO_THUMB_M.jpg", "photos/@eaDir/x.jpg", "#recycle/Anna.jpg"),
        *("$RECYCLE.BIN/a.jpg", "System Volume Information/a.jpg", "a/.@__thumb/b.jpg", "@Recycle/a.jpg"),
        *("ehthumbs.db", "a/Thumbs.db", "a/desktop.ini"),
    ],
)
def test_the_droppings_of_systems_are_nobody(path: str) -> None:
    assert is_system_file(path)
