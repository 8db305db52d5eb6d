"""The `portal` command. Every command works whether the portal is up or not."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError

from portal import create_app, doctor, logs, migrations
from portal.accounts.models import Role
from portal.accounts.services import AccountError, create_user, reset_password
from portal.audit.services import Actor
from portal.batches.importing import find_source
from portal.batches.manifest import ManifestError
from portal.batches.models import KnownPeople
from portal.batches.naming import Grouping, Label
from portal.batches.opening import BatchError
from portal.calibration.services import bands_for_pairs
from portal.console.batches import import_and_watch
from portal.console.duplicates import scan_and_watch
from portal.database import writing
from portal.duplicates.pairs import Filter
from portal.duplicates.report import ReportError, end_of_day, record_report, report_lines
from portal.extensions import db
from portal.installation.models import LicenceChoice
from portal.keys.models import Scope
from portal.keys.services import KeyRefused, create_key
from portal.organizations.models import Organization
from portal.organizations.services import OrganizationError, create_organization, find_organization
from portal.pairs.models import PairStatus
from portal.pairs.scans import ScanError
from portal.setting_up.licensing import LicenceError, answer_licence, licence_lines
from portal.settings import Settings, SettingsError
from portal.up.launch import Options, StartError, up
from portal.up.listener import ListenError
from portal.up.lock import AlreadyUp
from portal.up.private_redis import RedisUnavailable

# Errors that have a message for the person at the terminal.
EXPLAINED = (
    AccountError,
    AlreadyUp,
    BatchError,
    KeyRefused,
    LicenceError,
    ListenError,
    ManifestError,
    migrations.MigrationError,
    OrganizationError,
    RedisUnavailable,
    ReportError,
    ScanError,
    SettingsError,
    StartError,
)
COMMAND = Actor(None, "portal command")

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for everything the portal keeps.  [default: PORTAL_DATA_DIR, or data]",
)


class Commands(click.Group):
    """The commands, with errors shown in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EXPLAINED as error:
            raise click.ClickException(str(error)) from error
        except DBAPIError as error:
            raise click.ClickException(
                f"The database does not answer: {doctor.first_line(error.orig)}"
            ) from error


@click.group(cls=Commands, context_settings={"show_default": True})
def main() -> None:
    """Face Portal: enrol people by photo, search by photo, find people who were enrolled twice."""
    # Nobody else on this machine may read what the portal and its children write.
    os.umask(0o077)
    logs.configure()
    logging.getLogger().setLevel(logging.WARNING)


@main.command("up")
@click.option("--host", default="127.0.0.1", help="The address to listen on.")
@click.option("--port", default=8000, type=click.IntRange(0, 65535), help="The port; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [default: 1 per core, at most 4]")
@click.option("--demo", is_flag=True, help="Add an organization with a few people, ready to search.")
@data_dir_option
def up_command(host: str, port: int, workers: int | None, demo: bool, data_dir: Path | None) -> None:
    """Start everything in one: Redis, workers and web server. Ctrl-C stops all."""
    settings = Settings.from_environment(data_dir=data_dir)
    up(settings, Options(host, port, workers, demo), lambda line: click.echo(line))


@main.command("create-organization")
@click.argument("name")
@click.option("--slug", help="Its short name, for commands.  [default: made from NAME]")
@data_dir_option
def create_organization_command(name: str, slug: str | None, data_dir: Path | None) -> None:
    """Add an organization, and print its slug."""
    with _app(data_dir):
        organization = create_organization(db.session(), COMMAND, name, slug)
        click.echo(organization.slug)


@main.command("create-user")
@click.argument("email")
@click.option("--organization", "slug", required=True, help="The organization's slug.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--password-env", metavar="VAR", help="Read the password from this environment variable.")
@data_dir_option
def create_user_command(
    email: str, slug: str, role: str, password_env: str | None, data_dir: Path | None
) -> None:
    """Add a user to an organization. The password is asked for, twice, unless a variable holds it.

    Someone who already has an account becomes a member with that account, if this is its password.
    """
    with _app(data_dir, allowed=[password_env] if password_env else []):
        organization = _organization(slug)
        password = _password(password_env)
        user = create_user(db.session(), COMMAND, email, password, organization, Role(role))
        click.echo(f"{user.email} is {'an' if role[0] in 'ao' else 'a'} {role} of {organization.name}.")


@main.command("set-password")
@click.argument("email")
@click.option("--password-env", metavar="VAR", help="Read the password from this environment variable.")
@data_dir_option
def set_password_command(email: str, password_env: str | None, data_dir: Path | None) -> None:
    """Give a user who forgot theirs a new password; their open sessions end."""
    with _app(data_dir, allowed=[password_env] if password_env else []):
        user = reset_password(db.session(), COMMAND, email, _password(password_env))
        click.echo(f"{user.email} has a new password.")


@main.command("create-api-key")
@click.option("--organization", "slug", required=True, help="The organization's slug.")
@click.option("--name", required=True, help="What the audit calls it, such as the other program's name.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    default=[Scope.READ.value],
    help="What it may do; can be given several times. admin includes all the others.",
)
@click.option("--expires", "expires_days", type=int, metavar="DAYS", help="[default: it does not expire]")
@data_dir_option
def create_api_key_command(
    slug: str, name: str, scopes: tuple[str, ...], expires_days: int | None, data_dir: Path | None
) -> None:
    """Make an API key for another program, and print it. It is shown this once and stored nowhere."""
    with _app(data_dir):
        chosen = [Scope(scope) for scope in scopes]
        _, token = create_key(db.session(), _organization(slug), COMMAND, name, chosen, expires_days)
        click.echo(token)


@main.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--organization", "slug", required=True, help="The organization's slug.")
@click.option(
    "--grouping",
    type=click.Choice([grouping.value for grouping in Grouping]),
    help="Whether the folder or the file says who is on a photo.  [default: taken from the names]",
)
@click.option(
    "--label",
    type=click.Choice([label.value for label in Label]),
    help="What those names are.  [default: taken from the names]",
)
@click.option(
    "--known",
    type=click.Choice([known.value for known in KnownPeople]),
    default=KnownPeople.ADD.value,
    help="Add photos to people who are enrolled already, or skip those people.",
)
@data_dir_option
def import_command(
    path: Path, slug: str, grouping: str | None, label: str | None, known: str, data_dir: Path | None
) -> None:
    """Enrol many: a folder (one folder or one file per person), a ZIP, or a CSV manifest with its photos.

    Running it again is safe: photos that are already there are not enrolled twice, and an interrupted
    import goes on.
    """
    # While the portal is not up it is no news that Redis does not answer; the command says so at its end.
    logging.getLogger("portal.queues").setLevel(logging.ERROR)
    with _app(data_dir):
        organization = _organization(slug)
        import_and_watch(
            db.session(),
            organization,
            COMMAND,
            find_source(path),
            grouping=Grouping(grouping) if grouping else None,
            label=Label(label) if label else None,
            known=KnownPeople(known),
        )


@main.command("licence")
@click.option(
    "--confirm",
    type=click.Choice([LicenceChoice.RESEARCH.value, LicenceChoice.LICENSED.value]),
    help="Confirm: used for non-commercial research only, or with a licence of your own.",
)
@click.option("--decline", is_flag=True, help="Go on with YuNet and SFace; only before anybody is enrolled.")
@data_dir_option
def licence_command(confirm: str | None, decline: bool, data_dir: Path | None) -> None:
    """Show what the licence of the face model allows and what was answered, or answer."""
    if confirm and decline:
        raise click.UsageError("Give --confirm or --decline, not both.")
    with _app(data_dir):
        session = db.session()
        choice = LicenceChoice.DECLINED if decline else LicenceChoice(confirm) if confirm else None
        if choice:
            with writing(session):
                answer_licence(session, COMMAND, choice)
        for line in licence_lines(session):
            click.echo(line)


@main.command("scan-duplicates")
@click.option("--organization", "slug", required=True, help="The organization's slug.")
@data_dir_option
def scan_duplicates_command(slug: str, data_dir: Path | None) -> None:
    """Compare all people of an organization with each other, and say how many pairs may be one person."""
    logging.getLogger("portal.queues").setLevel(logging.ERROR)
    with _app(data_dir):
        if not scan_and_watch(db.session(), _organization(slug), COMMAND):
            raise click.exceptions.Exit(1)


@main.command("export-duplicates")
@click.option("--organization", "slug", required=True, help="The organization's slug.")
@click.option("--status", type=click.Choice([*(status.value for status in PairStatus), "all"]), default="all")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="As it was at the end of this day (UTC).")
@data_dir_option
def export_duplicates_command(slug: str, status: str, at: datetime | None, data_dir: Path | None) -> None:
    """Print the pairs of an organization as CSV."""
    with _app(data_dir):
        organization = _organization(slug)
        session = db.session()
        moment = end_of_day(at.date()) if at else None
        record_report(session, organization, COMMAND, moment)
        wanted = Filter(None if status == "all" else PairStatus(status))
        bands = bands_for_pairs(session, organization)
        for line in report_lines(session, organization, wanted, bands, moment):
            click.echo(line, nl=False)


@main.command("doctor")
@data_dir_option
def doctor_command(data_dir: Path | None) -> None:
    """Check every part of the portal: ok, or what to do."""
    if not doctor.report(Settings.from_environment(data_dir=data_dir), click.echo):
        raise click.exceptions.Exit(1)


@contextmanager
def _app(data_dir: Path | None, allowed: list[str] | None = None) -> Iterator[Flask]:
    """The app over a database that has the newest schema, and its context."""
    app = create_app(Settings.from_environment(data_dir=data_dir, allowed=allowed or ()))
    migrations.upgrade(app)
    with app.app_context():
        yield app


def _organization(slug: str) -> Organization:
    organization = find_organization(db.session(), slug)
    if organization is None:
        raise click.ClickException(
            f"There is no organization {slug!r}. Create it first: "
            f"portal create-organization NAME --slug {slug}"
        )
    return organization


def _password(variable: str | None) -> str:
    if variable is None:
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt="The same again")
        return password
    if not os.environ.get(variable):
        raise click.ClickException(f"The environment variable {variable} is not set.")
    return os.environ[variable]
