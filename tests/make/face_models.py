"""Face models that no worker has to load."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy.orm import Session

from portal.installation.models import FaceModel, PermittedUse
from portal.installation.services import current_face_model, store_face_model

DIMENSION = 8
THRESHOLD = 0.4


def made_up_model(name: str = "made-up", **values: Any) -> FaceModel:
    """A face model of short templates, which is not stored yet."""
    usual = {
        "fingerprint": hashlib.sha256(name.encode()).hexdigest(),
        "name": name,
        "source": name,
        "engine": "insightface",
        "dimension": DIMENSION,
        "threshold": THRESHOLD,
        "threshold_source": "made up",
        "licence": "none",
        "permitted_use": PermittedUse.ANY,
    }
    return FaceModel(**{**usual, **values})


def face_model(session: Session) -> FaceModel:
    """The installation's face model: the one that is stored, else a made-up one."""
    return current_face_model(session) or store_face_model(session, made_up_model())
