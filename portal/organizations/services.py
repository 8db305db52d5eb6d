"""Organizations: created, found, and given other settings."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.database import writing
from portal.locks import lock
from portal.organizations.models import Organization
from portal.text import TextError, clean_line

NAME_LENGTH = 200
SLUG_LENGTH = 63
RETENTION_DAYS = range(1, 3651)


class OrganizationError(ValueError):
    """What is wrong with an organization's name or settings, in words for people."""


def find_organization(session: Session, slug: str) -> Organization | None:
    """The organization with this slug; None where there is none."""
    return session.scalar(select(Organization).where(Organization.slug == slug))


def create_organization(session: Session, actor: Actor, name: str, slug: str | None = None) -> Organization:
    """Make an organization; its slug is made from the name unless it is given. Raises OrganizationError."""
    try:
        with writing(session):
            return add_organization(session, actor, name, slug)
    except IntegrityError as error:
        raise OrganizationError("Someone else was just making an organization like this one.") from error


def add_organization(session: Session, actor: Actor, name: str, slug: str | None = None) -> Organization:
    """Make an organization in the caller's transaction. Raises OrganizationError."""
    name = clean_name(name)
    slug = slug_of(name) if slug is None else slug
    if len(slug) > SLUG_LENGTH or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise OrganizationError(
            f"{slug!r} can't be a slug. It has the letters a to z, digits and single hyphens between them, "
            f"at most {SLUG_LENGTH} characters."
        )
    taken = find_organization(session, slug)
    if taken is not None:
        raise OrganizationError(
            f"The slug {slug} belongs to the organization {taken.name}. Give another one."
        )
    organization = Organization(name=name, slug=slug)
    session.add(organization)
    session.flush()
    record(
        session,
        actor,
        Action.ORGANIZATION_CREATED,
        organization_id=organization.id,
        subject_type="organization",
        subject_id=organization.id,
        details={"name": name, "slug": slug},
    )
    return organization


def change_settings(
    session: Session, organization: Organization, actor: Actor, *, name: str, retention_days: int
) -> bool:
    """Change an organization's settings; returns whether any changed. Raises OrganizationError.

    The retention applies to existing searches as well.
    """
    name = clean_name(name)
    if retention_days not in RETENTION_DAYS:
        raise OrganizationError(
            f"Searches can be kept for {RETENTION_DAYS.start} to {RETENTION_DAYS.stop - 1} days."
        )
    with writing(session):
        lock(session, organization)
        changes = {
            field: [getattr(organization, field), value]
            for field, value in (("name", name), ("retention_days", retention_days))
            if getattr(organization, field) != value
        }
        if not changes:
            return False
        organization.name, organization.retention_days = name, retention_days
        record_settings(session, organization, actor, changes)
    return True


def record_settings(
    session: Session, organization: Organization, actor: Actor, changes: dict[str, list[Any]]
) -> None:
    """Write down what changed, in the caller's transaction: by setting, its value before and after."""
    record(
        session,
        actor,
        Action.SETTINGS_CHANGED,
        organization_id=organization.id,
        subject_type="organization",
        subject_id=organization.id,
        details=changes,
    )


def record_switch(session: Session, organization: Organization, actor: Actor) -> None:
    """Write down that a member switched to this organization."""
    with writing(session):
        record(
            session,
            actor,
            Action.ORGANIZATION_SWITCHED,
            organization_id=organization.id,
            subject_type="organization",
            subject_id=organization.id,
        )


def clean_name(text: str) -> str:
    """An organization's name with single spaces. Raises OrganizationError if empty, too long or not text."""
    try:
        return clean_line(text, "name of the organization", NAME_LENGTH)
    except TextError as error:
        raise OrganizationError(str(error)) from error


def slug_of(name: str) -> str:
    """A slug made from a name: "Clínica São José" becomes "clinica-sao-jose".

    "organization" where the name has no letter that ASCII has.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:SLUG_LENGTH].strip("-") or "organization"
