"""Restrictions of searches name people by id: of who is deleted nothing is left there but a number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RESTRICTION = sa.column("restrict_to", sa.JSON(none_as_null=True))
SEARCH = sa.table("search", sa.column("id"), sa.column("organization_id"), RESTRICTION)
PERSON = sa.table("person", sa.column("id"), sa.column("organization_id"), sa.column("external_id"))


def upgrade() -> None:
    _rename(PERSON.c.external_id, PERSON.c.id)


def downgrade() -> None:
    _rename(PERSON.c.id, PERSON.c.external_id)


def _rename(old: sa.ColumnClause, new: sa.ColumnClause) -> None:
    """Have restrictions name people by another column; those who are gone are left out."""
    database = op.get_bind()
    restricted = sa.select(SEARCH).where(RESTRICTION.is_not(None))
    for search in database.execute(restricted).all():
        there = sa.select(new).where(
            PERSON.c.organization_id == search.organization_id, old.in_(search.restrict_to)
        )
        names = list(database.scalars(there))
        database.execute(sa.update(SEARCH).where(SEARCH.c.id == search.id).values(restrict_to=names))
