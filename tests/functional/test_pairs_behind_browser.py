"""A pair whose page is in a tab behind others, in Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.functional.mates import mates
from tests.functional.pages import NewPage
from tests.functional.staff import Staff
from tests.functional.up_portal import BROWSING, UpPortal
from tests.run.programs import PATIENCE_S
from tests.waiting import wait_until

pytestmark = pytest.mark.xdist_group(BROWSING)


@pytest.fixture(scope="module")
def ruth(portal: UpPortal, first_run: object, lfw: Path) -> Staff:
    """An operator of a school in which someone is enrolled twice."""
    slug = portal.add_organization("Hill School")
    portal.add_user("ruth@hill.example", slug, "operator")
    staff = Staff(portal, "ruth@hill.example")
    mate = mates(lfw, photos=3)[0]
    staff.enrol(mate.external_id, mate.name, mate.photos[:2])
    staff.enrol(f"{mate.external_id}-2", f"{mate.name} again", mate.photos[2:])
    wait_until(lambda: bool(staff.get("/duplicates").select("[data-pair]")), "the pair", PATIENCE_S)
    return staff


def test_a_pair_is_kept_in_a_tab_behind_others(ruth: Staff, new_page: NewPage) -> None:
    page = new_page(ruth)
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => true })")
    page.clock.install()
    with page.expect_request("**/reserve"):
        page.goto("/duplicates/next")
    expect(page.get_by_label("Zoom both")).to_be_visible()
    # Browsers let the page's clock strike once a minute there.
    with page.expect_request("**/reserve"):
        page.clock.fast_forward("01:00")
