"""The galleries that a worker holds in memory, brought up to date from the database before each use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs.gallery.exact import ExactGallery
from portal.organizations.models import Organization
from portal.photos.models import Face, GalleryRemoval

# Rows that are fetched at a time: 10,000 templates of 512 float32 are 20 MB.
FETCHED_AT_ONCE = 10_000


@dataclass
class _Held:
    gallery: ExactGallery
    version: int


class GalleryCache:
    """One gallery an organization, of one face model. It can be thrown away at any time."""

    def __init__(self, face_model_id: int, dimension: int) -> None:
        self._face_model_id = face_model_id
        self._dimension = dimension
        self._held: dict[int, _Held] = {}

    @property
    def memory_bytes(self) -> int:
        """What all galleries together take."""
        return sum(held.gallery.memory_bytes for held in self._held.values())

    def open(self, session: Session, organization_id: int) -> ExactGallery:
        """The organization's gallery with everything that was committed before this call."""
        session.rollback()  # a transaction that began earlier would show an earlier gallery
        version = session.execute(
            select(Organization.gallery_version).where(Organization.id == organization_id)
        ).scalar_one()
        held = self._held.setdefault(organization_id, _Held(ExactGallery(self._dimension), 0))
        if version != held.version:
            self._remove(session, organization_id, held, version)
            self._add(session, organization_id, held, version)
            held.version = version
        session.rollback()
        return held.gallery

    def _remove(self, session: Session, organization_id: int, held: _Held, version: int) -> None:
        if len(held.gallery):
            held.gallery.remove(
                session.scalars(
                    select(GalleryRemoval.face_id).where(
                        GalleryRemoval.organization_id == organization_id,
                        GalleryRemoval.gallery_version > held.version,
                        GalleryRemoval.gallery_version <= version,
                    )
                ).all()
            )

    def _add(self, session: Session, organization_id: int, held: _Held, version: int) -> None:
        rows = session.execute(
            select(Face.id, Face.person_id, Face.template)
            .where(
                Face.organization_id == organization_id,
                Face.face_model_id == self._face_model_id,
                Face.gallery_version > held.version,
                Face.gallery_version <= version,
            )
            .execution_options(yield_per=FETCHED_AT_ONCE)
        )
        for part in rows.partitions():
            templates = np.frombuffer(b"".join(row.template for row in part), "<f4")
            held.gallery.add(
                [row.id for row in part],
                [row.person_id for row in part],
                templates.reshape(len(part), self._dimension),
            )
