"""`portal import`: one bar for what is handed over, another for what the workers did."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.progress import Progress
from sqlalchemy.orm import Session

from portal.batches.announcing import naming_of
from portal.batches.importing import Source, find_photos, find_source, import_source
from portal.batches.models import Batch, ItemState, KnownPeople
from portal.batches.naming import Grouping, Label, Naming
from portal.batches.progress import Progress as BatchProgress
from portal.batches.progress import Status, progress_of
from portal.batches.reasons import words_of
from portal.console.common import COMMAND, answer, application, progress_bars, the_organization
from portal.console.exit_codes import ExitCode
from portal.console.options import data_dir_option, example, json_option, organization_option
from portal.extensions import db
from portal.installation.workers import live_workers
from portal.organizations.models import Organization
from portal.storage import photo_store

# Told how many photos there are, and how many were handed over.
Tell = Callable[[int, int], None]

POLL_S = 0.5
MOVING = (Status.RECEIVING, Status.RUNNING)
STATES = {
    ItemState.ENROLLED: "enrolled",
    ItemState.ADDED: "added to enrolled people",
    ItemState.ALREADY_THERE: "already there",
    ItemState.ATTENTION: "need attention",
}


@click.command("import", epilog=example("portal import photos/ --organization harbour --label external_id"))
@click.argument("path", type=click.Path(path_type=Path))
@organization_option
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
    show_default=True,
    help="Add photos to people who are enrolled already, or skip those people.",
)
@json_option
@data_dir_option
@click.pass_context
def import_command(
    context: click.Context,
    path: Path,
    slug: str,
    grouping: str | None,
    label: str | None,
    known: str,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    """Enrol many: a folder, a ZIP, or a CSV manifest with its photos.

    A folder or a ZIP has one folder or one file per person. Running it again is safe: photos that are already
    there are not enrolled twice, and an interrupted import goes on. The exit code is 3 where photos need
    attention.
    """
    # While the portal is not up it is no news that Redis does not answer; the command says so at its end.
    logging.getLogger("portal.queues").setLevel(logging.ERROR)
    with application(data_dir):
        progress = _import_and_watch(
            db.session(),
            the_organization(slug),
            find_source(path),
            grouping=Grouping(grouping) if grouping else None,
            label=Label(label) if label else None,
            known=KnownPeople(known),
        )
        naming = naming_of(progress.batch)
        answer("\n".join(_lines(progress, naming)), _as_object(progress, naming), as_json=as_json)
        context.exit(ExitCode.PARTLY if _something_was_not_taken(progress) else ExitCode.DONE)


def _import_and_watch(
    session: Session,
    organization: Organization,
    source: Source,
    *,
    grouping: Grouping | None,
    label: Label | None,
    known: KnownPeople,
) -> BatchProgress:
    """Import a source and show how far it is. Raises BatchError, ManifestError."""
    paths = find_photos(source)

    def hand_over(tell: Tell) -> Batch:
        return import_source(
            session,
            organization,
            COMMAND,
            source,
            paths,
            photo_store(),
            grouping=grouping,
            label=label,
            known=known,
            tell=tell,
        )

    return _watched(session, hand_over)


def _watched(session: Session, hand_over: Callable[[Tell], Batch]) -> BatchProgress:
    """Hand a batch over, and show how far that and the workers are."""
    with progress_bars() as bars:
        handing = bars.add_task("Handed over", total=None)
        batch = hand_over(lambda total, done: bars.update(handing, total=total, completed=done))
        return _watch(session, batch, bars)


def _watch(session: Session, batch: Batch, bars: Progress) -> BatchProgress:
    """Watch until the batch is at rest, or no worker processes it."""
    working = bars.add_task("Processed", total=None)
    while True:
        session.rollback()  # the next check begins a transaction that sees what was committed meanwhile
        session.expire_all()
        progress = progress_of(session, batch)
        ended = progress.counts.total - progress.counts.on_the_way
        bars.update(working, total=progress.counts.total, completed=ended)
        if progress.status not in MOVING or not live_workers(session):
            return progress
        time.sleep(POLL_S)


def _something_was_not_taken(progress: BatchProgress) -> bool:
    return bool(progress.counts.states[ItemState.ATTENTION] or _unusable_archives(progress))


def _lines(progress: BatchProgress, naming: Naming | None) -> list[str]:
    lines = []
    if naming is not None:
        who = {Grouping.FOLDER: "folder", Grouping.FILE: "file name"}[naming.grouping]
        what = {Label.EXTERNAL_ID: "external IDs", Label.NAME: "names of people"}[naming.label]
        lines.append(f"Read as: the {who} says who is on a photo, by {what}.")
    counts = progress.counts
    parts = [f"{counts.states[state]:,} {words}" for state, words in STATES.items()]
    if counts.on_the_way:
        parts.append(f"{counts.on_the_way:,} waiting")
    lines.append(f"Batch {progress.batch.id}: {counts.total:,} photos: {', '.join(parts)}.")
    lines += [f"  {count:,}: {words_of(reason)[0]}" for reason, count in _reasons(progress).items()]
    lines += [f"  {name} can't be used: {problem}" for name, problem in _unusable_archives(progress).items()]
    if progress.status in MOVING:
        lines.append("The portal is not up. What is waiting is processed when it starts: portal up")
    elif counts.states[ItemState.ATTENTION] or counts.to_check:
        lines.append(f"The page /enrol/{progress.batch.id} lists what to check.")
    return lines


def _as_object(progress: BatchProgress, naming: Naming | None) -> dict[str, object]:
    return {
        "batch_id": progress.batch.id,
        "status": progress.status,
        "photos": progress.counts.total,
        **{state.value: progress.counts.states[state] for state in STATES},
        "waiting": progress.counts.on_the_way,
        "reasons": _reasons(progress),
        "unusable_archives": _unusable_archives(progress),
        "read_as": naming and {"grouping": naming.grouping, "label": naming.label},
    }


def _reasons(progress: BatchProgress) -> dict[str, int]:
    """Why photos need attention, by code, most frequent first."""
    found = [
        (reason, count)
        for (state, reason), count in progress.counts.reasons.items()
        if state == ItemState.ATTENTION
    ]
    return dict(sorted(found, key=lambda one: -one[1]))


def _unusable_archives(progress: BatchProgress) -> dict[str, str]:
    """ZIPs that can't be used, by their names, and why."""
    return {archive.file_name: archive.problem for archive in progress.archives if archive.problem}
