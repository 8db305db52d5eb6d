"""The rows of an organization as an export has them, read from the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row as Found
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.audit.models import AuditEvent
from portal.csv_cells import csv_lines, safe_cell
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, OddPhoto, PairEvent
from portal.people.models import Merge, Person
from portal.photos.models import Face, Photo
from portal.transfer import format as fmt
from portal.work.models import WorkState

FETCHED_AT_ONCE = 1_000
AUDIT_COLUMNS = ("at", "actor", "address", "action", "subject_type", "subject_id", "details")


def people(session: Session, organization: Organization) -> Iterator[fmt.Row]:
    """Its people, aliases included."""
    query = select(Person).where(Person.organization_id == organization.id).order_by(Person.id)
    for (person,) in _each(session, query):
        yield fmt.PersonRow(
            **_same(person, "id", "external_id", "name", "created_at", "updated_at", "enrolled_at"),
            merged_into=person.merged_into_id,
        )


def merges(session: Session, organization: Organization) -> Iterator[fmt.Row]:
    """The merges that stand."""
    query = select(Merge).where(Merge.organization_id == organization.id, Merge.undone_at.is_(None))
    for (merge,) in _each(session, query.order_by(Merge.id)):
        yield fmt.MergeRow.model_validate(
            {
                **_same(merge, "id", "merged_at", "merged_by", "before"),
                "survivor": merge.survivor_id,
                "absorbed": merge.absorbed_id,
                "photos": merge.photo_ids,
            }
        )


def photos(session: Session, organization: Organization, face_model_id: int | None) -> Iterator[fmt.Row]:
    """Its photos, with main faces that this face model found.

    One that a worker has is queued again where it is taken.
    """
    main = (Face.id == Photo.main_face_id) & (Face.face_model_id == face_model_id)
    query = select(Photo, Face.id).outerjoin(Face, main).where(Photo.organization_id == organization.id)
    for photo, main_face_id in _each(session, query.order_by(Photo.id)):
        yield fmt.PhotoRow.model_validate(
            {
                **_same(photo, "id", "sha256", "file_name", "size_bytes", "reason", "media_format"),
                **_same(photo, "width", "height", "turned_by", "is_unclear", "created_at", "finished_at"),
                "person": photo.person_id,
                "state": WorkState.QUEUED if photo.state == WorkState.RUNNING else WorkState(photo.state),
                "main_face": main_face_id,
            },
            strict=False,
        )


def faces(
    session: Session, organization: Organization, face_model_id: int
) -> Iterator[tuple[fmt.Row, bytes | None]]:
    """The faces that this face model found, each with its template if there is one."""
    query = (
        select(*(getattr(Face, name) for name in ("id", "photo_id", "box", "landmarks", "detection_score")))
        .add_columns(Face.quality, Face.template)
        .where(Face.organization_id == organization.id, Face.face_model_id == face_model_id)
        .order_by(Face.id)
    )
    templates = 0
    for face in _each(session, query):
        values = _same(face, "id", "box", "landmarks", "detection_score", "quality")
        row = {**values, "photo": face.photo_id, "template": None if face.template is None else templates}
        templates += face.template is not None
        # Of a whole number JSON in a database does not tell that it was a float.
        yield fmt.FaceRow.model_validate(row, strict=False), face.template


def pairs(session: Session, organization: Organization) -> Iterator[fmt.Row]:
    """Its pairs, with what was decided."""
    query = select(DuplicatePair).where(DuplicatePair.organization_id == organization.id)
    for (pair,) in _each(session, query.order_by(DuplicatePair.id)):
        yield fmt.PairRow.model_validate(
            {
                **_same(pair, "id", "score", "same_photo", "stale", "threshold", "found_at", *fmt.DECISION),
                "a": pair.a_id,
                "b": pair.b_id,
                "face_a": pair.face_a_id,
                "face_b": pair.face_b_id,
                "unsure_by": pair.unsure_by,
                "merge": pair.merge_id,
            },
            strict=False,
        )


def pair_events(session: Session, organization: Organization) -> Iterator[fmt.Row]:
    """The history of its pairs."""
    query = select(PairEvent).where(PairEvent.organization_id == organization.id).order_by(PairEvent.id)
    for (event,) in _each(session, query):
        values = _same(event, "kind", "at", "actor", "score", "threshold", "same_photo", *fmt.DECISION)
        yield fmt.EventRow.model_validate({**values, "pair": event.pair_id}, strict=False)


def checked_photos(session: Session, organization: Organization) -> Iterator[fmt.Row]:
    """The photos unlike the others of their person that someone confirmed."""
    query = select(OddPhoto).where(
        OddPhoto.organization_id == organization.id, OddPhoto.checked_at.is_not(None)
    )
    for (odd,) in _each(session, query.order_by(OddPhoto.photo_id)):
        yield fmt.CheckRow(
            **_same(odd, "score", "threshold", "found_at", "checked_at", "checked_by"), photo=odd.photo_id
        )


def audit_lines(session: Session, organization: Organization) -> Iterator[str]:
    """The lines of its audit as CSV, the header first."""
    query = select(AuditEvent).where(AuditEvent.organization_id == organization.id).order_by(AuditEvent.id)
    return csv_lines(AUDIT_COLUMNS, (_audit_cells(event) for (event,) in _each(session, query)))


def _audit_cells(event: AuditEvent) -> list[str]:
    return [
        event.at.isoformat(),
        safe_cell(event.actor),
        event.address,
        event.action,
        event.subject_type,
        "" if event.subject_id is None else str(event.subject_id),
        json.dumps(event.details, ensure_ascii=False),
    ]


def files(session: Session, organization: Organization) -> Iterator[tuple[int, str, str]]:
    """The id, SHA-256 and file key of its photos; those of one SHA-256 follow each other."""
    query = select(Photo.id, Photo.sha256, Photo.file_key).where(Photo.organization_id == organization.id)
    for row in _each(session, query.order_by(Photo.sha256, Photo.id)):
        yield row.id, row.sha256, row.file_key


def _each(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[Found[*tuple[Any, ...]]]:
    """The rows, a thousand in memory at a time."""
    for part in session.execute(query.execution_options(yield_per=FETCHED_AT_ONCE)).partitions():
        yield from part


def _same(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
