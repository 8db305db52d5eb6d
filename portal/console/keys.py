"""`portal create-api-key`."""

from __future__ import annotations

from pathlib import Path

import click

from portal.console.common import COMMAND, answer, application, the_organization
from portal.console.options import data_dir_option, example, json_option, organization_option
from portal.extensions import db
from portal.keys.models import Scope
from portal.keys.services import create_key


@click.command(
    "create-api-key",
    epilog=example(
        "portal create-api-key --organization harbour --name 'Case system' \\",
        "    --scope read --scope enrol --expires 365",
    ),
)
@organization_option
@click.option("--name", required=True, help="What the audit calls it, such as the other program's name.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=[Scope.READ.value],
    show_default=True,
    help="What it may do; can be given several times. admin includes all the others.",
)
@click.option("--expires", "expires_days", type=int, metavar="DAYS", help="[default: it does not expire]")
@json_option
@data_dir_option
def create_api_key_command(
    slug: str,
    name: str,
    scopes: tuple[str, ...],
    expires_days: int | None,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Make an API key for another program, and print it.

    It is shown this once, and stored nowhere.
    """
    with application(data_dir):
        organization = the_organization(slug)
        chosen = [Scope(scope) for scope in scopes]
        key, token = create_key(db.session(), organization, COMMAND, name, chosen, expires_days)
        result = {
            "key": token,
            "name": key.name,
            "organization": organization.slug,
            "scopes": list(scopes),
            "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        }
        answer(token, result, as_json=as_json)
