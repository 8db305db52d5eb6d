"""Who is in an organization's gallery: faces join and leave it under a version that only rises.

The version is raised under the organization's row lock, which is held until the commit. So a reader
who saw version 7 has every change up to 7, and asks the next time for what came after it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.photos.models import Face, GalleryRemoval


def next_version(session: Session, organization_id: int) -> int:
    """Raise the gallery's version; faces join by taking the new one as their `gallery_version`."""
    return session.execute(
        update(Organization)
        .where(Organization.id == organization_id)
        .values(gallery_version=Organization.gallery_version + 1)
        .returning(Organization.gallery_version)
        .execution_options(synchronize_session=False)
    ).scalar_one()


def join_gallery(session: Session, organization_id: int, face_ids: Iterable[int]) -> None:
    """Let faces be found, or be found as those of the person whose they are now."""
    joining = list(face_ids)
    if joining:
        version = next_version(session, organization_id)
        session.execute(
            update(Face)
            .where(Face.id.in_(joining))
            .values(gallery_version=version)
            .execution_options(synchronize_session=False)
        )


def leave_gallery(session: Session, organization_id: int, face_ids: Iterable[int]) -> None:
    """Let faces be found no more."""
    leaving = list(face_ids)
    if leaving:
        version = next_version(session, organization_id)
        session.execute(update(Face).where(Face.id.in_(leaving)).values(gallery_version=None))
        session.add_all(
            GalleryRemoval(organization_id=organization_id, gallery_version=version, face_id=face_id)
            for face_id in leaving
        )
