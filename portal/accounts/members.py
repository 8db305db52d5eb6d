"""Members of an organization: listed, given another role, removed."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, joinedload

from portal.accounts.models import Invitation, Membership, Role, User
from portal.audit.services import Action, Actor, record
from portal.database import writing
from portal.locks import lock_rows
from portal.organizations.models import Organization


class MemberError(ValueError):
    """Why a member can't be changed or removed, in words for staff."""


def memberships_of(session: Session, user: User) -> list[Membership]:
    """The organizations of a user, by name."""
    return list(
        session.scalars(
            select(Membership)
            .join(Membership.organization)
            .options(joinedload(Membership.organization))
            .where(Membership.user_id == user.id)
            .order_by(Organization.name, Organization.id)
        )
    )


def list_members(session: Session, organization: Organization) -> list[Membership]:
    """The members of an organization with their users, by email."""
    return list(
        session.scalars(
            select(Membership)
            .join(Membership.user)
            .options(joinedload(Membership.user))
            .where(Membership.organization_id == organization.id)
            .order_by(User.email)
        )
    )


def find_member(session: Session, organization: Organization, membership_id: int) -> Membership | None:
    """A membership of this organization with its user; None if not there or another organization's."""
    return session.scalar(
        select(Membership)
        .options(joinedload(Membership.user))
        .where(Membership.id == membership_id, Membership.organization_id == organization.id)
    )


def change_role(
    session: Session, organization: Organization, actor: Actor, membership: Membership, role: Role
) -> bool:
    """Give a member another role; returns whether it changed. Raises MemberError.

    An admin who gets another role loses the open invitations that they made.
    """
    with writing(session):
        before = _lock(session, organization, membership)
        membership.role = before
        if before == role:
            return False
        revoked = 0
        if before == Role.ADMIN:
            _refuse_last_admin(session, organization, "be given another role")
            revoked = _revoke_invitations_by(session, organization, membership.user_id)
        membership.role = role
        record(
            session,
            actor,
            Action.MEMBER_ROLE_CHANGED,
            organization_id=organization.id,
            subject_type="user",
            subject_id=membership.user_id,
            details={"email": membership.user.email, "role": [before, role], "revoked_invitations": revoked},
        )
    return True


def remove_member(session: Session, organization: Organization, actor: Actor, membership: Membership) -> None:
    """End a membership, with the open invitations that this member made. Raises MemberError.

    The account stays: it may be a member of other organizations.
    """
    with writing(session):
        before = _lock(session, organization, membership)
        if before == Role.ADMIN:
            _refuse_last_admin(session, organization, "be removed")
        revoked = _revoke_invitations_by(session, organization, membership.user_id)
        session.execute(delete(Membership).where(Membership.id == membership.id))
        record(
            session,
            actor,
            Action.MEMBER_REMOVED,
            organization_id=organization.id,
            subject_type="user",
            subject_id=membership.user_id,
            details={"email": membership.user.email, "role": before, "revoked_invitations": revoked},
        )


def _lock(session: Session, organization: Organization, membership: Membership) -> Role:
    """Keep others from changing the organization's members meanwhile; returns the member's current role."""
    lock_rows(session, select(Organization.id).where(Organization.id == organization.id))
    role = session.scalar(
        select(Membership.role).where(
            Membership.id == membership.id, Membership.organization_id == organization.id
        )
    )
    if role is None:
        raise MemberError("This member was removed in the meantime.")
    return Role(role)


def _refuse_last_admin(session: Session, organization: Organization, what: str) -> None:
    admins = session.scalar(
        select(func.count()).where(
            Membership.organization_id == organization.id, Membership.role == Role.ADMIN
        )
    )
    if admins == 1:
        raise MemberError(f"The last admin can't {what}. Make someone else an admin first.")


def _revoke_invitations_by(session: Session, organization: Organization, user_id: int) -> int:
    revoked = session.scalars(
        delete(Invitation)
        .where(
            Invitation.organization_id == organization.id,
            Invitation.invited_by_id == user_id,
            Invitation.accepted_at.is_(None),
        )
        .returning(Invitation.id)
    )
    return len(revoked.all())
