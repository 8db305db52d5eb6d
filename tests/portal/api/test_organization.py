"""Statistics and the meaning of scores over the API."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from tests.make.calibrations import add_calibration
from tests.portal.conftest import Enrolled, Paired
from tests.program import Program


def test_the_organization_in_figures(
    registry: Program, outsider: Program, enrolled: Enrolled, paired: Paired
) -> None:
    enrolled("A")
    paired("B", "C")
    found = registry.get("/statistics").get_json()
    assert (found["people"], found["pairs_to_decide"]) == (3, 1)
    assert found["photos"] == {"queued": 0, "running": 0, "done": 3, "failed": 0}
    theirs = outsider.get("/statistics").get_json()
    assert (theirs["people"], theirs["pairs_to_decide"], theirs["photos"]["done"]) == (0, 0, 0)


def test_before_the_first_worker_scores_mean_nothing(registry: Program) -> None:
    answer = registry.get("/scores")
    assert (answer.status_code, "No face model" in answer.text) == (409, True)
    assert registry.get("/statistics").get_json()["face_model"] is None


def test_scores_have_no_rates_before_they_are_calibrated(registry: Program, enrolled: Enrolled) -> None:
    enrolled("A")
    found = registry.get("/scores").get_json()
    assert (found["calibrated_at"], found["people"]) == (None, None)
    for purpose in ("search", "duplicates"):
        assert found[purpose]["rates"] is None
        assert found[purpose]["possible_from"] is None
        assert not found[purpose]["chosen"]


def test_calibrated_scores_have_rates_with_intervals(
    registry: Program, enrolled: Enrolled, session: Session, clinic: Organization
) -> None:
    enrolled("A")
    add_calibration(session, clinic)
    found = registry.get("/scores").get_json()
    rates = found["search"]["rates"]
    assert 0 <= rates["fpir"]["low"] <= rates["fpir"]["value"] <= rates["fpir"]["high"] <= 1
    assert found["search"]["possible_from"] is not None
    assert found["calibrated_at"] is not None
