"""Cells for spreadsheets: nothing is run, and nothing is changed on the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.csv_cells import plain_cell, safe_cell

FORMULA_LIKE = st.text(alphabet="'=+-@\t\rab ", max_size=8)


@pytest.mark.parametrize("text", ["=1+1", "+49 30 1234", "-7", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert plain_cell(f"'{text}") == text


@pytest.mark.parametrize("text", ["", "Anna", "O'Brien", "'t Hooft", "''", "'", "A-17", "a=b"])
def test_other_cells_are_left_alone(text: str) -> None:
    assert safe_cell(text) == text
    assert plain_cell(text) == text


@given(st.text() | FORMULA_LIKE)
def test_every_text_comes_back(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text


@given(st.text() | FORMULA_LIKE)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert not safe_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
