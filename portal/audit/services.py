"""Writing the audit trail; `portal.web.audit.reading` reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent


class Action(StrEnum):
    """Everything that is written down; `portal.audit.words` has the sentence for staff."""

    ORGANIZATION_CREATED = "organization.created"
    SETTINGS_CHANGED = "organization.settings_changed"
    SIGNED_IN = "session.signed_in"
    SIGN_IN_REFUSED = "session.sign_in_refused"
    SIGNED_OUT = "session.signed_out"
    ORGANIZATION_SWITCHED = "session.organization_switched"
    PASSWORD_CHANGED = "user.password_changed"
    USER_CREATED = "user.created"
    MEMBER_ADDED = "member.added"
    MEMBER_INVITED = "member.invited"
    INVITATION_REVOKED = "member.invitation_revoked"
    INVITATION_ACCEPTED = "member.invitation_accepted"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_REMOVED = "member.removed"
    PERSON_CREATED = "person.created"
    PERSON_VIEWED = "person.viewed"
    PERSON_CHANGED = "person.changed"
    PERSON_DELETED = "person.deleted"
    PERSON_MERGED = "person.merged"
    MERGE_UNDONE = "person.merge_undone"
    PHOTO_ADDED = "photo.added"
    PHOTO_REMOVED = "photo.removed"
    PHOTO_RETRIED = "photo.retried"
    PHOTO_DOWNLOADED = "photo.downloaded"
    FACE_CHOSEN = "photo.face_chosen"
    FACE_CHECKED = "photo.face_checked"
    BATCH_CREATED = "batch.created"
    BATCH_VIEWED = "batch.viewed"
    BATCH_REPORTED = "batch.reported"
    BATCH_PAUSED = "batch.paused"
    BATCH_RESUMED = "batch.resumed"
    BATCH_CANCELLED = "batch.cancelled"
    BATCH_FINISHED = "batch.finished"
    BATCH_RETRIED = "batch.retried"
    BATCH_NAMES_CHOSEN = "batch.names_chosen"
    BATCH_ONE_PERSON = "batch.one_person"
    BATCH_TOLD_APART = "batch.told_apart"
    BATCH_UNDONE = "batch.undone"
    SEARCH_CREATED = "search.created"
    SEARCH_VIEWED = "search.viewed"
    SEARCH_FACE_CHOSEN = "search.face_chosen"
    SEARCH_REPEATED = "search.repeated"
    SEARCH_DELETED = "search.deleted"
    SEARCH_EXPIRED = "search.expired"
    FACES_DETECTED = "examination.detection"
    FACES_COMPARED = "examination.comparison"
    PERSON_VERIFIED = "examination.verification"
    SCAN_STARTED = "duplicates.scan_started"
    SCAN_CANCELLED = "duplicates.scan_cancelled"
    PAIR_VIEWED = "pair.viewed"
    PAIR_DECIDED = "pair.decided"
    PAIR_UNSURE = "pair.unsure"
    PAIR_UNDONE = "pair.undone"
    PAIRS_REPORTED = "pair.reported"
    PHOTO_CHECKED = "photo.checked"
    CALIBRATION_STARTED = "calibration.started"
    THRESHOLD_CHANGED = "calibration.threshold_changed"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_SWITCHED_ON = "webhook.switched_on"
    WEBHOOK_SWITCHED_OFF = "webhook.switched_off"
    WEBHOOK_TESTED = "webhook.tested"
    WEBHOOK_REPLAYED = "webhook.replayed"
    WEBHOOK_DELETED = "webhook.deleted"
    LICENCE_ANSWERED = "installation.licence_answered"
    DATA_EXPORTED = "organization.exported"
    DATA_IMPORTED = "organization.imported"
    AUDIT_READ = "audit.read"


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where: a member in a request, or the portal itself."""

    user_id: int | None
    name: str
    address: str = ""
    # What else is written in the transaction of each of their acts; it gets the id of the act's subject.
    note: Callable[[Session, int | None], None] | None = field(default=None, compare=False)


def record(
    session: Session,
    actor: Actor,
    action: Action,
    *,
    organization_id: int | None,
    subject_type: str = "",
    subject_id: int | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Write down an act, in the transaction of the act itself (`session` is in `writing`).

    `details` are plain values that say what changed: names of fields, counts, external ids; never a
    photo, a template or a password.
    """
    session.add(
        AuditEvent(
            organization_id=organization_id,
            actor_id=actor.user_id,
            actor=actor.name,
            address=actor.address,
            action=action,
            subject_type=subject_type,
            subject_id=subject_id,
            details=details or {},
        )
    )
    if actor.note is not None:
        actor.note(session, subject_id)
