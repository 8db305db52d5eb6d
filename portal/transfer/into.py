"""Where an export goes, and how much of it was taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.installation.models import FaceModel
from portal.organizations.models import Organization
from portal.storage import PhotoStore
from portal.transfer.report import NotTaken

# Told what is being done, how many there are of it, and how many are done.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Into:
    """Where an export goes, and who brings it."""

    session: Session
    organization: Organization
    actor: Actor
    store: PhotoStore
    # The installation's face model, and whether it is the export's: its faces are taken then.
    face_model: FaceModel
    same_face_model: bool


@dataclass
class Taken:
    """How much was taken, and what was not."""

    people: int = 0
    photos: int = 0
    pairs: int = 0
    queued: int = 0
    not_taken: list[NotTaken] = field(default_factory=list)
