"""The installation's face model: chosen once, stored, and from then on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.faces.engine import FaceEngine, open_engine
from jobs.faces.models import FaceModelError, ModelPack, find
from portal.settings import Settings
from portal.system.models import FaceModel
from portal.system.services import current_face_model, store_face_model


@dataclass(frozen=True)
class LoadedModel:
    row: FaceModel
    engine: FaceEngine


def open_stored(session: Session, settings: Settings) -> LoadedModel:
    """The stored face model, loaded. Raises FaceModelError if it is not there, changed or does not run."""
    stored = current_face_model(session)
    if stored is None:
        raise FaceModelError("No face model was chosen yet. Start the portal with `portal up`.")
    pack = _find(settings, stored, lambda _: None, may_download=False)
    return LoadedModel(stored, open_engine(pack, settings.device))


def choose(
    session: Session, settings: Settings, announce: Callable[[str], None], *, store: bool
) -> LoadedModel:
    """Find the face model of the settings and load it; with `store`, write it down if none was yet.

    Raises FaceModelError if it does not run, or if it is not the stored one.
    """
    stored = current_face_model(session)
    pack = _find(settings, stored, announce, may_download=store)
    engine = open_engine(pack, settings.device)
    if stored is None:
        stored = _row(settings, pack, engine)
        if store:
            stored = store_face_model(session, stored)
            _refuse_another(stored, pack)
    return LoadedModel(stored, engine)


def _find(
    settings: Settings, stored: FaceModel | None, announce: Callable[[str], None], *, may_download: bool
) -> ModelPack:
    if stored is None:
        return find(settings.face_model, settings.model_dir, announce=announce, may_download=may_download)
    automatic = settings.face_model == "auto"
    named = stored.source if automatic else settings.face_model
    pack = find(named, settings.model_dir, announce=announce, may_download=may_download)
    _refuse_another(stored, pack)
    return pack


def _refuse_another(stored: FaceModel, pack: ModelPack) -> None:
    if pack.fingerprint != stored.fingerprint:
        raise FaceModelError(
            f"Everybody here was enrolled with the face model {stored.name} ({stored.fingerprint[:12]}), and"
            f" {pack.name} ({pack.fingerprint[:12]}) is not that one: their templates can't be compared."
            f" Start with PORTAL_FACE_MODEL={stored.source}, or give another PORTAL_DATA_DIR to begin anew."
        )


def _row(settings: Settings, pack: ModelPack, engine: FaceEngine) -> FaceModel:
    named = settings.face_model
    return FaceModel(
        fingerprint=pack.fingerprint,
        name=pack.name,
        source=pack.name if named == "auto" else named,
        engine=pack.engine,
        dimension=engine.dimension,
        threshold=pack.card.threshold,
        threshold_source=pack.card.threshold_source,
        licence=pack.card.licence,
    )
