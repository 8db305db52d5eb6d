"""The first-run page, in the browser of whoever has just installed the portal."""

from __future__ import annotations

import pytest

from tests.functional.conftest import NewPage
from tests.functional.looks import Seen
from tests.functional.support import BROWSING, UpPortal

pytestmark = pytest.mark.xdist_group(BROWSING)


def test_a_new_portal_is_set_up_in_the_browser(portal: UpPortal, first_run: Seen) -> None:
    assert first_run.address == f"{portal.url}/first-run"
    assert "This is not the code" in first_run.refusal
    assert first_run.address_afterwards == f"{portal.url}/"
    assert [tuple(row) for row in portal.rows("SELECT name FROM organization ORDER BY id LIMIT 1")] == [
        ("Harbour Clinic",)
    ]


def test_the_page_has_no_serious_fault(first_run: Seen) -> None:
    assert first_run.faults == []
    assert first_run.faults_after_refusal == []


def test_the_page_is_gone_afterwards(first_run: Seen, new_page: NewPage) -> None:
    page = new_page()
    answer = page.goto("/first-run")
    assert answer
    assert answer.status == 404
    page.goto("/")
    assert page.get_by_role("heading", name="Sign in").is_visible()
