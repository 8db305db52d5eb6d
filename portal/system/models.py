"""What the installation itself remembers: its face model and its workers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Identifier, now


class FaceModel(Base):
    """A detector and a recogniser, known by the SHA-256 of their files.

    One is stored: the installation's choice. Its templates mean nothing to another.
    """

    __tablename__ = "face_model"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    # What PORTAL_FACE_MODEL would be to name it again: "dlib", a pack's name or a folder.
    source: Mapped[str] = mapped_column(String(500))
    engine: Mapped[str] = mapped_column(String(20))
    dimension: Mapped[int]
    # The default threshold of the model's card, and whether it was measured for this very model.
    threshold: Mapped[float]
    threshold_source: Mapped[str] = mapped_column(Text)
    licence: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Installation(Base):
    """The one row that says which face model every gallery of this database is made with."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    # When lost and expired things were last looked for; the worker that moves it does the looking.
    swept_at: Mapped[datetime] = mapped_column(default=now)
    cleaned_at: Mapped[datetime] = mapped_column(default=now)


class WorkerProcess(Base):
    """A worker that said it is alive, and with what it works."""

    __tablename__ = "worker_process"

    # "host:pid:random": a number that the system gives out again does not make another worker of it.
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(default=now)
    heartbeat_at: Mapped[datetime] = mapped_column(default=now, index=True)
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    # What doctor and the settings page say: "CPUExecutionProvider", "float32" …
    provider: Mapped[str] = mapped_column(String(60))
    precision: Mapped[str] = mapped_column(String(20))
    comparison: Mapped[str] = mapped_column(String(20))
    memory_bytes: Mapped[int] = mapped_column(Identifier, default=0)
