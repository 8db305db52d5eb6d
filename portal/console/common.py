"""What commands have in common: the app they run in, what is asked for, and how they say what they did."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from portal import create_app, migrations
from portal.audit.services import Actor
from portal.extensions import db
from portal.organizations.models import Organization
from portal.organizations.services import find_organization
from portal.settings import Settings

COMMAND = Actor(None, "portal command")
# What is done, how many there are (None: not known yet), and how many are done.
Tell = Callable[[str, int | None, int], None]


def answer(words: str, result: Mapping[str, object], *, as_json: bool) -> None:
    """Print what was done: for a reader, or for a program."""
    click.echo(json.dumps(result, ensure_ascii=False) if as_json else words)


@contextmanager
def progress_bars() -> Iterator[Tell]:
    """Bars on standard error, where that is a terminal: one for each thing that is told of."""
    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bars:

        def tell(what: str, total: int | None, done: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=None)
            bars.update(tasks[what], total=total, completed=done)

        yield tell


@contextmanager
def application(data_dir: Path | None, allowed: list[str] | None = None) -> Iterator[Flask]:
    """The app over a database that has the newest schema, and its context."""
    app = create_app(Settings.from_environment(data_dir=data_dir, allowed=allowed or ()))
    migrations.upgrade(app)
    with app.app_context():
        yield app


def the_organization(slug: str) -> Organization:
    """The organization that `--organization` names. Raises ClickException where there is none."""
    organization = find_organization(db.session(), slug)
    if organization is None:
        raise click.ClickException(
            f"There is no organization {slug!r}. Create it first: "
            f"portal create-organization NAME --slug {slug}"
        )
    return organization


def the_password(variable: str | None) -> str:
    """What an environment variable holds, or what is typed in, twice. Raises ClickException."""
    if variable is None:
        password: str = click.prompt(
            "Password", hide_input=True, confirmation_prompt="The same again", err=True
        )
        return password
    return from_environment(variable)


def from_environment(variable: str) -> str:
    """What an environment variable holds. Raises ClickException if that is nothing."""
    if not os.environ.get(variable):
        raise click.ClickException(f"The environment variable {variable} is not set.")
    return os.environ[variable]
