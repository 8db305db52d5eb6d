"""`portal create-organization`."""

from __future__ import annotations

from pathlib import Path

import click

from portal.console.common import COMMAND, answer, application
from portal.console.options import data_dir_option, example, json_option
from portal.extensions import db
from portal.organizations.services import create_organization


@click.command(
    "create-organization", epilog=example("portal create-organization 'Harbour Clinic' --slug harbour")
)
@click.argument("name")
@click.option("--slug", help="Its short name, for commands.  [default: made from NAME]")
@json_option
@data_dir_option
def create_organization_command(name: str, slug: str | None, as_json: bool, data_dir: Path | None) -> None:
    """Add an organization, and print its slug."""
    with application(data_dir):
        organization = create_organization(db.session(), COMMAND, name, slug)
        result = {"slug": organization.slug, "name": organization.name}
        answer(organization.slug, result, as_json=as_json)
