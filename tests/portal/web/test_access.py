"""Who may do what: every route, tried by everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, url_for
from sqlalchemy import select

from portal import create_app
from portal.accounts.models import Membership, Role
from portal.accounts.roles import Permission
from portal.audit.models import AuditEvent
from portal.database import Base, writing
from portal.extensions import db
from portal.http.access import DECLARATION
from portal.http.security import API_PREFIX
from portal.organizations.models import Organization
from portal.settings import Settings
from portal.storage import photo_store
from tests.portal.web.scene import (
    ADMIN,
    OF_NO_ORGANIZATION,
    OPERATOR,
    ROUTES,
    SECRETS,
    VIEWER,
    Route,
    Scene,
    make_scene,
)
from tests.visitor import Visitor


def requests_of(app: Flask) -> set[tuple[str, str]]:
    """Endpoint and method of everything that can be asked for."""
    return {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        # The API has tests of its own.
        if not rule.rule.startswith(API_PREFIX)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def declared(app: Flask, endpoint: str) -> str | None:
    return getattr(app.view_functions[endpoint], DECLARATION, None)


def test_every_route_declares_who_may_reach_it(app: Flask) -> None:
    routes = {endpoint for endpoint, _ in requests_of(app)}
    assert {route for route in routes if declared(app, route) is None} == {"static"}


def test_every_route_is_in_one_of_the_tables(app: Flask) -> None:
    of_an_organization = {(route.endpoint, route.method) for route in ROUTES}
    others = {request for request in requests_of(app) if request[0] in OF_NO_ORGANIZATION}
    assert requests_of(app) == of_an_organization | others
    assert not of_an_organization & others
    assert {name: declared(app, name) for name in OF_NO_ORGANIZATION} == OF_NO_ORGANIZATION
    for route in ROUTES:
        assert isinstance(declared(app, route.endpoint), Permission), route.endpoint


def test_a_view_that_declares_nothing_is_refused_to_everybody(settings: Settings) -> None:
    app = create_app(settings)
    app.add_url_rule("/forgotten", "forgotten", lambda: "what nobody meant to show")
    response = app.test_client().get("/forgotten")
    assert response.status_code == 403
    assert "what nobody meant to show" not in response.text


def state_of(app: Flask, organization: Organization) -> dict[str, Any]:
    """Everything that the organization has, but for its audit trail, and its files."""
    with app.app_context():
        session = db.session()
        rows: dict[str, Any] = {
            table.name: session.execute(
                # Who has the page of a pair open is nothing that the organization has.
                select(*(column for column in table.c if not column.name.startswith("reserved_")))
                .where(table.c.organization_id == organization.id)
                .order_by(*table.primary_key)
            ).all()
            for table in Base.metadata.sorted_tables
            if "organization_id" in table.columns and table.name != AuditEvent.__tablename__
        }
        mine = session.get_one(Organization, organization.id)
        files = [
            (path, path.stat().st_size)
            for folder in (str(organization.id), "archives")
            for path in sorted((photo_store().folder / folder).rglob("*"))
        ]
        settings = (mine.name, mine.retention_days, mine.scan_hour)
        thresholds = (mine.search_threshold, mine.duplicate_threshold)
        return {**rows, "files": files, "organization": (*settings, *thresholds)}


def ask(app: Flask, visitor: Visitor, route: Route, scene: Scene) -> tuple[int, str]:
    """The status and the text (or the place that it leads to) of an answer."""
    with app.test_request_context():
        url = url_for(route.endpoint, **route.arguments(scene))
    if route.script is not None:
        response = visitor.call(url, **route.script(scene))
    elif route.method == "GET":
        response = visitor.get(url, buffered=True)
    else:
        response = visitor.post(url, route.form(scene))
    with response:
        readable = response.mimetype in {"text/html", "text/csv", "application/json"}
        return response.status_code, response.location or (response.text if readable else "")


@pytest.fixture
def new_scene(app: Flask, clinic: Organization) -> Callable[[], Scene]:
    """A maker of scenes in the clinic."""
    return lambda: make_scene(app, clinic)


def test_nobody_is_asked_to_sign_in_and_changes_nothing(
    app: Flask, clinic: Organization, alice: Visitor, new_scene: Callable[[], Scene]
) -> None:
    visitor, scene = Visitor(app), new_scene()
    before = state_of(app, clinic)
    for route in ROUTES:
        status, location = ask(app, visitor, route, scene)
        assert (route.endpoint, route.method, status) == (route.endpoint, route.method, 302)
        assert location.partition("?")[0] == "/login"
        assert state_of(app, clinic) == before, route.endpoint


@pytest.mark.parametrize(("name", "role"), [("vera", VIEWER), ("bob", OPERATOR), ("alice", ADMIN)])
def test_a_member_does_what_the_role_may(
    app: Flask,
    clinic: Organization,
    request: pytest.FixtureRequest,
    new_scene: Callable[[], Scene],
    name: str,
    role: str,
) -> None:
    visitor, scene = request.getfixturevalue(name), new_scene()
    before = state_of(app, clinic)
    for route in ROUTES:
        expected = route.status if role in route.allowed else 403
        status, text = ask(app, visitor, route, scene)
        assert (route.endpoint, route.method, status) == (route.endpoint, route.method, expected)
        assert not text.startswith("/login"), route.endpoint
        if route.changes and (expected in {201, 302} or (expected == 200 and route.script is not None)):
            assert state_of(app, clinic) != before, f"{route.endpoint} did nothing"
            scene = new_scene()
            before = state_of(app, clinic)
        else:
            assert state_of(app, clinic) == before, route.endpoint


def test_an_admin_of_another_organization_sees_and_changes_nothing(
    app: Flask, clinic: Organization, charlie: Visitor, new_scene: Callable[[], Scene]
) -> None:
    scene = new_scene()
    before = state_of(app, clinic)
    for route in ROUTES:
        status, text = ask(app, charlie, route, scene)
        assert (route.endpoint, route.method, status) == (route.endpoint, route.method, route.outsider)
        assert not [secret for secret in SECRETS if secret in text], route.endpoint
        assert state_of(app, clinic) == before, route.endpoint


def test_a_member_of_both_sees_only_the_one_they_are_in(
    app: Flask, alice: Visitor, charlie: Visitor, new_scene: Callable[[], Scene]
) -> None:
    scene = new_scene()
    with app.app_context(), writing(db.session()) as session:
        session.add(
            Membership(user_id=alice.user.id, organization_id=charlie.organization.id, role=Role.ADMIN)
        )
    show = next(route for route in ROUTES if route.endpoint == "people.show")
    assert ask(app, alice, show, scene)[0] == 200
    alice.post("/organizations/switch", {"organization_id": charlie.organization.id})
    for route in ROUTES:
        if route.method == "GET":
            status, text = ask(app, alice, route, scene)
            assert (route.endpoint, status) == (route.endpoint, route.outsider)
            assert not [secret for secret in SECRETS if secret in text], route.endpoint
