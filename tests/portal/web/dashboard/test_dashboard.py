"""The dashboard: what there is, what is being worked on, what needs attention."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from tests.make.pairs import add_pair
from tests.make.people import add_person, add_photo
from tests.make.photos import picture
from tests.make.searches import add_search
from tests.visitor import Visitor, enrol


def figures(visitor: Visitor) -> dict[str, str]:
    return {
        name.get_text(strip=True): value.get_text(strip=True)
        for name, value in zip(
            visitor.page.select(".stats dt"), visitor.page.select(".stats dd"), strict=True
        )
    }


def links(visitor: Visitor, section: str) -> list[str]:
    return [link.get_text(strip=True) for link in visitor.page.select(f"[aria-labelledby={section}] a")]


def test_an_empty_portal_says_what_to_do_first(bob: Visitor, vera: Visitor) -> None:
    for visitor, enrols in ((bob, True), (vera, False)):
        visitor.get("/")
        assert "Nobody is enrolled yet" in visitor.text
        assert "No searches in the last 30 days." in visitor.text
        assert bool(visitor.page.select("main a[href='/people/new']")) == enrols


def test_figures_and_lists_are_those_of_the_organization(
    bob: Visitor, charlie: Visitor, session: Session, clinic: Organization
) -> None:
    people = [add_person(session, clinic, f"A{number}", f"Person {number}") for number in range(8)]
    first, second = (add_photo(session, person, shade=shade) for shade, person in enumerate(people[:2], 1))
    add_pair(session, first, second)
    add_photo(session, people[2], faces=0, shade=3)
    found = add_search(session, clinic)
    enrol(bob, "Newest", "N1", picture(4), picture(5))
    bob.get("/")
    # People; photos that can be used, are waited for, and can't be used; pairs to decide.
    assert list(figures(bob).values()) == ["9", "2", "2", "1", "1"]
    assert links(bob, "newest") == ["Newest", *(f"Person {number}" for number in (7, 6, 5, 4, 3))]
    assert links(bob, "unusable") == ["Person 2"]
    assert "No face was found in the photo." in bob.text
    assert links(bob, "searches") == [f"Search {found.id}"]
    charlie.get("/")
    assert set(figures(charlie).values()) == {"0"}
    assert "Person" not in charlie.text


def test_it_is_asked_for_again_only_while_photos_are_in_work(
    bob: Visitor, session: Session, clinic: Organization
) -> None:
    add_photo(session, add_person(session, clinic, "A1"))
    bob.get("/")
    assert not bob.page.select("[hx-trigger]")
    enrol(bob, "Newest", "N1", picture(4))
    bob.get("/")
    (polled,) = bob.page.select("[hx-trigger]")
    bob.get("/overview")
    assert str(bob.page.select_one("#overview")) == str(polled)
