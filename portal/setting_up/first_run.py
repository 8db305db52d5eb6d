"""The first run: the person at the console creates the first organization and its admin."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from sqlalchemy.orm import Session

from portal.accounts.models import Role, User
from portal.accounts.services import AccountError, CredentialsError, add_user, any_user
from portal.audit.services import Actor
from portal.database import writing
from portal.installation.models import LicenceChoice
from portal.organizations.services import add_organization
from portal.setting_up.licensing import answer_licence

# Letters and digits that can't be taken for one another; 12 of them are 58 bits.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP_LENGTH = 3, 4


def first_run_code(data_dir: Path) -> str:
    """The one-time code of the first-run page ("K7QF-2M9X-4TRA"), made where there is none.

    It is kept in the data folder, readable by its owner only, until it is used.
    """
    path = _path(data_dir)
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    # Written elsewhere and linked, so that another process never reads half a code, nor replaces one.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write("-".join(groups))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def create_first_admin(
    session: Session,
    actor: Actor,
    data_dir: Path,
    *,
    code: str,
    organization: str,
    email: str,
    password: str,
    licence: LicenceChoice | None,
) -> User:
    """Create the first organization and its admin, store the answer about the licence, and use up the code.

    licence: None where nothing was answered. Raises CredentialsError for a wrong code, LicenceError for an
    answer that is missing or not possible, AccountError or OrganizationError for the rest; nothing is written
    then, and the code stays good.
    """
    if not hmac.compare_digest(_plain(code).encode(), _plain(first_run_code(data_dir)).encode()):
        raise CredentialsError("This is not the right code. It was printed where the portal was started.")
    with writing(session):
        if any_user(session):
            raise AccountError("The portal is already set up. Sign in instead.")
        created = add_organization(session, actor, organization)
        user = add_user(session, actor, email, password, created, Role.ADMIN)
        answer_licence(session, Actor(user.id, user.email, actor.address), licence, created)
        # Of two people with the code, one removes it and goes on; the other is stopped here.
        try:
            _path(data_dir).unlink()
        except FileNotFoundError as error:
            raise AccountError("The code has just been used. Sign in instead.") from error
    return user


def _path(data_dir: Path) -> Path:
    return data_dir / "first_run_code"


def _plain(code: str) -> str:
    return "".join(character for character in code.upper() if character.isalnum())
