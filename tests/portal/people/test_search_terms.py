"""How names are compared: as staff type them, not as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.people.search_terms import key_of, query_terms, terms_of


def found(query: str, *texts: str) -> bool:
    return all(any(word.startswith(part) for word in terms_of(*texts)) for part in query_terms(query))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("jose", "José Núñez"),
        ("NÚÑEZ", "Jose Nunez"),
        ("zoe asa", "Zoë  ÅSA"),
        ("strasse", "Anna Straße"),
        ("nun jo", "José Núñez"),
        ("garcia-lopez", "Maria García-López"),
        ("lopez", "Maria García-López"),
        ("o'brien", "Sean O’Brien"),
        ("O’Brien", "Sean O'Brien"),
        ("obrien", "O'Brien Sean"),
        ("Garcia, Maria", "Maria Garcia"),
        ("(maria)", "Maria Garcia"),
        ("mariagarcia", "Maria Garcia"),
        ("ⅷ", "Henry VIII"),
        ("李", "李小龙"),
        ("محمد", "محمد علي"),
        ("ёлк", "Ёлкина Анна"),
    ],
)
def test_a_name_is_found_by_what_staff_type(query: str, name: str) -> None:
    assert found(query, name)


@pytest.mark.parametrize(
    ("query", "external_id"),
    [
        ("A-17", "A-17/2024"),
        ("a-17/2024", "A-17/2024"),
        ("17", "A-17/2024"),
        ("2024", "A-17/2024"),
        ("#5", "#5"),
    ],
)
def test_an_external_id_is_found_whole_and_by_its_parts(query: str, external_id: str) -> None:
    assert found(query, "Anna", external_id)


@pytest.mark.parametrize(("query", "name"), [("osé", "José"), ("maria b", "Maria Garcia"), ("-", "Maria")])
def test_a_word_is_found_by_its_beginning_only(query: str, name: str) -> None:
    assert not found(query, name)


@given(st.text(max_size=60))
def test_a_key_is_its_own_key(text: str) -> None:
    assert key_of(key_of(text)) == key_of(text)


@given(st.text(max_size=60))
def test_everything_finds_itself(text: str) -> None:
    assert found(text, text)


@given(st.text(max_size=200))
def test_keys_and_words_fit_into_their_columns(text: str) -> None:
    assert len(key_of(text)) <= 400
    assert all(0 < len(word) <= 200 for word in terms_of(text))
    assert all(0 < len(word) <= 200 for word in query_terms(text))


def test_a_name_that_grows_when_it_is_spelled_out_fits() -> None:
    assert len(key_of("ﷺ" * 200)) <= 400
