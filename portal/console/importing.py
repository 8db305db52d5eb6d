"""`portal import` of whatever there is: photos, an export, another system."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy.orm import Session

from portal.batches.columns import Column
from portal.batches.importing import find_photos, find_source, import_source
from portal.batches.list_lines import ManifestError
from portal.batches.manifest import UnclearColumns
from portal.batches.models import KnownPeople
from portal.batches.naming import Grouping, Label
from portal.batches.progress import Progress
from portal.console.batches import lines_of, object_of, something_was_not_taken, watched
from portal.console.common import (
    COMMAND,
    answer,
    application,
    from_environment,
    progress_bars,
    the_organization,
)
from portal.console.exit_codes import ExitCode
from portal.console.list_columns import columns_in, question_of
from portal.console.options import data_dir_option, example, json_option, organization_option
from portal.extensions import db
from portal.importers.compreface import CompreFace
from portal.importers.compreface_dump import read_dump
from portal.importers.feeding import Foreign, ImportFailed, attention, feed
from portal.importers.insightface_server import is_database, read_database
from portal.importers.pickled_faces import SUFFIXES as PICKLES
from portal.importers.pickled_faces import pickles_in, without_photos
from portal.organizations.models import Organization
from portal.storage import photo_store
from portal.transfer.importing import import_export
from portal.transfer.opening import is_export
from portal.transfer.report import NotTaken, counted, write_report

# Reasons that are said on the terminal; the report has all.
SHOWN = 20


@dataclass(frozen=True)
class Options:
    """How photos and lists are read and people met; None and ADD: as it is where nothing was said."""

    grouping: Grouping | None
    label: Label | None
    known: KnownPeople
    columns: Sequence[Column] | None = None


@dataclass(frozen=True)
class Imported:
    """What became of an import, for a reader and for a program.

    not_taken: what is not in a batch, or why it could not be read. attention: photos of the batch beyond.
    """

    lines: Sequence[str]
    result: Mapping[str, object]
    not_taken: Sequence[NotTaken]
    attention: Sequence[NotTaken] = ()
    is_partial: bool = False


@click.command("import", epilog=example("portal import photos/ --organization harbour --label external_id"))
@click.argument("source", metavar="PATH_OR_ADDRESS")
@organization_option
@click.option(
    "--grouping",
    type=click.Choice([grouping.value for grouping in Grouping]),
    help="Whether the folder, the file or both say who is on a photo.  [default: taken from the names]",
)
@click.option(
    "--label",
    type=click.Choice([label.value for label in Label]),
    help="What those names are.  [default: taken from the names]",
)
@click.option(
    "--columns",
    metavar="USE,USE,…",
    help="What the columns of the list are, from left to right: external_id, name, first_name, last_name, "
    "photo, or - for one that is not used.  [default: taken from the header]",
)
@click.option(
    "--known",
    type=click.Choice([known.value for known in KnownPeople]),
    default=KnownPeople.ADD.value,
    show_default=True,
    help="Add photos to people who are enrolled already, or skip those people.",
)
@click.option("--api-key-env", metavar="VAR", help="CompreFace: its API key is in this environment variable.")
@click.option("--collection", help="CompreFace's dump, InsightFace Server: which of several collections.")
@click.option(
    "--report",
    metavar="FILE.csv",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what could not be taken, and why, to this file.",
)
@json_option
@data_dir_option
@click.pass_context
def import_command(
    context: click.Context,
    source: str,
    slug: str,
    grouping: str | None,
    label: str | None,
    columns: str | None,
    known: str,
    api_key_env: str | None,
    collection: str | None,
    report: Path | None,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Enrol many: from photos, an export or another system.

    Photos come in a folder or a ZIP with one folder or one file per person, or with a list (Excel,
    OpenDocument, CSV). Other things are known by themselves: an export of a portal (.zip), CompreFace (its
    address, or a dump, .sql), a folder of DeepFace or face_recognition with its pickles, the database of an
    InsightFace Server.

    Running it again is safe: photos that are already there are not enrolled twice, and an interrupted import
    goes on. The exit code is 3 where something is not taken or photos need attention.
    """
    # While the portal is not up it is no news that Redis does not answer; the command says so at its end.
    logging.getLogger("portal.queues").setLevel(logging.ERROR)
    options = Options(
        Grouping(grouping) if grouping else None,
        Label(label) if label else None,
        KnownPeople(known),
        columns_in(columns),
    )
    with application(data_dir, allowed=[api_key_env] if api_key_env else []):
        organization = the_organization(slug)
        api_key = from_environment(api_key_env) if api_key_env else None
        if report is not None:
            _write(report, [])  # before anything is done, if it can't be written
        with ExitStack() as system:
            done = _import(db.session(), organization, source, options, api_key, collection, system)
        if report is not None:
            _write(report, [*done.not_taken, *done.attention])
        counts = counted(done.not_taken)
        not_taken = [{"what": what, "reason": reason, "count": count} for (what, reason), count in counts]
        answer(
            "\n".join([*done.lines, *_lines(counts, report)]),
            {**done.result, "not_taken": not_taken},
            as_json=as_json,
        )
        context.exit(ExitCode.PARTLY if done.is_partial or done.not_taken else ExitCode.DONE)


def _import(
    session: Session,
    organization: Organization,
    source: str,
    options: Options,
    api_key: str | None,
    collection: str | None,
    system: ExitStack,
) -> Imported:
    """Take what is at a path or an address, whatever it is. Raises what the importers raise.

    system: closes the connection to another system, if there is one.
    """
    path = Path(source).expanduser()
    foreign = _foreign(source, api_key, collection, system)
    if foreign is None and collection is not None:
        raise click.UsageError(
            "--collection is for a dump of CompreFace and the database of an InsightFace Server."
        )
    export = foreign is None and is_export(path)
    if (foreign or export) and (options.grouping or options.label):
        raise click.UsageError("--grouping and --label are for photos whose names say who is on them.")
    if (foreign or export) and options.columns:
        raise click.UsageError("--columns is for a list with photos.")
    if export and options.known != KnownPeople.ADD:
        raise click.UsageError(
            "--known is not for exports: what is missing of people who are here is added to them."
        )
    if foreign is not None:
        return _import_foreign(session, organization, foreign, options.known)
    if export:
        return _import_export(session, organization, path)
    return _import_photos(session, organization, path, options)


def _foreign(source: str, api_key: str | None, collection: str | None, system: ExitStack) -> Foreign | None:
    """What another system has, if this is one; None for what the portal itself reads."""
    if source.startswith(("http://", "https://")):
        if api_key is None:
            raise click.UsageError(
                "Put the API key of CompreFace into a variable, and name it with --api-key-env."
            )
        return system.enter_context(CompreFace(source, api_key)).read()
    if api_key is not None:
        raise click.UsageError("--api-key-env is for the address of a CompreFace.")
    path = Path(source).expanduser().resolve()
    if path.suffix.lower() == ".sql" and path.is_file():
        return read_dump(path, collection)
    if path.is_file() and is_database(path):
        return read_database(path, collection)
    return None


def _import_foreign(
    session: Session, organization: Organization, foreign: Foreign, known: KnownPeople
) -> Imported:
    not_taken: list[NotTaken] = []
    progress = watched(
        session,
        lambda tell: feed(session, organization, COMMAND, foreign, known, photo_store(), tell, not_taken),
    )
    return _of_batch(session, progress, not_taken)


def _import_photos(session: Session, organization: Organization, path: Path, options: Options) -> Imported:
    where = find_source(path.parent if path.suffix.lower() in PICKLES else path)
    if options.columns and where.manifest is None:
        raise click.UsageError("--columns is for a list with photos that lie in a folder.")
    try:
        photos = find_photos(where, options.columns)
    except UnclearColumns as unclear:
        raise ManifestError(question_of(unclear)) from unclear
    pickles = pickles_in(where.folder) if where.path == where.folder else []
    not_taken = without_photos(pickles, where.folder, photos)
    progress = watched(
        session,
        lambda tell: import_source(
            session,
            organization,
            COMMAND,
            where,
            photos,
            photo_store(),
            grouping=options.grouping,
            label=options.label,
            known=options.known,
            tell=tell,
            columns=options.columns,
        ),
    )
    return _of_batch(session, progress, not_taken)


def _of_batch(session: Session, progress: Progress, not_taken: Sequence[NotTaken]) -> Imported:
    return Imported(
        lines_of(progress),
        object_of(progress),
        not_taken,
        attention(session, progress.batch, not_taken),
        something_was_not_taken(progress),
    )


def _import_export(session: Session, organization: Organization, path: Path) -> Imported:
    with progress_bars() as tell:
        taken, same_model = import_export(session, organization, COMMAND, path, photo_store(), tell)
    line = f"Taken: {taken.people:,} people, {taken.photos:,} photos, {taken.pairs:,} pairs."
    if not same_model:
        line += " The face model is another one: the photos wait for the workers, who look at them again."
    elif taken.queued:
        line += f" {taken.queued:,} photos had not been processed, and wait for the workers."
    result = {
        "people": taken.people,
        "photos": taken.photos,
        "pairs": taken.pairs,
        "waiting": taken.queued,
        "same_face_model": same_model,
    }
    return Imported([line], result, taken.not_taken)


def _lines(counts: Sequence[tuple[tuple[str, str], int]], report: Path | None) -> list[str]:
    """How many were not taken for which reason."""
    if not counts:
        return []
    return [
        f"Not taken: {sum(count for _, count in counts):,}.",
        *(f"  {count:,} × {what}: {reason}" for (what, reason), count in counts[:SHOWN]),
        f"All of it is in {report}." if report else "Run it again with --report FILE.csv for a list.",
    ]


def _write(report: Path, rows: Sequence[NotTaken]) -> None:
    try:
        write_report(report, rows)
    except OSError as error:
        raise ImportFailed(f"The report {report} can't be written: {error.strerror or error}.") from error
