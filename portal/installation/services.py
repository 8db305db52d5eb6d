"""The installation's face model: stored once, and replaced only while nobody is enrolled."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.database import writing
from portal.installation.models import FaceModel, Installation
from portal.locks import lock_rows


def current_face_model(session: Session) -> FaceModel | None:
    """The face model of this installation; None before the first start."""
    return session.scalar(select(FaceModel).join(Installation, Installation.face_model_id == FaceModel.id))


def find_face_model(session: Session, fingerprint: str) -> FaceModel | None:
    """A face model that is stored, in use or not."""
    return session.scalar(select(FaceModel).where(FaceModel.fingerprint == fingerprint))


def forget_unused_models(session: Session, engine: str, *, but: str) -> None:
    """Remove stored face models of an engine that are not the installation's, but for one fingerprint."""
    with writing(session):
        session.execute(
            delete(FaceModel).where(
                FaceModel.engine == engine,
                FaceModel.fingerprint != but,
                FaceModel.id.not_in(select(Installation.face_model_id)),
            )
        )


def store_face_model(session: Session, model: FaceModel) -> FaceModel:
    """Make a face model the installation's, for good; returns another process's if that was first."""
    with writing(session):
        stored = current_face_model(session)
        if stored is not None:
            return stored
        session.add(model)
        session.flush()
        session.add(Installation(face_model_id=model.id))
    return model


def set_face_model(session: Session, model: FaceModel) -> None:
    """Make a stored face model the installation's instead of the present one, in the caller's transaction.

    The caller holds the installation, and nobody is enrolled: templates of two models can't be compared.
    Workers notice and end.
    """
    session.execute(update(Installation).values(face_model_id=model.id))


class FaceModelChanged(RuntimeError):
    """What was found with one face model is not to be written: the installation now has another one."""


def lock_face_model(session: Session, face_model_id: int) -> None:
    """Keep the installation's face model as it is until the commit; before all other locks.

    Raises FaceModelChanged if it is another one.
    """
    current = lock_rows(session, select(Installation.face_model_id), read=True).scalar()
    if current != face_model_id:
        raise FaceModelChanged("The installation's face model was changed meanwhile.")


def is_current(session: Session, face_model_id: int) -> bool:
    """Whether this is (still) the installation's face model."""
    return session.scalar(select(Installation.face_model_id)) == face_model_id
