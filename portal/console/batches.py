"""A batch at the terminal: one bar for what is handed over, another for what the workers did."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.orm import Session

from portal.batches.announcing import naming_of
from portal.batches.models import Batch, ItemState
from portal.batches.naming import Grouping, Label
from portal.batches.progress import Progress, Status, progress_of
from portal.batches.reasons import words_of
from portal.console.common import Tell, progress_bars
from portal.installation.workers import live_workers

POLL_S = 0.5
MOVING = (Status.RECEIVING, Status.RUNNING)
WHO = {
    Grouping.FOLDER: "folder",
    Grouping.FILE: "file name",
    Grouping.BOTH: "folder and file name together",
}
WHAT = {
    Label.EXTERNAL_ID: "external IDs",
    Label.NAME: "names of people",
    Label.ID_NAME: "external IDs with names behind them",
    Label.NAME_ID: "names with external IDs behind them",
}
STATES = {
    ItemState.ENROLLED: "enrolled",
    ItemState.ADDED: "added to enrolled people",
    ItemState.ALREADY_THERE: "already there",
    ItemState.ATTENTION: "need attention",
}


def watched(session: Session, hand_over: Callable[[Callable[[int, int], None]], Batch]) -> Progress:
    """Hand a batch over, and show how far that and the workers are.

    hand_over: calls what it is given with how many photos there are, and how many were handed over.
    """
    with progress_bars() as tell:
        batch = hand_over(partial(tell, "Handed over"))
        return _watch(session, batch, tell)


def _watch(session: Session, batch: Batch, tell: Tell) -> Progress:
    """Watch until the batch is at rest, or no worker processes it."""
    while True:
        session.rollback()  # the next check begins a transaction that sees what was committed meanwhile
        session.expire_all()
        progress = progress_of(session, batch)
        ended = progress.counts.total - progress.counts.on_the_way
        tell("Processed", progress.counts.total, ended)
        if progress.asks or progress.status not in MOVING or not live_workers(session):
            return progress
        time.sleep(POLL_S)


def something_was_not_taken(progress: Progress) -> bool:
    """Whether photos need attention, or a ZIP can't be used."""
    return bool(progress.counts.states[ItemState.ATTENTION] or _unusable_archives(progress))


def lines_of(progress: Progress) -> list[str]:
    """What became of a batch, for a reader."""
    lines, naming = [], naming_of(progress.batch)
    if naming is not None:
        lines.append(f"Read as: the {WHO[naming.grouping]} says who is on a photo, by {WHAT[naming.label]}.")
    counts = progress.counts
    parts = [f"{counts.states[state]:,} {words}" for state, words in STATES.items()]
    if counts.on_the_way:
        parts.append(f"{counts.on_the_way:,} waiting")
    lines.append(f"Batch {progress.batch.id}: {counts.total:,} photos: {', '.join(parts)}.")
    lines += [f"  {count:,}: {words_of(reason)[0]}" for reason, count in _reasons(progress).items()]
    lines += [
        f"  {archive.file_name} waits: say on the batch's page in which letters its names are written."
        for archive in progress.archives
        if archive.asks
    ]
    lines += [f"  {name} can't be used: {problem}" for name, problem in _unusable_archives(progress).items()]
    if progress.status in MOVING:
        lines.append("The portal is not up. What is waiting is processed when it starts: portal up")
    elif counts.states[ItemState.ATTENTION] or counts.to_check:
        lines.append(f"The page /enrol/{progress.batch.id} lists what to check.")
    return lines


def object_of(progress: Progress) -> dict[str, object]:
    """What became of a batch, for a program."""
    naming = naming_of(progress.batch)
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


def _reasons(progress: Progress) -> dict[str, int]:
    """Why photos need attention, by code, most frequent first."""
    found = [
        (reason, count)
        for (state, reason), count in progress.counts.reasons.items()
        if state == ItemState.ATTENTION
    ]
    return dict(sorted(found, key=lambda one: -one[1]))


def _unusable_archives(progress: Progress) -> dict[str, str]:
    """ZIPs that can't be used, by their names, and why."""
    return {archive.file_name: archive.problem for archive in progress.archives if archive.problem}
