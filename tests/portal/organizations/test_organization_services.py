"""Organizations are created with a slug of their own, and found by it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.accounts.members import memberships_of
from portal.accounts.models import Role
from portal.accounts.services import AccountError, create_user, find_user
from portal.audit.models import AuditEvent
from portal.audit.services import Actor
from portal.organizations.models import Organization
from portal.organizations.services import (
    OrganizationError,
    create_organization,
    find_organization,
    slug_of,
)
from tests.visitor import PASSWORD

COMMAND = Actor(None, "portal command")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Alpha Clinic", "alpha-clinic"),
        ("Clínica São José", "clinica-sao-jose"),
        ("  St. Mary's / Ward 7 ", "st-mary-s-ward-7"),
        ("学校", "organization"),
        ("x" * 100, "x" * 63),
    ],
)
def test_a_slug_is_made_from_the_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_an_organization_is_found_by_its_slug_and_written_down(session: Session) -> None:
    organization = create_organization(session, COMMAND, " Alpha   Clinic ")
    assert organization.name == "Alpha Clinic"
    assert find_organization(session, "alpha-clinic") is organization
    assert find_organization(session, "alpha") is None
    event = session.scalar(select(AuditEvent))
    assert event is not None
    assert (event.organization_id, event.actor) == (organization.id, "portal command")


@pytest.mark.parametrize(
    ("name", "slug", "message"),
    [
        ("", None, "Enter the name"),
        ("x" * 201, None, "201 characters"),
        ("Alpha\x00Clinic", None, "can't be read"),
        ("Alpha", "Alpha Clinic", "can't be a slug"),
        ("Alpha", "-alpha", "can't be a slug"),
        ("Alpha", "a" * 64, "can't be a slug"),
        ("Taken!", None, "belongs to the organization Taken"),
        ("Other", "taken", "belongs to the organization Taken"),
    ],
)
def test_what_is_wrong_with_an_organization_is_said(
    session: Session, name: str, slug: str | None, message: str
) -> None:
    create_organization(session, COMMAND, "Taken")
    with pytest.raises(OrganizationError, match=message):
        create_organization(session, COMMAND, name, slug)
    assert session.scalar(select(func.count()).select_from(Organization)) == 1


def test_a_user_of_one_organization_becomes_a_member_of_another(session: Session) -> None:
    alpha = create_organization(session, COMMAND, "Alpha")
    beta = create_organization(session, COMMAND, "Beta")
    user = create_user(session, COMMAND, "Ana@Example.org", PASSWORD, alpha, Role.ADMIN)
    hashed = user.password_hash
    with pytest.raises(AccountError, match="already has an account, with another password"):
        create_user(session, COMMAND, "ana@example.org", "not what Ana chose", beta, Role.VIEWER)
    assert create_user(session, COMMAND, "ana@example.org", PASSWORD, beta, Role.VIEWER) is user
    assert [(m.organization.name, m.role) for m in memberships_of(session, user)] == [
        ("Alpha", "admin"),
        ("Beta", "viewer"),
    ]
    assert user.password_hash == hashed


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("ana", PASSWORD, "not an email address"),
        ("ana@example.org", "short", "5 characters"),
        ("taken@example.org", PASSWORD, "already a member of Alpha"),
    ],
)
def test_what_is_wrong_with_a_user_is_said(session: Session, email: str, password: str, message: str) -> None:
    alpha = create_organization(session, COMMAND, "Alpha")
    create_user(session, COMMAND, "taken@example.org", PASSWORD, alpha, Role.ADMIN)
    with pytest.raises(AccountError, match=message):
        create_user(session, COMMAND, email, password, alpha, Role.VIEWER)
    assert find_user(session, "ana@example.org") is None
