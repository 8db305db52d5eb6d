"""`portal create-user` and `portal set-password`."""

from __future__ import annotations

from pathlib import Path

import click

from portal.accounts.models import Role
from portal.accounts.services import create_user, reset_password
from portal.console.common import COMMAND, answer, application, the_organization, the_password
from portal.console.options import data_dir_option, example, json_option, organization_option
from portal.extensions import db

password_option = click.option(
    "--password-env", metavar="VAR", help="Read the password from this environment variable."
)


@click.command(
    "create-user",
    epilog=example("portal create-user ada@harbour.example --organization harbour --role admin"),
)
@click.argument("email")
@organization_option
@click.option(
    "--role", required=True, type=click.Choice([role.value for role in Role]), help="What they may do."
)
@password_option
@json_option
@data_dir_option
def create_user_command(
    email: str, slug: str, role: str, password_env: str | None, as_json: bool, data_dir: Path | None
) -> None:
    """Add a user to an organization.

    The password is asked for, twice, unless a variable holds it. Someone who already has an account becomes a
    member with that account, if this is its password.
    """
    with application(data_dir, allowed=[password_env] if password_env else []):
        organization = the_organization(slug)
        password = the_password(password_env)
        user = create_user(db.session(), COMMAND, email, password, organization, Role(role))
        answer(
            f"{user.email} is {'an' if role[0] in 'ao' else 'a'} {role} of {organization.name}.",
            {"email": user.email, "organization": organization.slug, "role": role},
            as_json=as_json,
        )


@click.command("set-password", epilog=example("portal set-password ada@harbour.example"))
@click.argument("email")
@password_option
@json_option
@data_dir_option
def set_password_command(email: str, password_env: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Give a user who forgot theirs a new password.

    Their open sessions end. The password is asked for, twice, unless a variable holds it.
    """
    with application(data_dir, allowed=[password_env] if password_env else []):
        user = reset_password(db.session(), COMMAND, email, the_password(password_env))
        answer(f"{user.email} has a new password.", {"email": user.email}, as_json=as_json)
