"""When a search ends follows from when it was made and how long its organization keeps searches."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

AT_ONCE = 1000


def upgrade() -> None:
    op.create_index(op.f("ix_search_organization_id_created_at"), "search", ["organization_id", "created_at"])
    op.drop_index(op.f("ix_search_expires_at"), "search")
    op.drop_column("search", "expires_at")


def downgrade() -> None:
    # With some value, as every row has to have one; the right ones follow.
    op.add_column(
        "search",
        sa.Column("expires_at", sa.DateTime(), nullable=False, server_default="2000-01-01 00:00:00"),
    )
    moments = [sa.column(name, sa.DateTime()) for name in ("created_at", "expires_at")]
    search = sa.table("search", sa.column("id"), sa.column("organization_id"), *moments)
    organization = sa.table("organization", sa.column("id"), sa.column("retention_days"))
    made = (
        sa.select(search.c.id, search.c.created_at, organization.c.retention_days)
        .join_from(search, organization, organization.c.id == search.c.organization_id)
        .order_by(search.c.id)
        .limit(AT_ONCE)
    )
    connection, last = op.get_bind(), 0
    while rows := connection.execute(made.where(search.c.id > last)).all():
        for row in rows:
            ends = row.created_at + timedelta(days=row.retention_days)
            connection.execute(search.update().where(search.c.id == row.id).values(expires_at=ends))
        last = rows[-1].id
    op.create_index(op.f("ix_search_expires_at"), "search", ["expires_at"])
    op.drop_index(op.f("ix_search_organization_id_created_at"), "search")
