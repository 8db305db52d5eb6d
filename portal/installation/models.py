"""What the installation itself remembers: its face model and its workers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.database import Base, Identifier, now
from portal.organizations.models import Organization


class PermittedUse(StrEnum):
    """For what the licence of a face model allows its use."""

    ANY = "any"
    # Non-commercial research, unless the user has another licence from whoever made it.
    RESEARCH = "research"
    UNKNOWN = "unknown"


class LicenceChoice(StrEnum):
    """What the installer answered, where the licence does not allow every use."""

    RESEARCH = "research"
    LICENSED = "licensed"
    # The portal goes on with a face model that is free for any use.
    DECLINED = "declined"


class FaceModel(Base):
    """A detector and a recogniser, known by the SHA-256 of their files.

    `Installation` names the one in use. Templates of one mean nothing to another.
    """

    __tablename__ = "face_model"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    # What PORTAL_FACE_MODEL would be to name it again: "opencv", "dlib", a pack's name or a folder.
    source: Mapped[str] = mapped_column(String(500))
    engine: Mapped[str] = mapped_column(String(20))
    dimension: Mapped[int]
    # The default threshold of the model's card, and whether it was measured for this very model.
    threshold: Mapped[float]
    threshold_source: Mapped[str] = mapped_column(Text)
    licence: Mapped[str] = mapped_column(Text)
    permitted_use: Mapped[str] = mapped_column(String(20))
    # What else to know before relying on it; empty: nothing.
    remark: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Installation(Base):
    """The one row that says which face model every gallery of this database is made with."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    # When lost and expired rows were last looked for; the worker that moves it does so.
    swept_at: Mapped[datetime] = mapped_column(default=now)
    cleaned_at: Mapped[datetime] = mapped_column(default=now)


class LicenceAnswer(Base):
    """What was answered about the licence of a face model, by whom and when; the last one holds."""

    __tablename__ = "licence_answer"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id), index=True)
    choice: Mapped[str] = mapped_column(String(20))
    answered_at: Mapped[datetime] = mapped_column(default=now)
    # The member's email as it was, or who acted instead ("portal command").
    answered_by: Mapped[str] = mapped_column(String(254))
    # The organization whose members may read the email; None: it is not an email.
    organization_id: Mapped[int | None] = mapped_column(ForeignKey(Organization.id))


class WorkerProcess(Base):
    """A worker that said it is alive, and what it runs on."""

    __tablename__ = "worker_process"

    # "host:pid:random": a process id that the system uses again is not taken for the same worker.
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(default=now)
    heartbeat_at: Mapped[datetime] = mapped_column(default=now, index=True)
    face_model_id: Mapped[int] = mapped_column(ForeignKey(FaceModel.id))
    # What doctor and the settings page say: "CPUExecutionProvider", "float32" …
    provider: Mapped[str] = mapped_column(String(60))
    precision: Mapped[str] = mapped_column(String(20))
    comparison: Mapped[str] = mapped_column(String(20))
    memory_bytes: Mapped[int] = mapped_column(Identifier, default=0)
