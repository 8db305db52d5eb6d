"""Searches, as staff handle them: asked for, viewed, given another face, deleted, and expired in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session, selectinload

from portal.audit.services import Action, Actor, record
from portal.database import now, writing
from portal.keys.idempotency import forget_answers
from portal.locks import lock
from portal.organizations.models import Organization
from portal.paging import Cursor, Page, fetch_page
from portal.photos.models import Face
from portal.photos.services import PhotoError, Upload
from portal.queues import enqueue_search
from portal.search.models import TEMPLATE, Candidate, ProbeFace, Search
from portal.search.restriction import EVERYBODY, Restriction
from portal.storage import PhotoStore
from portal.work.claims import requeue
from portal.work.models import UNFINISHED, WorkState

PAGE_SIZE = 30
LIMIT, MOST_CANDIDATES = 20, 100
EXPIRED_AT_ONCE = 200
RETENTION = Actor(None, "retention")
# What the row of a face has where none was detected.
NOT_DETECTED: dict[str, Any] = {"box": [], "landmarks": [], "detection_score": 0.0, "quality": {}}


@dataclass(frozen=True)
class Wanted:
    """What a search is to find."""

    # The longest candidate list, 1 to MOST_CANDIDATES.
    limit: int = LIMIT
    # A cosine, -1…1: candidates below it are left out.
    min_score: float | None = None
    # Every face of the photo, not the main face alone.
    all_faces: bool = False
    restriction: Restriction = EVERYBODY


def create_searches(
    session: Session,
    organization: Organization,
    actor: Actor,
    uploads: Sequence[Upload],
    wanted: Wanted = Wanted(),
) -> list[Search]:
    """Search the organization's people for the faces in stored photos, a search each, in their order.

    They are queued when this returns.
    """
    with writing(session):
        searches = [_new_search(organization, actor, upload, wanted) for upload in uploads]
        session.add_all(searches)
        session.flush()
        for search in searches:
            _record(session, organization, actor, Action.SEARCH_CREATED, search)
    for search in searches:
        enqueue_search(search.id)
    return searches


def create_template_search(
    session: Session,
    organization: Organization,
    actor: Actor,
    upload: Upload,
    template: bytes,
    face_model_id: int,
    wanted: Wanted,
) -> Search:
    """Search the organization's people for a template, which is stored as `upload`; queued when this returns.

    template: float32, little-endian, unit length, made by this face model. There is no photo, and so neither
    pictures nor a detection.
    """
    with writing(session):
        search = _new_search(organization, actor, upload, wanted)
        search.media_format = TEMPLATE
        session.add(search)
        session.flush()
        face = ProbeFace(search_id=search.id, face_model_id=face_model_id, template=template, **NOT_DETECTED)
        session.add(face)
        session.flush()
        search.face_id = face.id
        _record(session, organization, actor, Action.SEARCH_CREATED, search)
    enqueue_search(search.id)
    return search


def create_search(session: Session, organization: Organization, actor: Actor, upload: Upload) -> Search:
    """Search the organization's people for the main face in a stored photo; queued when this returns."""
    return create_searches(session, organization, actor, [upload])[0]


def _new_search(organization: Organization, actor: Actor, upload: Upload, wanted: Wanted) -> Search:
    return Search(
        organization_id=organization.id,
        searched_by_id=actor.user_id,
        searched_by_name="" if actor.user_id else actor.name,
        sha256=upload.file.sha256,
        file_key=upload.file.key,
        file_name=upload.name[-255:],
        size_bytes=upload.file.size_bytes,
        limit=wanted.limit,
        min_score=wanted.min_score,
        all_faces=wanted.all_faces,
        restrict_to=wanted.restriction.person_ids,
        restrict_to_batch_id=wanted.restriction.batch_id,
    )


def find_search(session: Session, organization: Organization, search_id: int) -> Search | None:
    """A search of this organization with all that its page shows; None if not there, expired or another's."""
    return session.scalar(
        select(Search)
        .options(
            selectinload(Search.searched_by),
            selectinload(Search.faces)
            .selectinload(ProbeFace.candidates)
            .options(selectinload(Candidate.person), selectinload(Candidate.face).selectinload(Face.photo)),
        )
        .where(Search.id == search_id, *are_kept(organization))
        .execution_options(populate_existing=True)
    )


def has_ended(session: Session, organization: Organization, search_id: int) -> bool:
    """Whether the workers are done with a search; True as well if it is not there."""
    mine = Search.id == search_id, Search.organization_id == organization.id
    state = session.scalar(select(Search.state).where(*mine))
    return state not in UNFINISHED


def list_searches(session: Session, organization: Organization, cursor: str | None = None) -> Page[Search]:
    """A page of the organization's searches, newest first. Raises paging.CursorError."""
    query = (
        select(Search)
        .options(
            selectinload(Search.searched_by),
            selectinload(Search.faces).selectinload(ProbeFace.candidates).selectinload(Candidate.person),
        )
        .where(*are_kept(organization))
    )
    rows = fetch_page(
        session,
        query,
        (Search.id,),
        Cursor.decode(cursor, (int,)) if cursor else None,
        PAGE_SIZE,
        lambda row: (row[0].id,),
        descending=True,
    )
    return Page([row[0] for row in rows.items], rows.previous, rows.next)


def choose_face(
    session: Session, organization: Organization, actor: Actor, search: Search, face_id: int
) -> None:
    """Search for another face of the probe. Raises PhotoError, and Gone."""
    with writing(session):
        lock(session, search)
        if not session.scalar(
            select(ProbeFace.id).where(ProbeFace.id == face_id, ProbeFace.search_id == search.id)
        ):
            raise PhotoError("This face is no longer in the photo. Choose again.")
        if search.state in UNFINISHED:
            raise PhotoError("This search is still running. Wait a moment and choose again.")
        search.face_id = face_id
        requeue(search)
        _record(session, organization, actor, Action.SEARCH_FACE_CHOSEN, search)
    enqueue_search(search.id)


def retry_search(session: Session, organization: Organization, actor: Actor, search: Search) -> None:
    """Run a search again, against the people enrolled now.

    Raises PhotoError, and Gone.
    """
    with writing(session):
        lock(session, search)
        if search.state in UNFINISHED:
            raise PhotoError("This search is still running. Wait a moment.")
        requeue(search)
        _record(session, organization, actor, Action.SEARCH_REPEATED, search)
    enqueue_search(search.id)


def delete_search(
    session: Session, organization: Organization, actor: Actor, search: Search, store: PhotoStore
) -> None:
    """Delete a search with its photo and candidate lists. Raises Gone."""
    with writing(session):
        lock(session, search)
        session.execute(
            delete(Search).where(Search.id == search.id, Search.organization_id == organization.id)
        )
        forget_answers(session, organization.id)
        _record(session, organization, actor, Action.SEARCH_DELETED, search)
    store.delete(search.file_key)


def kept_until(organization: Organization, search: Search) -> datetime:
    """When a search is deleted by itself."""
    return search.created_at + timedelta(days=organization.retention_days)


def are_kept(organization: Organization) -> tuple[ColumnElement[bool], ...]:
    """The condition for an organization's searches that it still keeps."""
    made_after = now() - timedelta(days=organization.retention_days)
    return Search.organization_id == organization.id, Search.created_at > made_after


def expire_searches(session: Session, store: PhotoStore) -> None:
    """Delete searches that are older than their organization keeps them, a few hundred at a time."""
    for days in session.scalars(select(Organization.retention_days).distinct()).all():
        _expire_older_than(session, store, days)


def enqueue_due(session: Session) -> None:
    """Ask for the searches that wait: called by the sweep."""
    for search_id in session.scalars(
        select(Search.id).where(Search.state == WorkState.QUEUED).order_by(Search.id)
    ):
        enqueue_search(search_id)


def _expire_older_than(session: Session, store: PhotoStore, days: int) -> None:
    """Of the organizations that keep searches for this many days."""
    made_before = now() - timedelta(days=days)
    is_old = (Search.organization_id == Organization.id) & (Search.created_at <= made_before)
    # Asked of each organization, by the index: others may keep any number of older searches.
    has_old = select(Organization.id).where(Organization.retention_days == days, exists().where(is_old))
    organization_ids = session.scalars(has_old).all()
    if not organization_ids:
        return
    with writing(session):
        expired = session.execute(
            select(Search.id, Search.organization_id, Search.file_key)
            .join(Organization, is_old)
            # The retention may just have been changed.
            .where(Organization.id.in_(organization_ids), Organization.retention_days == days)
            .limit(EXPIRED_AT_ONCE)
        ).all()
        session.execute(delete(Search).where(Search.id.in_([search.id for search in expired])))
        for search in expired:
            record(
                session,
                RETENTION,
                Action.SEARCH_EXPIRED,
                organization_id=search.organization_id,
                subject_type="search",
                subject_id=search.id,
            )
    for search in expired:
        store.delete(search.file_key)


def record_view(session: Session, organization: Organization, actor: Actor, search: Search) -> None:
    """Write down that someone viewed the result of a search."""
    with writing(session):
        _record(session, organization, actor, Action.SEARCH_VIEWED, search)


def _record(
    session: Session, organization: Organization, actor: Actor, action: Action, search: Search
) -> None:
    record(
        session, actor, action, organization_id=organization.id, subject_type="search", subject_id=search.id
    )
