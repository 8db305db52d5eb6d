"""The rows of people who are taken: people, photos, faces, merges, and what members confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from portal.audit.services import Action, record
from portal.database import insert_or_leave, now
from portal.organizations.models import Organization
from portal.pairs.models import OddPhoto
from portal.people.models import Merge, Person, PersonWord
from portal.people.search_terms import key_of, terms_of
from portal.photos.gallery import next_version
from portal.photos.models import Face, Photo
from portal.transfer import format as fmt
from portal.transfer.into import Into
from portal.transfer.matching import Cluster, Match
from portal.transfer.staging import Staged
from portal.work.models import WorkState


def insert_matched(
    into: Into, staged: Staged, matched: list[tuple[Cluster, Match]], keys: dict[int, str]
) -> list[WorkState]:
    """Write what is new, in the caller's transaction; returns the states of the photos."""
    session, organization = into.session, into.organization
    moment = now()
    new = [cluster for cluster, found in matched if not found.here and not found.left_out]
    people = _insert_people(into, new, moment)
    for _, found in matched:
        people |= found.here
    staged.database.executemany(
        "UPDATE people SET new_id = ? WHERE id = ?", [(new, old) for old, new in people.items()]
    )
    rows = [photo for _, found in matched for photo in found.photos]
    aliases = {alias.id for cluster, _ in matched for alias in cluster.aliases}
    values = [_photo_values(into, photo, people[photo.person], keys[photo.id]) for photo in rows]
    photos: dict[int, int] = {}
    if values:
        ids = session.scalars(insert(Photo).returning(Photo.id, sort_by_parameter_order=True), values)
        photos = dict(zip((photo.id for photo in rows), ids, strict=True))
        if into.same_face_model:
            _insert_faces(into, staged, rows, photos, people, aliases)
        _insert_checks(session, organization, staged, rows, photos, people)
    for cluster, found in matched:
        if found.left_out:
            continue
        if not found.here:
            _insert_merges(session, organization, staged, cluster, people, photos)
        _record(into, cluster, found, people[cluster.leader.id], moment)
    return [value["state"] for value in values]


def _insert_people(into: Into, new: Sequence[Cluster], moment: datetime) -> dict[int, int]:
    """Make the people of clusters; returns their ids by those of the export.

    They have changed now, for who asks which people changed. Those who come with their faces are enrolled as
    long as they were. Of the others workers will tell; aliases have none of whom to tell.
    """
    session, organization = into.session, into.organization
    ids: dict[int, int] = {}
    # The survivors first, whose ids the aliases have to name.
    for rows in ([one.leader for one in new], [alias for one in new for alias in one.aliases]):
        values = [
            {
                **row.model_dump(include={"external_id", "name", "created_at"}),
                "organization_id": organization.id,
                "name_key": key_of(row.name),
                "updated_at": moment,
                "enrolled_at": row.enrolled_at if into.same_face_model or row.merged_into else None,
                "merged_into_id": None if row.merged_into is None else ids[row.merged_into],
            }
            for row in rows
        ]
        if values:
            made = session.scalars(insert(Person).returning(Person.id, sort_by_parameter_order=True), values)
            ids |= dict(zip((row.id for row in rows), made, strict=True))
    words = [
        {"person_id": ids[cluster.leader.id], "word": word, "organization_id": organization.id}
        for cluster in new
        for word in terms_of(*(text for one in cluster.people for text in (one.name, one.external_id)))
    ]
    if words:
        session.execute(insert(PersonWord), words)
    return ids


def _photo_values(into: Into, photo: fmt.PhotoRow, person_id: int, key: str) -> dict[str, Any]:
    """The values of a photo's row: what the export knows of it if that holds here, else it is queued."""
    values: dict[str, Any] = {
        "organization_id": into.organization.id,
        "person_id": person_id,
        "sha256": photo.sha256,
        "file_key": key,
        "file_name": photo.file_name,
        "size_bytes": photo.size_bytes,
        "created_at": photo.created_at,
        "state": WorkState.QUEUED,
        **dict.fromkeys(("reason", "media_format", "width", "height", "finished_at", "main_face_id")),
    }
    found = photo.state == WorkState.DONE and photo.main_face is not None
    if into.same_face_model and (found or photo.state == WorkState.FAILED):
        known = (
            "state",
            "reason",
            "media_format",
            "width",
            "height",
            "turned_by",
            "is_unclear",
            "finished_at",
        )
        values |= {name: getattr(photo, name) for name in known}
    return values


def _insert_faces(
    into: Into,
    staged: Staged,
    rows: Sequence[fmt.PhotoRow],
    photos: dict[int, int],
    people: dict[int, int],
    aliases: set[int],
) -> None:
    """Make the faces of photos; those that stand for a person join the gallery."""
    session, organization = into.session, into.organization
    # The photos keep their lock order: the version is raised when all else is held.
    version = next_version(session, organization.id)
    found: list[tuple[fmt.FaceRow, fmt.PhotoRow]] = [
        (face, photo)
        for photo in rows
        for face in staged.rows(fmt.FaceRow, "SELECT body FROM faces WHERE photo = ? ORDER BY id", photo.id)
    ]
    if not found:
        return
    values = []
    for face, photo in found:
        template = None if face.template is None else staged.template(face.template)
        joins = photo.state == WorkState.DONE and photo.main_face == face.id and photo.person not in aliases
        values.append(
            {
                "photo_id": photos[photo.id],
                "organization_id": organization.id,
                "person_id": people[photo.person],
                "face_model_id": into.face_model.id,
                "box": face.box,
                "landmarks": face.landmarks,
                "detection_score": face.detection_score,
                "quality": face.quality.model_dump(),
                "template": template,
                "gallery_version": version if joins and template is not None else None,
            }
        )
    ids = list(session.scalars(insert(Face).returning(Face.id, sort_by_parameter_order=True), values))
    staged.database.executemany(
        "UPDATE faces SET new_id = ? WHERE id = ?",
        [(new, face.id) for new, (face, _) in zip(ids, found, strict=True)],
    )
    main = [
        {"id": photos[photo.id], "main_face_id": new}
        for new, (face, photo) in zip(ids, found, strict=True)
        if photo.main_face == face.id
    ]
    if main:
        session.execute(update(Photo), main)


def _insert_checks(
    session: Session,
    organization: Organization,
    staged: Staged,
    rows: Sequence[fmt.PhotoRow],
    photos: dict[int, int],
    people: dict[int, int],
) -> None:
    """Keep what members confirmed of photos unlike the others of their person."""
    for photo in rows:
        for check in staged.rows(fmt.CheckRow, "SELECT body FROM checks WHERE photo = ?", photo.id):
            values = {**check.model_dump(exclude={"photo"}), "photo_id": photos[photo.id]}
            values |= {"organization_id": organization.id, "person_id": people[photo.person]}
            session.execute(insert_or_leave(session, OddPhoto, ["photo_id"]), values)


def _insert_merges(
    session: Session,
    organization: Organization,
    staged: Staged,
    cluster: Cluster,
    people: dict[int, int],
    photos: dict[int, int],
) -> None:
    """Make the merges of a cluster, so that they can be undone here as well."""
    query = "SELECT m.body FROM merges m JOIN people p ON p.id = m.absorbed WHERE p.leader = ? ORDER BY m.id"
    for row in staged.rows(fmt.MergeRow, query, cluster.leader.id):
        merge = Merge(
            organization_id=organization.id,
            survivor_id=people[row.survivor],
            absorbed_id=people[row.absorbed],
            merged_at=row.merged_at,
            merged_by=row.merged_by,
            before=row.before.model_dump(),
            photo_ids=[photos[photo] for photo in row.photos if photo in photos],
        )
        session.add(merge)
        session.flush()
        staged.database.execute("UPDATE merges SET new_id = ? WHERE id = ?", (merge.id, row.id))


def _record(into: Into, cluster: Cluster, found: Match, person_id: int, moment: datetime) -> None:
    if found.here and not found.photos:
        return
    session = into.session
    if found.here:
        session.execute(update(Person).where(Person.id == person_id).values(updated_at=moment))
    record(
        session,
        into.actor,
        Action.PHOTO_ADDED if found.here else Action.PERSON_CREATED,
        organization_id=into.organization.id,
        subject_type="person",
        subject_id=person_id,
        details={
            **({} if found.here else {"external_id": cluster.leader.external_id}),
            "photos": len(found.photos),
        },
    )
