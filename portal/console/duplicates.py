"""`portal scan-duplicates` and `portal export-duplicates`."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy.orm import Session

from portal.calibration.services import bands_for_pairs
from portal.console.common import COMMAND, answer, application, progress_bars, the_organization
from portal.console.options import data_dir_option, example, json_option, organization_option
from portal.duplicates.pairs import Filter
from portal.duplicates.report import end_of_day, record_report, report_lines
from portal.extensions import db
from portal.installation.workers import live_workers
from portal.pairs.models import DuplicateScan, PairStatus
from portal.pairs.scans import start_scan, unfinished_scan
from portal.work.models import UNFINISHED, WorkState

POLL_S = 0.5


@click.command("scan-duplicates", epilog=example("portal scan-duplicates --organization harbour"))
@organization_option
@json_option
@data_dir_option
def scan_duplicates_command(slug: str, as_json: bool, data_dir: Path | None) -> None:
    """Compare all people of an organization with each other.

    Says how many pairs may be one person. Where a scan is under way already, it watches that one.
    """
    logging.getLogger("portal.queues").setLevel(logging.ERROR)
    with application(data_dir):
        session, organization = db.session(), the_organization(slug)
        scan = unfinished_scan(session, organization) or start_scan(session, organization, COMMAND)
        _watch(session, scan)
        failed = scan.state == WorkState.FAILED
        if as_json or not failed:
            answer(_words(scan), _as_object(scan), as_json=as_json)
        if failed:
            raise click.ClickException(
                "The scan stopped three times and was set aside. See /duplicates/scans."
            )


@click.command(
    "export-duplicates", epilog=example("portal export-duplicates --organization harbour > pairs.csv")
)
@organization_option
@click.option(
    "--status",
    type=click.Choice([*(status.value for status in PairStatus), "all"]),
    default="all",
    show_default=True,
    help="Which pairs.",
)
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="As it was at the end of this day (UTC).")
@data_dir_option
def export_duplicates_command(slug: str, status: str, at: datetime | None, data_dir: Path | None) -> None:
    """Print the pairs of an organization as CSV."""
    with application(data_dir):
        organization = the_organization(slug)
        session = db.session()
        moment = end_of_day(at.date()) if at else None
        record_report(session, organization, COMMAND, moment)
        wanted = Filter(None if status == "all" else PairStatus(status))
        bands = bands_for_pairs(session, organization)
        for line in report_lines(session, organization, wanted, bands, moment):
            click.echo(line, nl=False)


def _watch(session: Session, scan: DuplicateScan) -> None:
    """Watch until the scan has ended, or no worker processes it."""
    with progress_bars() as tell:
        while True:
            session.rollback()  # the next check begins a transaction that sees what was committed meanwhile
            session.refresh(scan)
            tell("Faces compared", scan.faces, scan.compared_faces)
            if scan.state not in UNFINISHED or not live_workers(session):
                return
            time.sleep(POLL_S)


def _words(scan: DuplicateScan) -> str:
    if scan.state in UNFINISHED:
        return "The portal is not up. The scan runs when it starts: portal up"
    return (
        f"{'Cancelled after comparing' if scan.cancelled else 'Compared'} {scan.compared_faces:,} of "
        f"{scan.faces or 0:,} faces of {scan.people or 0:,} people ({scan.comparisons:,} comparisons): "
        f"{scan.pairs or 0:,} pairs at or above {scan.threshold:.3f}, {scan.new_pairs:,} of them new."
    )


def _as_object(scan: DuplicateScan) -> dict[str, object]:
    return {
        "scan_id": scan.id,
        "status": scan.state,
        "cancelled": bool(scan.cancelled),
        "people": scan.people,
        "faces": scan.faces,
        "compared_faces": scan.compared_faces,
        "comparisons": scan.comparisons,
        "threshold": scan.threshold,
        "pairs": scan.pairs,
        "new_pairs": scan.new_pairs,
    }
