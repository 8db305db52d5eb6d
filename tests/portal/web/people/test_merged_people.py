"""Pages of people who were merged."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.batches.models import ItemState
from portal.people.models import Merge, Person
from portal.photos.services import photos_of
from portal.web.system import metrics
from tests.make.batches import add_batch
from tests.make.merges import merge
from tests.make.people import add_person, add_photo
from tests.make.photos import picture
from tests.make.searches import add_search
from tests.visitor import Visitor, enrol

Events = Callable[[str], list[AuditEvent]]


def test_the_page_says_who_a_person_was_and_undoes_it(
    app: Flask, session: Session, bob: Visitor, vera: Visitor, anna: Person, anne: Person, events: Events
) -> None:
    carla = add_person(session, bob.organization, "C1", "Carla")
    first = merge(session, anna, anne, external_id="B1")
    second = merge(session, anna, carla)
    bob.get(f"/people/{anna.id}")
    assert [row["data-alias"] for row in bob.page.select("[data-alias]")] == ["C1", "A1"]
    assert "Also known as Carla · C1 Merged" in bob.text
    actions = [str(form["action"]) for form in bob.page.select("[data-alias] form")]
    assert actions == [f"/people/{anna.id}/merges/{second.id}/undo"]
    assert "Can be undone after the later merge." in bob.text
    vera.get(f"/people/{anna.id}")
    assert vera.page.select("[data-alias]")
    assert not vera.page.select("[data-alias] form")
    early = f"/people/{anna.id}/merges/{first.id}/undo"
    bob.post(early, follow=True)
    assert "Undo the later merge first." in bob.text
    bob.post(actions[0], follow=True)
    assert "Carla (C1) is a separate person again." in bob.text
    bob.post(early, follow=True)
    assert "Anne Ball (B1) is a separate person again." in bob.text
    assert not bob.page.select("[data-alias]")
    assert bob.post(f"/people/{anne.id}/merges/{first.id}/undo").status_code == 404
    assert [event.details for event in events("person.merged")] == [
        {"external_id": "B1", "photos": 2},
        {"external_id": "C1", "photos": 0},
    ]
    assert [event.actor for event in events("person.merge_undone")] == ["bob@clinic.example"] * 2


def test_an_outsider_neither_sees_nor_undoes_a_merge(
    session: Session, charlie: Visitor, anna: Person, anne: Person
) -> None:
    merged = merge(session, anna, anne)
    mine = add_person(session, charlie.organization, "S1", "Sue")
    for person in (anna, anne, mine):
        assert charlie.post(f"/people/{person.id}/merges/{merged.id}/undo").status_code == 404
    for person in (anna, anne):
        answer = charlie.get(f"/people/{person.id}")
        assert answer.status_code == 404
        assert "Anna" not in answer.text
    session.rollback()
    assert session.get_one(Merge, merged.id).undone_at is None


def test_pages_of_somebody_who_was_merged_lead_to_the_other(
    session: Session, bob: Visitor, anna: Person, anne: Person
) -> None:
    hidden, moved, _ = photos_of(session, [anne])[anne.id]
    search = add_search(session, bob.organization, candidates=(hidden, moved))
    item = {"path": "B1/1.jpg", "state": ItemState.ENROLLED, "external_id": "B1"}
    batch = add_batch(session, bob.organization, {**item, "person_id": anne.id, "photo_id": hidden.id})
    merge(session, anna, anne)
    home, words = f"/people/{anna.id}", "Anne Ball (B1) was merged into Anna Bell (A1)."
    for page in (f"/people/{anne.id}", f"/people/{anne.id}/edit"):
        answer = bob.get(page)
        assert (answer.status_code, answer.location) == (302, home)
        bob.get(home)
        assert words in bob.text
    assert bob.get(f"/people/{anne.id}/photos").status_code == 404
    for act in ("edit", "delete", "photos"):
        assert bob.post(f"/people/{anne.id}/{act}").location == home
    # A copy that is hidden has no page; its picture still illustrates the search of before.
    assert bob.get(f"/photos/{hidden.id}", follow_redirects=True).request.path == home
    assert bob.post(f"/photos/{hidden.id}/remove").status_code == 302
    with bob.get(f"/photos/{hidden.id}/preview") as picture_of_before:
        assert picture_of_before.status_code == 200
    bob.get(f"/search/{search.id}")
    assert [row["href"] for row in bob.page.select("[data-candidate] a")] == [f"/people/{anne.id}"] * 2
    bob.get(f"/enrol/{batch.id}?show=enrolled")
    assert bob.page.select_one(f"a[href='/people/{anne.id}']")
    bob.get("/")
    assert "Anne Ball" not in bob.text
    bob.get(f"/photos/{moved.id}")
    assert "Photo of Anna Bell" in bob.text


def test_the_dashboard_and_the_figures_count_one_person(
    app: Flask, session: Session, bob: Visitor, anna: Person, anne: Person
) -> None:
    add_photo(session, anna, shade=4, faces=0)  # Anne's copy of this failed photo will be hidden
    merge(session, anna, anne)
    bob.get("/")
    figures = [value.get_text(strip=True) for value in bob.page.select(".stat__value")]
    assert figures[:4] == ["1", "3", "0", "1"]
    assert len(bob.page.select("[aria-labelledby=unusable] li")) == 1
    assert len(bob.page.select("[aria-labelledby=newest] li")) == 1
    session.rollback()
    (people,) = (one for one in metrics._Figures().collect() if one.name == "portal_people")
    assert people.samples[0].value == 1


def test_the_audit_of_an_external_id_is_that_of_the_whole_person(
    session: Session, alice: Visitor, bob: Visitor
) -> None:
    one, other = (enrol(bob, name, name, picture(number)) for number, name in enumerate(("X1", "Y1")))
    merge(session, session.get_one(Person, one), session.get_one(Person, other))
    for external_id in ("X1", "Y1"):
        alice.get("/audit", query_string={"person": external_id})
        assert "Merged the person with the external ID “Y1”, with one photo, into X1 (X1)" in alice.text
        assert alice.text.count("Enrolled") >= 2
