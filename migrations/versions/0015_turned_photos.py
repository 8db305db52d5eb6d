"""Photos that the portal has turned upright, and those in which another face may be meant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("photo", "search"):
        op.add_column(table, sa.Column("turned_by", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("photo", sa.Column("is_unclear", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("photo", "is_unclear")
    for table in ("photo", "search"):
        op.drop_column(table, "turned_by")
