"""`portal scan-duplicates` on a terminal: a bar for what was compared, then what was found."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.installation.workers import live_workers
from portal.organizations.models import Organization
from portal.pairs.models import DuplicateScan
from portal.pairs.scans import start_scan, unfinished_scan
from portal.work.models import UNFINISHED, WorkState

POLL_S = 0.5


def scan_and_watch(session: Session, organization: Organization, actor: Actor) -> bool:
    """Compare all people with each other, show how far it is, and say what was found.

    Watches the scan that is under way, if there is one. Returns whether all went well. Raises ScanError.
    """
    console = Console()
    scan = unfinished_scan(session, organization) or start_scan(session, organization, actor)
    _watch(session, console, scan)
    if scan.state in UNFINISHED:
        console.print("The portal is not up. The scan runs when it starts: portal up")
    elif scan.state == WorkState.FAILED:
        console.print("The scan stopped three times and was set aside. See /duplicates/scans.")
        return False
    else:
        console.print(
            f"{'Cancelled after comparing' if scan.cancelled else 'Compared'} {scan.compared_faces:,} of "
            f"{scan.faces or 0:,} faces of {scan.people or 0:,} people ({scan.comparisons:,} comparisons): "
            f"{scan.pairs or 0:,} pairs at or above {scan.threshold:.3f}, {scan.new_pairs:,} of them new.",
            highlight=False,
            soft_wrap=True,
        )
    return True


def _watch(session: Session, console: Console, scan: DuplicateScan) -> None:
    """Watch until the scan has ended, or no worker processes it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("Faces compared", total=None)
        while True:
            session.rollback()  # the next check begins a transaction that sees what was committed meanwhile
            session.refresh(scan)
            bars.update(bar, total=scan.faces, completed=scan.compared_faces)
            if scan.state not in UNFINISHED or not live_workers(session):
                return
            time.sleep(POLL_S)
