"""When a pair changed last, for programs that follow what changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "duplicate_pair",
        # With some value, as every row has to have one; the right ones follow.
        sa.Column("updated_at", sa.DateTime(), nullable=False, server_default="2000-01-01 00:00:00"),
    )
    pair = sa.table("duplicate_pair", *map(sa.column, ("id", "found_at", "updated_at")))
    event = sa.table("pair_event", *map(sa.column, ("pair_id", "at")))
    last = sa.select(sa.func.max(event.c.at)).where(event.c.pair_id == pair.c.id).scalar_subquery()
    op.execute(pair.update().values(updated_at=sa.func.coalesce(last, pair.c.found_at)))
    op.create_index(
        op.f("ix_duplicate_pair_organization_id_updated_at_id"),
        "duplicate_pair",
        ["organization_id", "updated_at", "id"],
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_duplicate_pair_organization_id_updated_at_id"), "duplicate_pair")
    op.drop_column("duplicate_pair", "updated_at")
