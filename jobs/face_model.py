"""The installation's face model: chosen once, stored, and from then on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from jobs.faces import opencv_files
from jobs.faces.engine import FaceEngine
from jobs.faces.models import FaceModelError, ModelPack, find
from jobs.faces.opening import open_engine
from portal.database import writing
from portal.installation.models import FaceModel, PermittedUse
from portal.installation.services import (
    current_face_model,
    find_face_model,
    forget_unused_models,
    store_face_model,
)
from portal.setting_up.licensing import anybody_enrolled, was_declined
from portal.settings import Settings


@dataclass(frozen=True)
class LoadedModel:
    row: FaceModel
    engine: FaceEngine


def open_stored(session: Session, settings: Settings) -> LoadedModel:
    """The stored face model, loaded. Raises FaceModelError if it is not there, changed or does not run."""
    stored = current_face_model(session)
    if stored is None:
        raise FaceModelError("No face model has been chosen yet. Start the portal with `portal up`.")
    pack = _find(session, settings, stored, lambda _: None, may_download=False)
    return LoadedModel(stored, open_engine(pack, settings.device))


def choose(
    session: Session, settings: Settings, announce: Callable[[str], None], *, store: bool
) -> LoadedModel:
    """Find the face model of the settings and load it; with `store`, write it down if none was yet.

    Raises FaceModelError if it does not run, or if it is not the stored one.
    """
    stored = current_face_model(session)
    pack = _find(session, settings, stored, announce, may_download=store)
    engine = open_engine(pack, settings.device)
    if stored is None:
        named = settings.face_model
        stored = _row(pack, pack.name if named == "auto" else named, engine.dimension)
        if store:
            stored = store_face_model(session, stored)
            _refuse_another(stored, pack)
    return LoadedModel(stored, engine)


def prepare_free_model(session: Session, settings: Settings, announce: Callable[[str], None]) -> None:
    """Have a face model at hand that is free for any use, and runs here, where the licence of the present one
    does not allow every use and nobody is enrolled yet: someone who can't confirm goes on with it."""
    current = current_face_model(session)
    if current is None or current.permitted_use == PermittedUse.ANY or anybody_enrolled(session):
        return
    row = None
    try:
        pack = find(
            opencv_files.NAME,
            settings.model_dir,
            announce=lambda said: announce(f"If the licence is not confirmed: {said}"),
        )
        if find_face_model(session, pack.fingerprint) is None:
            row = _row(pack, opencv_files.NAME, open_engine(pack, settings.device).dimension)
    except FaceModelError as error:
        announce(f"No other model can be offered instead of {current.name}. {error}")
        forget_unused_models(session, opencv_files.NAME, but="")
        return
    forget_unused_models(session, opencv_files.NAME, but=pack.fingerprint)
    if row is not None:
        with writing(session):
            session.add(row)


def _find(
    session: Session,
    settings: Settings,
    stored: FaceModel | None,
    announce: Callable[[str], None],
    *,
    may_download: bool,
) -> ModelPack:
    named = settings.face_model
    if stored is None:
        return find(named, settings.model_dir, announce=announce, may_download=may_download)
    if named != "auto" and was_declined(session, named):
        announce(
            f"PORTAL_FACE_MODEL is {named}, whose licence was declined here: the portal goes on with"
            f" {stored.name}."
        )
        named = "auto"
    if named == "auto":
        named = stored.source
    pack = find(named, settings.model_dir, announce=announce, may_download=may_download)
    _refuse_another(stored, pack)
    return pack


def _refuse_another(stored: FaceModel, pack: ModelPack) -> None:
    if pack.fingerprint != stored.fingerprint:
        raise FaceModelError(
            f"This portal uses the face model {stored.name} ({stored.fingerprint[:12]}), and"
            f" {pack.name} ({pack.fingerprint[:12]}) is not that one: their templates can't be compared."
            f" Start with PORTAL_FACE_MODEL={stored.source}, or use another PORTAL_DATA_DIR to begin again."
        )


def _row(pack: ModelPack, source: str, dimension: int) -> FaceModel:
    """source: what PORTAL_FACE_MODEL would be to name it again."""
    return FaceModel(
        fingerprint=pack.fingerprint,
        name=pack.name,
        source=source,
        engine=pack.engine,
        dimension=dimension,
        threshold=pack.card.threshold,
        threshold_source=pack.card.threshold_source,
        licence=pack.card.licence,
        permitted_use=pack.card.permitted_use,
        remark=pack.card.remark,
    )
