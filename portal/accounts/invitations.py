"""Invitations: a one-time link by which someone becomes a member of an organization."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from portal.accounts.models import Invitation, Membership, Role, User
from portal.accounts.services import (
    AccountError,
    EmailError,
    add_membership,
    add_user,
    is_member,
    normal_email,
)
from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.locks import lock_rows
from portal.organizations.models import Organization

VALID_FOR = timedelta(days=7)


class InvitationGoneError(AccountError):
    """The invitation was used, revoked or is too old."""


def list_open(session: Session, organization: Organization) -> list[Invitation]:
    """The invitations of an organization that can still be accepted, newest first."""
    return list(
        session.scalars(
            select(Invitation)
            .where(Invitation.organization_id == organization.id, *_is_open())
            .order_by(Invitation.id.desc())
        )
    )


def find_open(session: Session, token: str) -> Invitation | None:
    """The invitation of this link with its organization; None if it was used, revoked or is too old."""
    return session.scalar(
        select(Invitation)
        .options(joinedload(Invitation.organization))
        .where(Invitation.token_hash == _hash(token), *_is_open())
    )


def invite(session: Session, organization: Organization, actor: Actor, email: str, role: Role) -> str:
    """Invite someone; returns the token of the link, which is stored nowhere.

    An open invitation of the same address is replaced. Raises EmailError.
    """
    email = normal_email(email)
    token = secrets.token_urlsafe(32)
    with writing(session):
        member = select(Membership.id).join(Membership.user)
        if session.scalar(member.where(Membership.organization_id == organization.id, User.email == email)):
            raise EmailError(f"{email} is already a member. Change the role in the list instead.")
        session.execute(
            delete(Invitation).where(
                Invitation.organization_id == organization.id,
                Invitation.email == email,
                Invitation.accepted_at.is_(None),
            )
        )
        invitation = Invitation(
            organization_id=organization.id,
            email=email,
            role=role,
            token_hash=_hash(token),
            invited_by_id=actor.user_id,
            expires_at=now() + VALID_FOR,
        )
        session.add(invitation)
        session.flush()
        _record(session, actor, Action.MEMBER_INVITED, invitation)
    return token


def revoke(
    session: Session, organization: Organization, actor: Actor, invitation_id: int
) -> Invitation | None:
    """Make an open invitation of this organization unusable; None if there is none (any more)."""
    with writing(session):
        its_own = select(Invitation).where(
            Invitation.id == invitation_id,
            Invitation.organization_id == organization.id,
            Invitation.accepted_at.is_(None),
        )
        invitation = lock_rows(session, its_own).scalar()
        if invitation is not None:
            session.delete(invitation)
            _record(session, actor, Action.INVITATION_REVOKED, invitation)
    return invitation


def accept_as_new_user(session: Session, address: str, token: str, password: str) -> User:
    """Create the account of someone invited. Raises InvitationGoneError, AccountError."""
    try:
        with writing(session):
            invitation = _take(session, token)
            actor = Actor(None, invitation.email, address)
            user = add_user(
                session, actor, invitation.email, password, invitation.organization, Role(invitation.role)
            )
            _record_accepted(session, address, invitation, user)
    except IntegrityError as error:
        raise AccountError("An account with this address has just been created. Reload the page.") from error
    return user


def accept_as_user(session: Session, address: str, token: str, user: User) -> int:
    """Make a user who exists and has proven their identity a member; returns the organization's id.

    Raises InvitationGoneError, or AccountError if it is another user or already a member.
    """
    with writing(session):
        invitation = _take(session, token)
        if invitation.email != user.email:
            raise AccountError(f"This invitation is for {invitation.email}.")
        if is_member(session, user, invitation.organization):
            raise AccountError(f"You are already a member of {invitation.organization.name}.")
        add_membership(session, user, invitation.organization, Role(invitation.role))
        _record_accepted(session, address, invitation, user)
    return invitation.organization_id


def _take(session: Session, token: str) -> Invitation:
    """The invitation, marked as accepted: of two who accept at once, one finds it gone."""
    usable = select(Invitation).where(Invitation.token_hash == _hash(token), *_is_open())
    invitation = lock_rows(session, usable).scalar()
    if invitation is None:
        raise InvitationGoneError("This invitation has been used, was revoked, or is too old.")
    invitation.accepted_at = now()
    return invitation


def _is_open() -> tuple[ColumnElement[bool], ...]:
    return Invitation.accepted_at.is_(None), Invitation.expires_at > now()


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _record_accepted(session: Session, address: str, invitation: Invitation, user: User) -> None:
    _record(session, Actor(user.id, user.email, address), Action.INVITATION_ACCEPTED, invitation)


def _record(session: Session, actor: Actor, action: Action, invitation: Invitation) -> None:
    record(
        session,
        actor,
        action,
        organization_id=invitation.organization_id,
        subject_type="invitation",
        subject_id=invitation.id,
        details={"email": invitation.email, "role": invitation.role},
    )
