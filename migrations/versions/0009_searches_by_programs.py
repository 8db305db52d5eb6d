"""What programs ask of a search: a lowest score, all faces, and among whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("search", sa.Column("min_score", sa.Double()))
    op.add_column("search", sa.Column("all_faces", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("search", sa.Column("restrict_to", sa.JSON()))
    op.add_column("search", sa.Column("restrict_to_batch_id", IDENTIFIER))
    op.add_column("search", sa.Column("steps_ms", sa.JSON()))


def downgrade() -> None:
    for column in ("steps_ms", "restrict_to_batch_id", "restrict_to", "all_faces", "min_score"):
        op.drop_column("search", column)
