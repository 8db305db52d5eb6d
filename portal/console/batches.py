"""`portal import` on a terminal: one bar for what is handed over, another for what the workers did."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.batches.announcing import naming_of
from portal.batches.importing import Source, find_photos, import_source
from portal.batches.models import Batch, ItemState, KnownPeople
from portal.batches.naming import Grouping, Label
from portal.batches.progress import Progress as BatchProgress
from portal.batches.progress import Status, progress_of
from portal.batches.reasons import words_of
from portal.installation.workers import live_workers
from portal.organizations.models import Organization
from portal.storage import photo_store

POLL_S = 0.5
MOVING = (Status.RECEIVING, Status.RUNNING)


def import_and_watch(
    session: Session,
    organization: Organization,
    actor: Actor,
    source: Source,
    *,
    grouping: Grouping | None,
    label: Label | None,
    known: KnownPeople,
) -> None:
    """Import a source, show how far it is, and say what became of it. Raises BatchError, ManifestError."""
    console = Console()
    paths = find_photos(source)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bars:
        handing = bars.add_task("Handed over", total=None)
        batch = import_source(
            session,
            organization,
            actor,
            source,
            paths,
            photo_store(),
            grouping=grouping,
            label=label,
            known=known,
            tell=lambda total, done: bars.update(handing, total=total, completed=done),
        )
        progress = _watch(session, batch, bars)
    naming = naming_of(batch)
    if naming is not None:
        who = {Grouping.FOLDER: "folder", Grouping.FILE: "file name"}[naming.grouping]
        what = {Label.EXTERNAL_ID: "external IDs", Label.NAME: "names of people"}[naming.label]
        console.print(f"Read as: the {who} says who is on a photo, by {what}.", highlight=False)
    _report(console, progress)


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


def _report(console: Console, progress: BatchProgress) -> None:
    counts = progress.counts
    states = [
        (ItemState.ENROLLED, "enrolled"),
        (ItemState.ADDED, "added to enrolled people"),
        (ItemState.ALREADY_THERE, "already there"),
        (ItemState.ATTENTION, "need attention"),
    ]
    parts = [f"{counts.states[state]:,} {words}" for state, words in states]
    if counts.on_the_way:
        parts.append(f"{counts.on_the_way:,} waiting")
    console.print(f"Batch {progress.batch.id}: {counts.total:,} photos: {', '.join(parts)}.", highlight=False)
    for (state, reason), count in sorted(counts.reasons.items(), key=lambda one: -one[1]):
        if state == ItemState.ATTENTION:
            console.print(f"  {count:,}: {words_of(reason)[0]}", highlight=False)
    for archive in progress.archives:
        if archive.problem:
            console.print(f"  {archive.file_name} can't be used: {archive.problem}", highlight=False)
    if progress.status in MOVING:
        console.print("The portal is not up. What is waiting is processed when it starts: portal up")
    elif counts.states[ItemState.ATTENTION] or counts.to_check:
        console.print(f"The page /enrol/{progress.batch.id} lists what to check.", highlight=False)
