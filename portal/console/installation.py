"""`portal up`, `portal doctor` and `portal licence`: the installation as a whole."""

from __future__ import annotations

from pathlib import Path

import click

from portal.console.common import COMMAND, answer, application
from portal.console.exit_codes import ExitCode
from portal.console.options import data_dir_option, example, json_option
from portal.database import writing
from portal.doctor import Finding, examine
from portal.extensions import db
from portal.installation.models import LicenceChoice
from portal.setting_up.licensing import Licence, answer_licence, current_licence, licence_lines
from portal.settings import Settings
from portal.up.launch import Options, up


@click.command("up", epilog=example("portal up --port 8080 --workers 2"))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port; 0 takes a free one.",
)
@click.option("--workers", type=click.IntRange(1), help="Worker processes.  [default: 1 per core, at most 4]")
@click.option("--demo", is_flag=True, help="Add an organization with a few people, ready to search.")
@data_dir_option
def up_command(host: str, port: int, workers: int | None, demo: bool, data_dir: Path | None) -> None:
    """Start everything in one: Redis, workers and web server.

    Ctrl-C stops all.
    """
    settings = Settings.from_environment(data_dir=data_dir)
    up(settings, Options(host, port, workers, demo), lambda line: click.echo(line))


@click.command("doctor", epilog=example("portal doctor --json"))
@json_option
@data_dir_option
@click.pass_context
def doctor_command(context: click.Context, as_json: bool, data_dir: Path | None) -> None:
    """Check every part of the portal: ok, or what to do.

    The exit code is 1 where something is to do.
    """
    findings: list[Finding] = []
    for finding in examine(Settings.from_environment(data_dir=data_dir)):
        findings.append(finding)
        if not as_json:
            click.echo(finding)
    well = all(finding.ok is not False for finding in findings)
    if as_json:
        parts = [{"part": each.part, "state": each.state, "text": each.text} for each in findings]
        answer("", {"ok": well, "findings": parts}, as_json=True)
    context.exit(ExitCode.DONE if well else ExitCode.FAILED)


@click.command("licence", epilog=example("portal licence --confirm research"))
@click.option(
    "--confirm",
    type=click.Choice([LicenceChoice.RESEARCH.value, LicenceChoice.LICENSED.value]),
    help="Confirm: used for non-commercial research only, or with a licence of your own.",
)
@click.option("--decline", is_flag=True, help="Go on with YuNet and SFace; only before anybody is enrolled.")
@json_option
@data_dir_option
def licence_command(confirm: str | None, decline: bool, as_json: bool, data_dir: Path | None) -> None:
    """Show what the licence of the face model allows, or answer it.

    Without an option it shows what was answered.
    """
    if confirm and decline:
        raise click.UsageError("Give --confirm or --decline, not both.")
    with application(data_dir):
        session = db.session()
        choice = LicenceChoice.DECLINED if decline else LicenceChoice(confirm) if confirm else None
        if choice:
            with writing(session):
                answer_licence(session, COMMAND, choice)
        lines, licence = licence_lines(session), current_licence(session)
        answer("\n".join(lines), _as_object(licence), as_json=as_json)


def _as_object(licence: Licence | None) -> dict[str, object]:
    if licence is None:
        return {"face_model": None, "licence": None, "allows": None, "to_confirm": False, "answer": None}
    return {
        "face_model": licence.model.name,
        "licence": licence.model.licence,
        "allows": licence.model.permitted_use,
        "to_confirm": licence.is_to_confirm,
        "answer": licence.answer and licence.answer.choice,
    }
