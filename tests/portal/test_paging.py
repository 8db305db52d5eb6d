"""Cursors: what a link carries, and what is done with one that was tampered with."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.paging import Cursor, CursorError
from tests.databases import on_both_databases
from tests.visitor import Visitor


def link(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


DAMAGED = {
    "not base64": "§§§",
    "not JSON": "AAAA",
    "cut off": Cursor(("anna", 7)).encode()[:-3],
    "of another list": link([False, 7]),
    "without its side": link(["anna", 7]),
    "with a number as text": link([False, "anna", "7"]),
    "with a truth for a number": link([False, "anna", True]),
    "with a fraction": link([False, "anna", 7.5]),
    "with too much": link([False, "anna", 7, 7]),
    "no list": link({"a": 1}),
    "a number": link(3),
    "a number that no row has": link([False, "anna", 2**63]),
    "text that no database takes": link([False, "an\0na", 7]),
    "half a character": link([False, "an\ud800na", 7]),
    "nested without end": urlsafe_b64encode(b"[" * 3000).decode(),
    "a number without end": urlsafe_b64encode(b'[false,"a",' + b"9" * 5000 + b"]").decode(),
}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(0, 2**63 - 1), st.booleans())
def test_a_cursor_comes_back_as_it_went(name: str, number: int, backwards: bool) -> None:
    cursor = Cursor((name, number), backwards)
    assert Cursor.decode(cursor.encode(), (str, int)) == cursor


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorError, match="damaged"):
        Cursor.decode(text, (str, int))


@given(st.text(max_size=40))
def test_whatever_stands_in_the_link_there_is_a_refusal(text: str) -> None:
    with pytest.raises(CursorError):
        Cursor.decode(text, (str, int))


@on_both_databases
def test_a_damaged_link_leads_to_the_first_page(vera: Visitor) -> None:
    links = [("/people", cursor) for cursor in DAMAGED.values()]
    for address, cursor in [*links, ("/search", Cursor(("anna", 7)).encode())]:
        response = vera.client.get(address, query_string={"query": "anna", "cursor": cursor})
        assert response.status_code == 302, (address, cursor)
        assert "cursor" not in response.location
        assert vera.get(response.location).status_code == 200


@on_both_databases
def test_a_number_that_no_row_has_is_not_found(bob: Visitor) -> None:
    for number in (2**31, 2**63 - 1, 2**63, 10**40):
        for address in ("/people", "/photos", "/search"):
            assert bob.get(f"{address}/{number}").status_code == 404, (address, number)
    assert bob.post(f"/people/{10**40}/delete").status_code == 404
