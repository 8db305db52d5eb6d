"""Cells that spreadsheets have damaged: what is cleaned, what is held up, and what is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.batches.cells import IdsOfList, clean_cell, clean_id_cell, damage_of


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="00123"', "00123"),
        ('="say ""a"""', 'say "a"'),
        ("Y001\u200b", "Y001"),
        ("\ufeffY0\u206001 ", "Y001"),
        ("\u200eA-1\u200f", "A-1"),
        ("Y\u200d001\u200c", "Y001"),
        ("A\xad17", "A17"),
        ("\xa0A 17\xa0", "A 17"),
    ],
)
def test_what_is_certain_is_cleaned(cell: str, text: str) -> None:
    assert clean_id_cell(cell) == text
    assert damage_of(cell, "external ID") == ""


def test_letters_that_join_stay_inside_of_names() -> None:
    assert clean_cell("\u200cمی\u200cخواهم\u200b") == "می\u200cخواهم"


@pytest.mark.parametrize(
    "cell",
    [
        "#N/A",
        "#NV",
        "#N/D",
        "#REF!",
        "#BEZUG!",
        "#¡REF!",
        "#NAME?",
        "#¿NOMBRE?",
        "#DIV/0!",
        "#VALUE!",
        "#####",
        "#NULL!",
        "#SPILL!",
        "Err:502",
        '="#N/A"',
        "=VLOOKUP(A2;B:C;2)",
        "=A2",
        "=+B3",
    ],
)
@pytest.mark.parametrize("what", ["external ID", "name", "photo"])
def test_errors_and_formulas_are_nobody(cell: str, what: str) -> None:
    assert what in damage_of(cell, what)


@pytest.mark.parametrize(
    "cell", ["2.02312E+11", "2,02312E+11", "2E+11", "1001.0", "1001,00", "Mar-21", "3-Jun", "2026-01-02"]
)
def test_ids_that_a_spreadsheet_took_for_something_else_are_held_up(cell: str) -> None:
    assert "In Excel" in damage_of(cell, "external ID")
    assert damage_of(f'="{cell}"', "external ID") == ""


@pytest.mark.parametrize("cell", ["A-17", "#12", "1001", "12E5", "MAR-21", "1.5", "A#REF", "E+12", "O'1"])
def test_other_ids_are_left_alone(cell: str) -> None:
    assert damage_of(cell, "external ID") == ""
    assert clean_id_cell(cell) == cell


@pytest.mark.parametrize("name", ["S?ren", "S\ufffdren", "?ukasz", "JÃ¶rg", "Ã…sa"])
def test_names_with_lost_letters_are_held_up(name: str) -> None:
    assert "Save the original again" in damage_of(name, "name")


@pytest.mark.parametrize("name", ["Søren Ærø", "João", "Ângela", "محمد", "O’Brien", "Who?", "Ã"])
def test_other_names_are_left_alone(name: str) -> None:
    assert damage_of(name, "name") == ""


def doubted(ids: list[str]) -> list[str]:
    check = IdsOfList(ids)
    return [one for one in ids if check.doubt_about(one)]


@pytest.mark.parametrize(
    ("ids", "doubt"),
    [
        (["A1", "a1", "B2"], ["A1", "a1"]),
        (["Straße", "STRASSE"], ["Straße", "STRASSE"]),
        (["001234", "4567", "123456"], ["4567"]),
        (["104233", "982133", "77021", "500123"], ["77021"]),
        (["104233", "982133", "A77", "500123"], []),
        ([str(number) for number in range(1, 1200)], []),
        ([str(number) for number in range(990, 1010)], []),
        (["1", "22", "333", "4444"], []),
        (["1001"], []),
        ([], []),
    ],
)
def test_ids_that_do_not_go_with_the_others(ids: list[str], doubt: list[str]) -> None:
    assert doubted(ids) == doubt


@given(st.integers(5, 9), st.lists(st.integers(0, 10**9), min_size=4, max_size=30, unique=True))
def test_ids_that_kept_their_zeros_are_never_doubted(digits: int, numbers: list[int]) -> None:
    assert doubted(sorted({str(number % 10**digits).zfill(digits) for number in numbers})) == []


@given(st.text(max_size=30), st.sampled_from(["external ID", "name", "photo"]))
def test_whatever_is_in_a_cell_is_cleaned_once(cell: str, what: str) -> None:
    damage_of(cell, what)
    assert clean_id_cell(clean_id_cell(cell).replace("'", "")) == clean_id_cell(cell).replace("'", "") or (
        "=" in cell
    )
