"""The settings page: the organization's name and retention, and the face model of the portal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.database import now, writing
from portal.extensions import db
from portal.installation.models import FaceModel, Installation, PermittedUse, WorkerProcess
from portal.organizations.models import Organization
from portal.search.models import Search
from portal.search.services import kept_until
from tests.visitor import Visitor

FINGERPRINT = "0123456789abcdef" * 4


@pytest.fixture
def face_model(app: Flask) -> FaceModel:
    with app.app_context(), writing(db.session) as session:
        model = FaceModel(
            fingerprint=FINGERPRINT,
            name="mbf",
            source="mbf",
            engine="insightface",
            dimension=512,
            threshold=0.4321,
            threshold_source="The model's card.",
            licence="Non-commercial research only.",
            permitted_use=PermittedUse.RESEARCH,
        )
        session.add(model)
        session.flush()
        session.add(Installation(face_model_id=model.id))
        for name, age_s in (("desk:11:aa", 1), ("desk:12:bb", 60)):
            session.add(
                WorkerProcess(
                    name=name,
                    heartbeat_at=now() - timedelta(seconds=age_s),
                    face_model_id=model.id,
                    provider="OpenVINOExecutionProvider",
                    precision="bf16",
                    comparison="int8",
                )
            )
    return model


def test_name_and_retention_are_changed_and_written_down(alice: Visitor) -> None:
    answer = alice.post("/settings", {"name": " Alpha  Hospital", "retention_days": "7"}, follow=True)
    assert answer.status_code == 200
    assert "The settings are saved." in alice.page.get_text()
    assert alice.one(".organization__text").get_text() == "Alpha Hospital"
    assert alice.one("input[name=retention_days]")["value"] == "7"
    alice.get("/audit?action=organization.settings_changed")
    (line,) = alice.page.select("[data-event]")
    assert "name from “Alpha Clinic” to “Alpha Hospital”" in line.get_text()
    assert "days that searches are kept from “30” to “7”" in line.get_text()


def test_saving_the_same_is_no_event(alice: Visitor) -> None:
    alice.post("/settings", {"name": "Alpha Clinic", "retention_days": "30"}, follow=True)
    assert "Nothing was changed." in alice.page.get_text()
    alice.get("/audit?action=organization.settings_changed")
    assert alice.page.select("[data-event]") == []


def test_a_shorter_retention_holds_for_searches_made_before(
    app: Flask, alice: Visitor, charlie: Visitor
) -> None:
    made = now() - timedelta(days=5)
    with app.app_context(), writing(db.session) as session:
        searches = [
            Search(
                organization_id=visitor.organization.id,
                sha256="0" * 64,
                file_key=f"probe-{visitor.organization.id}",
                file_name="probe.jpg",
                size_bytes=1,
                created_at=made,
            )
            for visitor in (alice, charlie)
        ]
        session.add_all(searches)
    alice.post("/settings", {"name": "Alpha Clinic", "retention_days": "7"})
    with app.app_context():
        for search, days in zip(searches, (7, 30), strict=True):
            row = db.session.get_one(Search, search.id)
            organization = db.session.get_one(Organization, search.organization_id)
            assert kept_until(organization, row) == made + timedelta(days=days)


@pytest.mark.parametrize(
    ("name", "days", "message"),
    [
        ("", "30", "Enter the name of the organization."),
        ("   ", "30", "Enter the name of the organization."),
        ("x" * 201, "30", "201 characters"),
        ("Alpha", "0", "Enter a number of days, 1 to 3650."),
        ("Alpha", "3651", "Enter a number of days, 1 to 3650."),
        ("Alpha", "", "Enter a number of days, 1 to 3650."),
        ("Alpha", "a month", "Not a valid integer value."),
    ],
)
def test_a_mistake_is_told_and_nothing_changes(alice: Visitor, name: str, days: str, message: str) -> None:
    assert alice.post("/settings", {"name": name, "retention_days": days}).status_code == 422
    assert message in alice.page.get_text()
    alice.get("/settings")
    assert alice.one("input[name=name]")["value"] == "Alpha Clinic"


def test_the_face_model_in_use_and_its_live_workers_are_shown(alice: Visitor, face_model: FaceModel) -> None:
    text = alice.get("/settings").text
    for words in ("mbf", "512", FINGERPRINT[:12], "0.432", "uncalibrated", "The model&#39;s card."):
        assert words in text
    assert "Non-commercial research only." in text
    assert "OpenVINOExecutionProvider" in text
    assert "bf16" in text
    assert "desk:11:aa" in text
    assert "desk:12:bb" not in text  # it has not been heard of for a minute


def test_before_the_first_worker_the_page_says_so(alice: Visitor) -> None:
    assert "No face model has been chosen yet." in alice.get("/settings").text


def test_only_admins_have_settings(bob: Visitor, vera: Visitor, client: FlaskClient) -> None:
    for visitor in (bob, vera):
        assert visitor.get("/settings").status_code == 403
        assert visitor.post("/settings", {"name": "Mine", "retention_days": "1"}).status_code == 403
    assert client.get("/settings").location == "/login?next=/settings"


def test_each_organization_has_its_own_settings(alice: Visitor, charlie: Visitor) -> None:
    charlie.post("/settings", {"name": "Charlie College", "retention_days": "3"})
    alice.get("/settings")
    assert alice.one("input[name=name]")["value"] == "Alpha Clinic"
    assert alice.one("input[name=retention_days]")["value"] == "30"
