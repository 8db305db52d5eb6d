"""The pass: every face that joins a gallery is compared with all the others, one pass at a time.

What was compared is a version of the gallery. A face that joined at a later version than another one is
compared with it when its own turn comes, so no two faces are missed, whoever enrolled them when.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from portal.database import execute_change, writing
from portal.organizations.models import Organization
from portal.pairs.locking import DuplicatePass, lock_pairs
from portal.photos.models import Face
from portal.queues import enqueue_comparison
from portal.work.claims import claim, finished, requeue, still_claimed
from portal.work.models import WorkState


@dataclass(frozen=True)
class NewFaces:
    """Faces to compare next: all that joined the gallery after `compared_version`, up to `version`."""

    version: int
    face_ids: list[int]
    person_ids: list[int]


def claim_pass(session: Session, worker: str, organization_id: int) -> DuplicatePass | None:
    """Claim the organization's pass; None if another worker has it, which will see new faces at its end."""
    with writing(session):
        claimed = lock_pairs(session, organization_id)
        if claimed.state not in (WorkState.QUEUED, WorkState.DONE):
            return None
        if claimed.state == WorkState.DONE:
            claimed.attempts = 0
            session.flush()
        claim(session, DuplicatePass, worker, [claimed.id])
        session.refresh(claimed)
    return claimed


def next_faces(
    session: Session, claimed: DuplicatePass, face_model_id: int, at_least: int
) -> NewFaces | None:
    """The faces that joined next, at least `at_least` if there are that many; None if there are none.

    Those of one version are not parted, so that a version is compared as a whole.
    """
    session.rollback()  # a transaction that began earlier would not see what joined since
    newest = session.scalars(
        select(Organization.gallery_version).where(Organization.id == claimed.organization_id)
    ).one()
    new = (
        select(Face.id, Face.person_id, Face.gallery_version)
        .where(
            Face.organization_id == claimed.organization_id,
            Face.face_model_id == face_model_id,
            Face.gallery_version > claimed.compared_version,
        )
        .order_by(Face.gallery_version, Face.id)
    )
    rows = session.execute(new.where(Face.gallery_version <= newest).limit(at_least)).all()
    if len(rows) == at_least:
        newest = rows[-1].gallery_version or 0
        rows = session.execute(new.where(Face.gallery_version <= newest)).all()
    if newest == claimed.compared_version:
        return None
    return NewFaces(newest, [row.id for row in rows], sorted({row.person_id for row in rows}))


def advance(session: Session, worker: str, claimed: DuplicatePass, version: int) -> None:
    """Remember how far was compared, in the transaction that writes the pairs. Raises LostPass."""
    there = execute_change(
        session,
        update(DuplicatePass)
        .where(*still_claimed(DuplicatePass, worker, [claimed.id]))
        # It made progress: what stopped its worker before, if anything, was not this part of it.
        .values(compared_version=version, attempts=1)
        .execution_options(synchronize_session=False),
    )
    if not there:
        raise LostPass
    session.refresh(claimed)


class LostPass(RuntimeError):
    """Another worker has the pass."""


def end_pass(session: Session, worker: str, claimed: DuplicatePass) -> None:
    """Give the pass back; if faces joined at the last moment, it is asked for again."""
    with writing(session):
        lock_pairs(session, claimed.organization_id)
        session.execute(
            update(DuplicatePass)
            .where(*still_claimed(DuplicatePass, worker, [claimed.id]))
            .values(**finished(WorkState.DONE))
            .execution_options(synchronize_session=False)
        )
    if is_behind(session, claimed.organization_id):
        enqueue_comparison(claimed.organization_id)


def is_behind(session: Session, organization_id: int) -> bool:
    """Whether an organization's gallery changed since it was compared."""
    return session.scalar(_behind().where(Organization.id == organization_id)) is not None


def enqueue_due(session: Session) -> None:
    """Ask for the passes that are due: called by the sweep."""
    idle = DuplicatePass.state.is_(None) | DuplicatePass.state.in_((WorkState.QUEUED, WorkState.DONE))
    waiting = _behind().where(idle)
    for organization_id in session.scalars(waiting):
        enqueue_comparison(organization_id)


def retry_pass(session: Session, organization: Organization) -> None:
    """Retry a pass that was set aside."""
    with writing(session):
        row = lock_pairs(session, organization.id)
        if row.state == WorkState.FAILED:
            requeue(row)
    enqueue_comparison(organization.id)


def is_set_aside(session: Session, organization: Organization) -> bool:
    """Whether the pass stopped its worker three times, and new people are not compared any more."""
    state = select(DuplicatePass.state).where(DuplicatePass.organization_id == organization.id)
    return session.scalar(state) == WorkState.FAILED


def _behind() -> Select[int]:
    return (
        select(Organization.id)
        # The row is made with the first pass.
        .outerjoin(DuplicatePass, DuplicatePass.organization_id == Organization.id)
        .where(Organization.gallery_version > func.coalesce(DuplicatePass.compared_version, 0))
    )
