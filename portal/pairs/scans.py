"""Scans: all people of an organization compared with each other, from where the last worker was."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.database import Gone, now, writing
from portal.installation.thresholds import thresholds_of
from portal.locks import lock
from portal.organizations.models import Organization
from portal.organizations.services import record_settings
from portal.pairs.finding import add_event
from portal.pairs.groups import regroup
from portal.pairs.locking import lock_pairs
from portal.pairs.models import DuplicatePair, DuplicateScan, PairEventKind, PairStatus
from portal.people.aliases import alias_ids
from portal.queues import enqueue_scan
from portal.webhooks.models import Event
from portal.webhooks.outbox import emit
from portal.work.claims import claim, finished, lock_claimed, lock_queued, requeue, still_claimed
from portal.work.models import UNFINISHED, WorkState

SCANS_SHOWN = 10
TIMETABLE = Actor(None, "timetable")
# A nightly scan is not started again within its hour, nor late on the next day for the one before.
NIGHTLY_EVERY = timedelta(hours=20)


class ScanError(ValueError):
    """Why a scan can't be started or cancelled, in words for staff."""


def start_scan(session: Session, organization: Organization, actor: Actor) -> DuplicateScan:
    """Start a scan of all people of an organization. Raises ScanError if one is under way."""
    thresholds = thresholds_of(session, organization)
    if thresholds is None:
        raise ScanError(
            "There is nobody to compare yet: no face model has been chosen, and no photo processed."
        )
    with writing(session):
        lock_pairs(session, organization.id)
        _refuse_second(session, organization)
        scan = _new_scan(session, organization, actor, thresholds.duplicates)
    enqueue_scan(scan.id)
    return scan


def _refuse_second(session: Session, organization: Organization) -> None:
    if unfinished_scan(session, organization) is not None:
        raise ScanError("A scan is already under way. Wait for it, or cancel it.")


def _new_scan(session: Session, organization: Organization, actor: Actor, threshold: float) -> DuplicateScan:
    scan = DuplicateScan(
        organization_id=organization.id,
        started_by_id=actor.user_id,
        started_by=actor.name,
        threshold=threshold,
    )
    session.add(scan)
    session.flush()
    _record(session, actor, Action.SCAN_STARTED, scan)
    return scan


def cancel_scan(session: Session, actor: Actor, scan: DuplicateScan) -> None:
    """End a scan where it is; the pairs that it found stay. Raises ScanError, and Gone."""
    with writing(session):
        lock_pairs(session, scan.organization_id)
        lock(session, scan)
        if scan.state not in UNFINISHED:
            raise ScanError("This scan has already ended.")
        scan.cancelled = True
        if scan.state == WorkState.QUEUED:
            scan.state, scan.finished_at = WorkState.DONE, now()
            _tell(session, scan.organization_id, scan.id, "cancelled")
        _record(session, actor, Action.SCAN_CANCELLED, scan)


def retry_scan(session: Session, organization: Organization, actor: Actor, scan: DuplicateScan) -> None:
    """Go on with a scan that was set aside, from where it was. Raises ScanError, and Gone."""
    with writing(session):
        lock_pairs(session, organization.id)
        _refuse_second(session, organization)
        lock(session, scan)
        if scan.state != WorkState.FAILED:
            raise ScanError("This scan is not set aside.")
        requeue(scan)
        _record(session, actor, Action.SCAN_STARTED, scan)
    enqueue_scan(scan.id)


def find_scan(session: Session, organization: Organization, scan_id: int) -> DuplicateScan | None:
    """A scan of this organization; None for one that is not there or another's."""
    return session.scalar(
        select(DuplicateScan).where(
            DuplicateScan.id == scan_id, DuplicateScan.organization_id == organization.id
        )
    )


def latest_scans(session: Session, organization: Organization) -> list[DuplicateScan]:
    """The organization's last scans, newest first."""
    return list(
        session.scalars(
            select(DuplicateScan)
            .where(DuplicateScan.organization_id == organization.id)
            .order_by(DuplicateScan.id.desc())
            .limit(SCANS_SHOWN)
        )
    )


def unfinished_scan(session: Session, organization: Organization) -> DuplicateScan | None:
    """The scan that is under way, or waits for a worker."""
    return session.scalar(
        select(DuplicateScan).where(
            DuplicateScan.organization_id == organization.id,
            DuplicateScan.state.in_(UNFINISHED),
            ~DuplicateScan.cancelled,
        )
    )


def schedule_scans(session: Session, organization: Organization, actor: Actor, hour: int | None) -> None:
    """Have a scan started every night at an hour (0-23, UTC), or never. Raises ScanError."""
    if hour is not None and hour not in range(24):
        raise ScanError("The hour is a number from 0 to 23.")
    with writing(session):
        lock(session, organization)
        if organization.scan_hour == hour:
            return
        record_settings(session, organization, actor, {"scan_hour": [organization.scan_hour, hour]})
        organization.scan_hour = hour


def apply_threshold(
    session: Session, organization: Organization, actor: Actor, before: float, threshold: float
) -> DuplicateScan | None:
    """Judge pairs by a changed threshold, in the caller's transaction, which holds the pairs.

    Open pairs below it no longer need a decision. If it was lowered, a scan finds pairs that were not kept
    before; a scan that is under way begins again. Returns the scan, to be asked for.
    """
    low, high = sorted((before, threshold))
    of_organization = DuplicatePair.organization_id == organization.id
    other_side = (
        of_organization,
        DuplicatePair.status == PairStatus.OPEN,
        DuplicatePair.score.between(low, high),
    )
    session.execute(
        update(DuplicatePair)
        .where(of_organization)
        .values(threshold=threshold)
        .execution_options(synchronize_session=False)
    )
    moved = session.scalars(
        select(DuplicatePair).where(*other_side).execution_options(populate_existing=True)
    ).all()
    for pair in moved:
        add_event(session, pair, PairEventKind.THRESHOLD, actor.name, actor.user_id)
    regroup(session, organization.id, {person for pair in moved for person in (pair.a_id, pair.b_id)})
    if threshold > before:
        return None
    scan = unfinished_scan(session, organization)
    if scan is not None:
        lock(session, scan)
    if scan is None or scan.cancelled:
        return _new_scan(session, organization, actor, threshold)
    scan.threshold = threshold
    scan.compared_face_id = scan.compared_faces = scan.comparisons = 0
    return scan


def claim_scan(session: Session, worker: str, scan_id: int) -> DuplicateScan | None:
    """Claim a scan that waits; None if it is gone, ended, cancelled or someone else's."""
    with writing(session):
        scan = lock_queued(session, DuplicateScan, scan_id)
        if scan is None:
            return None
        claim(session, DuplicateScan, worker, [scan_id])
        session.refresh(scan)
    return scan


def is_still_claimed(session: Session, worker: str, scan: DuplicateScan) -> bool:
    """Lock a claimed scan in the caller's transaction; False if it is cancelled or another worker's."""
    found = lock_claimed(session, DuplicateScan, worker, scan.id)
    return found is not None and not found.cancelled


def end_scan(session: Session, worker: str, scan: DuplicateScan) -> None:
    """Close a scan that is through, or was cancelled, with how many pairs there are now.

    In the transaction of its last part: nothing can make it begin again in between.
    """
    aliases = alias_ids(session.get_one(Organization, scan.organization_id))
    pairs = select(func.count()).where(
        DuplicatePair.organization_id == scan.organization_id,
        DuplicatePair.score >= scan.threshold,
        # The survivor has the pairs of those who were merged into them.
        DuplicatePair.a_id.not_in(aliases),
        DuplicatePair.b_id.not_in(aliases),
    )
    ended = session.scalars(
        update(DuplicateScan)
        .where(*still_claimed(DuplicateScan, worker, [scan.id]))
        .values(pairs=pairs.scalar_subquery(), **finished(WorkState.DONE))
        .returning(DuplicateScan.cancelled)
        .execution_options(synchronize_session=False)
    )
    for cancelled in ended.all():
        _tell(session, scan.organization_id, scan.id, "cancelled" if cancelled else "done")


def note_set_aside(session: Session, scan_ids: Sequence[int]) -> None:
    """Tell of scans that stopped their workers too often, in the transaction that set them aside."""
    scans = select(DuplicateScan).where(DuplicateScan.id.in_(scan_ids)).order_by(DuplicateScan.id)
    for scan in session.scalars(scans):
        _tell(session, scan.organization_id, scan.id, "failed")


def enqueue_due(session: Session) -> None:
    """Ask for the scans that wait, and start the nightly ones: called by the sweep."""
    for scan_id in session.scalars(
        select(DuplicateScan.id).where(DuplicateScan.state == WorkState.QUEUED).order_by(DuplicateScan.id)
    ):
        enqueue_scan(scan_id)
    moment = now()
    lately = select(DuplicateScan.id).where(
        DuplicateScan.organization_id == Organization.id,
        (DuplicateScan.created_at > moment - NIGHTLY_EVERY) & (DuplicateScan.started_by == TIMETABLE.name)
        | DuplicateScan.state.in_(UNFINISHED),
    )
    due = select(Organization).where(Organization.scan_hour == moment.hour, ~lately.exists())
    for organization in session.scalars(due).all():
        # A member was faster, or the organization has just been deleted.
        with suppress(ScanError, Gone):
            start_scan(session, organization, TIMETABLE)


def _tell(session: Session, organization_id: int, scan_id: int, state: str) -> None:
    emit(session, organization_id, Event.SCAN_DONE, [{"scan_id": scan_id, "state": state}])


def _record(session: Session, actor: Actor, action: Action, scan: DuplicateScan) -> None:
    record(
        session,
        actor,
        action,
        organization_id=scan.organization_id,
        subject_type="duplicate_scan",
        subject_id=scan.id,
    )
