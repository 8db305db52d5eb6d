"""The page on what scores mean: what it says, who sees it, and what choosing a threshold changes."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from portal.calibration.models import Calibration
from portal.calibration.services import PEOPLE_NEEDED
from portal.database import writing
from portal.extensions import db
from portal.installation.models import Installation
from portal.installation.thresholds import thresholds_of
from portal.organizations.models import Organization
from portal.pairs.models import DuplicateScan
from portal.work.models import WorkState
from tests.make.calibrations import add_calibration, curves
from tests.make.face_models import THRESHOLD, face_model, made_up_model
from tests.make.people import add_person, add_photo, enrol_templates, template
from tests.make.searches import add_search
from tests.visitor import Visitor, one_in

URL = "/settings/scores"


@pytest.fixture
def measured(app: Flask, clinic: Organization) -> None:
    with app.app_context():
        add_calibration(db.session(), db.session.get_one(Organization, clinic.id))


@pytest.fixture
def uncalibrated(app: Flask) -> None:
    with app.app_context():
        face_model(db.session())


def scans(app: Flask) -> list[float]:
    with app.app_context():
        return list(db.session.scalars(select(DuplicateScan.threshold)))


@pytest.mark.usefixtures("measured")
def test_the_error_rates_are_said_in_words(alice: Visitor) -> None:
    alice.get(URL)
    (in_force,) = alice.page.select("[data-thresholds=search] .threshold-choice:has(input:checked)")
    said = re.sub(r"\s+", " ", in_force.get_text(" ", strip=True))
    assert "0.400" in said
    assert (
        "About 1 search of an unknown person in 100 (between 1 in 200 and 1 in 50) will show a wrong name; "
        "about 4 of 100 known people (between 2 and 8) will be missed." in said
    )
    pairs = alice.text
    assert "About 5 false pairs (between 2 and 10) expected among all people" in pairs
    assert "people who are enrolled twice (between 2 and 8) will not be shown" in pairs
    assert "1,000 people compared with all 1,000" in pairs
    assert (
        "With 10 times as many people about 1 in 10 such searches would show a wrong name. "
        "That is an approximation" in pairs
    )
    assert "uncalibrated" not in pairs.lower()


@pytest.mark.usefixtures("measured")
def test_the_plot_says_the_same_as_its_table(alice: Visitor) -> None:
    alice.get(URL)
    drawing = alice.one("svg.score-plot__drawing")
    assert drawing["role"] == "img"
    assert one_in(drawing, "title").get_text()
    assert "1,000 people" in one_in(drawing, "desc").get_text()
    assert len(drawing.select(".score-plot__threshold")) == 1
    assert "Both thresholds 0.400" in drawing.get_text()
    rows = alice.page.select(".score-plot__numbers tbody tr")
    assert [one_in(row, "[data-label='Different people']").get_text() for row in rows] == ["999", "1"]
    assert [one_in(row, "[data-label='Same person']").get_text() for row in rows] == ["18", "82"]


@pytest.mark.usefixtures("uncalibrated")
def test_without_a_measurement_it_says_uncalibrated_and_no_error_rates(alice: Visitor) -> None:
    alice.get(URL)
    assert alice.page.select_one("[data-calibration=uncalibrated]")
    assert f"0 of the {PEOPLE_NEEDED} people needed have a usable photo" in alice.text
    assert "wrong name" not in alice.text
    assert not alice.page.select("form[action$=measure]")
    alice.post(f"{URL}/measure", follow=True)
    assert f"There are not enough people for a calibration: 0 of {PEOPLE_NEEDED}" in alice.text
    alice.get("/settings")
    assert "uncalibrated" in alice.text


def test_before_the_first_worker_there_is_nothing_to_choose(alice: Visitor) -> None:
    assert alice.get(URL).status_code == 200
    assert "No face model has been chosen yet." in alice.text
    assert alice.post(URL, {"purpose": "search", "threshold": "0.5"}).status_code == 422


def test_it_warns_of_little_data_and_of_undecided_pairs(
    app: Flask, clinic: Organization, alice: Visitor
) -> None:
    wide = curves()
    wide["fpir"]["low"] = [rate / 20 for rate in wide["fpir"]["value"]]
    with app.app_context():
        mine = db.session.get_one(Organization, clinic.id)
        add_calibration(db.session(), mine, curves=wide, undecided_pairs=7)
    alice.get(URL)
    assert "Too little data for a narrow estimate." in alice.text
    assert "between 1 in 2,000 and 1 in 50" in alice.text
    assert all(
        "too little data" in one.get_text() for one in alice.page.select("[data-thresholds=search] label")[:4]
    )
    assert "too little data" not in alice.one("[data-thresholds=duplicates]").get_text()
    assert "7 pairs of people were undecided at the time of the calibration." in alice.text


def test_it_warns_where_hardly_anybody_has_two_photos(
    app: Flask, clinic: Organization, alice: Visitor
) -> None:
    few = curves()
    assert few["fnir"]
    few["fnir"]["high"] = [max(0.7, rate) for rate in few["fnir"]["value"]]
    with app.app_context():
        mine = db.session.get_one(Organization, clinic.id)
        add_calibration(db.session(), mine, curves=few, mated_people=3, mated_photos=6)
    alice.get(URL)
    assert "Only 3 people were enrolled with several photos." in alice.text
    assert "2 to 70 of 100 known people will be missed" in alice.text
    assert "too little data" in alice.one("[data-thresholds=search]").get_text()


def test_nobody_with_two_photos(app: Flask, clinic: Organization, alice: Visitor) -> None:
    with app.app_context():
        mine = db.session.get_one(Organization, clinic.id)
        add_calibration(
            db.session(), mine, curves=curves(fnir=None, mated=None), mated_people=0, mated_photos=0
        )
    alice.get(URL)
    assert (
        "how many known people will be missed can’t be told: "
        "nobody had two photos at the time of the calibration" in alice.text
    )
    assert not alice.page.select(".score-plot__same rect")


def test_a_measurement_is_asked_for_and_polled_until_it_is_done(
    app: Flask, clinic: Organization, alice: Visitor
) -> None:
    with app.app_context():
        mine = db.session.get_one(Organization, clinic.id)
        people = {f"P{number}": [template(number % 8)] for number in range(PEOPLE_NEEDED)}
        enrol_templates(db.session(), mine, people)
    alice.get(URL)
    assert alice.page.select("form[action$=measure]")
    alice.post(f"{URL}/measure", follow=True)
    assert alice.page.select_one("[data-calibration=measuring][hx-trigger]")
    alice.get(f"{URL}/state")
    assert alice.page.select_one("[data-calibration=measuring][hx-trigger]")
    alice.post(f"{URL}/measure", follow=True)
    assert "already under way" in alice.text
    with app.app_context(), writing(db.session()) as session:
        calibration = session.scalars(select(Calibration)).one()
        calibration.state = WorkState.FAILED
    alice.get(f"{URL}/state")
    assert "The last calibration failed." in alice.text
    assert not alice.page.select("[hx-trigger]")
    alice.get("/audit?action=calibration.started")
    (line,) = alice.page.select("[data-event]")
    assert "Started a score calibration." in line.get_text()


@pytest.mark.usefixtures("measured")
def test_a_chosen_threshold_is_in_force_and_written_down(
    app: Flask, clinic: Organization, alice: Visitor
) -> None:
    alice.get(URL)
    offered = alice.page.select("[data-thresholds=search] input[name=threshold]")
    values = [one["value"] for one in offered]
    # 1 in 20, 1 in 100 (which is the face model's own as well), 1 in 300, 1 in 1,000; another value.
    assert values == ["0.330000", "0.400000", "card", "0.448000", "0.500000", "other"]
    alice.post(URL, {"purpose": "search", "threshold": "0.500000", "other": ""}, follow=True)
    assert "The threshold is saved." in alice.text
    (checked,) = alice.page.select("[data-thresholds=search] input:checked")
    assert checked["value"] == "0.500000"
    with app.app_context():
        mine = thresholds_of(db.session(), db.session.get_one(Organization, clinic.id))
    assert mine is not None
    assert (mine.search, mine.duplicates) == (0.5, THRESHOLD)
    alice.get("/audit?action=calibration.threshold_changed")
    (line,) = alice.page.select("[data-event]")
    assert "Changed the threshold for searches from the face model's own to 0.500." in line.get_text()
    alice.post(URL, {"purpose": "search", "threshold": "card"}, follow=True)
    (checked,) = alice.page.select("[data-thresholds=search] input:checked")
    assert checked["value"] == "card"


@pytest.mark.usefixtures("measured")
def test_another_value_is_typed(alice: Visitor) -> None:
    alice.post(URL, {"purpose": "duplicates", "threshold": "other", "other": " 0,453 "}, follow=True)
    (checked,) = alice.page.select("[data-thresholds=duplicates] input:checked")
    assert checked["value"] == "0.453000"
    for typed, said in (
        ("much", "Enter a number"),
        ("1.2", "A threshold is a number"),
        ("nan", "A threshold"),
    ):
        answer = alice.post(URL, {"purpose": "duplicates", "threshold": "other", "other": typed})
        assert answer.status_code == 422
        assert said in alice.one("[data-thresholds=duplicates] .field__error").get_text()
        assert alice.one("[data-thresholds=duplicates] input[name=other]")["value"] == typed
        assert not alice.page.select("[data-thresholds=search] .field__error")
    assert alice.post(URL, {"purpose": "search"}).status_code == 422
    assert alice.post(URL, {"purpose": "nothing", "threshold": "0.5"}).status_code == 400


@pytest.mark.usefixtures("measured")
def test_a_lower_threshold_of_duplicates_has_all_people_compared_again(app: Flask, alice: Visitor) -> None:
    alice.post(URL, {"purpose": "search", "threshold": "0.330000"})
    alice.post(URL, {"purpose": "duplicates", "threshold": "0.500000"})
    assert scans(app) == []
    alice.post(URL, {"purpose": "duplicates", "threshold": "0.330000"})
    assert scans(app) == [0.33]


@pytest.mark.usefixtures("measured")
def test_candidates_show_their_band_and_the_raw_score(
    app: Flask, clinic: Organization, school: Organization, vera: Visitor, charlie: Visitor
) -> None:
    with app.app_context():
        mine = db.session.get_one(Organization, clinic.id)
        photos = [add_photo(db.session(), add_person(db.session(), mine, f"P{n}"), shade=n) for n in range(3)]
        # Scores of 0.7, 0.5 and 0.3.
        found = add_search(db.session(), mine, candidates=tuple(photos))
        others = db.session.get_one(Organization, school.id)
        theirs = [add_photo(db.session(), add_person(db.session(), others, "C1"), shade=9)]
        elsewhere = add_search(db.session(), others, candidates=tuple(theirs))
        search_id, elsewhere_id = found.id, elsewhere.id
    vera.get(f"/search/{search_id}")
    candidates = vera.page.select("[data-candidate]")
    assert [one["data-band"] for one in candidates] == ["strong", "possible", "unlikely"]
    assert [one_in(one, ".badge").get_text() for one in candidates] == ["Strong", "Possible", "Unlikely"]
    assert "0.700" in candidates[0].get_text()
    assert "about 1 search of an unknown person in 100" in vera.text
    # Nothing was measured at the school.
    charlie.get(f"/search/{elsewhere_id}")
    (candidate,) = charlie.page.select("[data-candidate]")
    assert not candidate.has_attr("data-band")
    assert "The threshold is uncalibrated: look at the faces before you decide." in charlie.text


def test_a_calibration_of_another_face_model_is_not_in_force(
    app: Flask, clinic: Organization, alice: Visitor
) -> None:
    with app.app_context():
        mine = db.session.get_one(Organization, clinic.id)
        calibration = add_calibration(db.session(), mine)
        old = face_model(db.session())
    for purpose in ("search", "duplicates"):
        alice.post(URL, {"purpose": purpose, "threshold": "0.55"})
    with app.app_context():
        with writing(db.session()) as session:
            new = made_up_model("new", dimension=old.dimension, threshold=0.3)
            session.add(new)
            session.flush()
            session.scalars(select(Installation)).one().face_model_id = new.id
        assert calibration.state == WorkState.DONE
    alice.get(URL)
    assert alice.page.select_one("[data-calibration=uncalibrated]")
    # Nor are thresholds that were chosen for its scores.
    in_force = [one.get_text(" ", strip=True) for one in alice.page.select("input:checked + label")]
    assert in_force == ["0.300 in force the face model’s own, uncalibrated"] * 2
    alice.post(URL, {"purpose": "search", "threshold": "0.25"})
    alice.get(URL)
    in_force = [one.get_text(" ", strip=True) for one in alice.page.select("input:checked + label")]
    assert in_force == ["0.250 in force", "0.300 in force the face model’s own, uncalibrated"]
    assert "A threshold was chosen by hand. Scores have not been calibrated" in alice.text


@pytest.mark.usefixtures("measured")
def test_a_threshold_is_chosen_with_all_that_follows_from_it_or_not_at_all(
    app: Flask, clinic: Organization, alice: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("the disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr("portal.pairs.scans.regroup", fail)
        assert alice.post(URL, {"purpose": "duplicates", "threshold": "0.3"}).status_code == 500
    with app.app_context():
        assert db.session.get_one(Organization, clinic.id).duplicate_threshold is None
    assert scans(app) == []
    alice.post(URL, {"purpose": "duplicates", "threshold": "0.3"})
    with app.app_context():
        assert db.session.get_one(Organization, clinic.id).duplicate_threshold == 0.3
    assert scans(app) == [0.3]


@pytest.mark.usefixtures("measured")
def test_charlie_sees_and_changes_nothing_of_the_clinic(
    app: Flask, clinic: Organization, charlie: Visitor
) -> None:
    charlie.get(URL)
    assert charlie.page.select_one("[data-calibration=uncalibrated]")
    charlie.post(URL, {"purpose": "search", "threshold": "0.123"})
    with app.app_context():
        assert db.session.get_one(Organization, clinic.id).search_threshold is None
