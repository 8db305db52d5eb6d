"""How far the faces of an organization's gallery have been compared with each other."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.database import Base, Identifier, insert_or_leave
from portal.locks import lock_rows
from portal.organizations.models import Organization
from portal.work.models import Work, WorkState


class DuplicatePass(Work, Base):
    """How far new faces of an organization were compared; claimed, so that one pass runs at a time."""

    __tablename__ = "duplicate_pass"
    __table_args__ = (Index(None, "state", "claimed_by"), {"sqlite_autoincrement": True})

    organization_id: Mapped[int] = mapped_column(ForeignKey(Organization.id), unique=True)
    # Every face that joined the gallery up to this version was compared with all others.
    compared_version: Mapped[int] = mapped_column(Identifier, default=0)


def lock_pairs(session: Session, organization_id: int) -> DuplicatePass:
    """The organization's pass, held until the commit: only its holder adds or moves pairs.

    Made when it is first asked for.
    """
    of_organization = select(DuplicatePass).where(DuplicatePass.organization_id == organization_id)
    found = lock_rows(session, of_organization).scalar()
    if found is not None:
        return found
    new = {"organization_id": organization_id, "state": WorkState.DONE}
    session.execute(insert_or_leave(session, DuplicatePass, ["organization_id"]), new)
    return lock_rows(session, of_organization).scalar_one()
