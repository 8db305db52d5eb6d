"""Accounts: created, signed in to, and given another password."""

from __future__ import annotations

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import passwords
from portal.accounts.models import Membership, Role, User
from portal.audit.services import Action, Actor, record
from portal.database import writing
from portal.locks import lock
from portal.organizations.models import Organization

EMAIL_LENGTH = 254

# No mail is sent: an address is a name to sign in by, and "desk@clinic.local" is as good as any.
SPECIAL_USE_DOMAIN_NAMES.clear()


class AccountError(ValueError):
    """What is wrong with an account or with a request about it, in words for people."""


class EmailError(AccountError):
    """It is the email address that is wrong."""


class PasswordError(AccountError):
    """It is the new password that can't be taken."""


class CredentialsError(AccountError):
    """Email and password, or the password of someone signed in, do not match: an attempt to be counted."""


def normal_email(text: str) -> str:
    """An email address as it is stored: NFC, casefolded. Raises EmailError."""
    try:
        checked = validate_email(text.strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise EmailError("This is not an email address. It looks like name@example.org.") from error
    email = checked.normalized.casefold()
    if len(email) > EMAIL_LENGTH:
        raise EmailError(f"The email address is longer than {EMAIL_LENGTH} characters.")
    return email


def any_user(session: Session) -> bool:
    """Whether the portal has a user at all; until then it shows the first-run page."""
    return bool(session.scalar(select(exists().select_from(User))))


def find_user(session: Session, email: str) -> User | None:
    """The user with this address, however it is typed; None where there is none."""
    try:
        return session.scalar(select(User).where(User.email == normal_email(email)))
    except EmailError:
        return None


def create_user(
    session: Session, actor: Actor, email: str, password: str, organization: Organization, role: Role
) -> User:
    """Make an account that is a member of `organization`; an account that exists becomes a member of it too.

    `password` must then be that account's: whoever made the account did not prove the address, which may
    really be someone else's. Raises AccountError.
    """
    email = normal_email(email)
    try:
        with writing(session):
            user = session.scalar(select(User).where(User.email == email))
            if user is None:
                return add_user(session, actor, email, password, organization, role)
            if is_member(session, user, organization):
                raise AccountError(f"{email} is already a member of {organization.name}.")
            if not passwords.matches(password, user.password_hash):
                raise AccountError(
                    f"{email} already has an account, with another password. Use that one; or, if you are"
                    " sure whose account it is, first set a new one with portal set-password."
                )
            add_membership(session, user, organization, role)
            record(
                session,
                actor,
                Action.MEMBER_ADDED,
                organization_id=organization.id,
                subject_type="user",
                subject_id=user.id,
                details={"email": email, "role": role},
            )
    except IntegrityError as error:
        raise AccountError(f"Someone else has just created an account for {email}. Try again.") from error
    return user


def add_user(
    session: Session, actor: Actor, email: str, password: str, organization: Organization, role: Role
) -> User:
    """Make an account with its first membership, in the caller's transaction. Raises AccountError."""
    email = normal_email(email)
    problem = passwords.problem_with(password, email)
    if problem:
        raise PasswordError(problem)
    user = User(email=email, password_hash=passwords.hash_password(password))
    session.add(user)
    session.flush()
    add_membership(session, user, organization, role)
    record(
        session,
        actor,
        Action.USER_CREATED,
        organization_id=organization.id,
        subject_type="user",
        subject_id=user.id,
        details={"email": email, "role": role},
    )
    return user


def is_member(session: Session, user: User, organization: Organization) -> bool:
    """Whether a user is in an organization."""
    return bool(
        session.scalar(
            select(Membership.id).where(
                Membership.user_id == user.id, Membership.organization_id == organization.id
            )
        )
    )


def add_membership(session: Session, user: User, organization: Organization, role: Role) -> None:
    """Make a user a member, in the caller's transaction."""
    session.add(Membership(user_id=user.id, organization_id=organization.id, role=role))
    session.flush()


def sign_in(session: Session, address: str, email: str, password: str) -> User:
    """The user who signs in with these. Raises CredentialsError, which is written down as well.

    A refusal is shown to the organizations of the account that was tried; `address` is the network
    address of the person who tries.
    """
    user = find_user(session, email)
    fits = passwords.matches(password, user.password_hash if user else None)
    with writing(session):
        if user is None or not fits:
            _record_refusal(session, Actor(None, "nobody signed in", address), email, user)
        else:
            _freshen_hash(session, user, password)
            record(
                session,
                Actor(user.id, user.email, address),
                Action.SIGNED_IN,
                organization_id=first_organization_id(session, user),
                subject_type="user",
                subject_id=user.id,
            )
            return user
    raise CredentialsError("The email address or the password is not right.")


def sign_out(session: Session, actor: Actor, organization: Organization | None) -> None:
    """Write down that someone signed out."""
    with writing(session):
        record(
            session,
            actor,
            Action.SIGNED_OUT,
            organization_id=organization.id if organization else None,
            subject_type="user",
            subject_id=actor.user_id,
        )


def change_password(
    session: Session, organization: Organization | None, actor: Actor, user: User, current: str, new: str
) -> None:
    """Give a user another password and end all sessions of theirs. Raises CredentialsError, PasswordError."""
    if not passwords.matches(current, user.password_hash):
        raise CredentialsError("This is not your current password.")
    problem = passwords.problem_with(new, user.email)
    if problem:
        raise PasswordError(problem)
    if new == current:
        raise PasswordError("This is already your password. Choose another one.")
    before, new_hash = user.password_hash, passwords.hash_password(new)
    with writing(session):
        lock(session, user)
        if user.password_hash != before:
            raise CredentialsError("Your password was changed a moment ago. Sign in with the new one.")
        user.password_hash = new_hash
        user.session_version += 1
        record(
            session,
            actor,
            Action.PASSWORD_CHANGED,
            organization_id=organization.id if organization else None,
            subject_type="user",
            subject_id=user.id,
        )


def reset_password(session: Session, actor: Actor, email: str, password: str) -> User:
    """Give someone who forgot theirs a new password, and end all their sessions. Raises AccountError."""
    user = find_user(session, email)
    if user is None:
        raise EmailError(f"Nobody has an account with the address {email}.")
    problem = passwords.problem_with(password, user.email)
    if problem:
        raise PasswordError(problem)
    new_hash = passwords.hash_password(password)
    with writing(session):
        lock(session, user)
        user.password_hash = new_hash
        user.session_version += 1
        organization_ids: list[int | None] = list(
            session.scalars(select(Membership.organization_id).where(Membership.user_id == user.id))
        )
        # In the trail of each of their organizations, so that its admins see it.
        for organization_id in organization_ids or [None]:
            record(
                session,
                actor,
                Action.PASSWORD_CHANGED,
                organization_id=organization_id,
                subject_type="user",
                subject_id=user.id,
                details={"email": user.email},
            )
    return user


def first_organization_id(session: Session, user: User) -> int | None:
    """The organization in which a user's session begins: the one that they joined first."""
    return session.scalar(
        select(Membership.organization_id)
        .where(Membership.user_id == user.id)
        .order_by(Membership.id)
        .limit(1)
    )


def _freshen_hash(session: Session, user: User, password: str) -> None:
    if passwords.is_outdated(user.password_hash):
        session.execute(
            update(User)
            .where(User.id == user.id, User.password_hash == user.password_hash)
            .values(password_hash=passwords.hash_password(password))
        )


def _record_refusal(session: Session, nobody: Actor, email: str, user: User | None) -> None:
    organization_ids: list[int | None] = []
    if user is not None:
        organization_ids += session.scalars(
            select(Membership.organization_id).where(Membership.user_id == user.id)
        )
    for organization_id in organization_ids or [None]:
        record(
            session,
            nobody,
            Action.SIGN_IN_REFUSED,
            organization_id=organization_id,
            subject_type="user",
            subject_id=user.id if user else None,
            details={"email": email[:EMAIL_LENGTH]},
        )
