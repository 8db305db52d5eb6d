"""Items of a batch are found by whom they name; staff say what the names in a ZIP are written in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEX = "ix_batch_item_batch_id_external_id"


def upgrade() -> None:
    op.create_index(INDEX, "batch_item", ["batch_id", "external_id"])
    op.add_column("batch_archive", sa.Column("encoding", sa.String(20)))
    op.add_column("batch_archive", sa.Column("samples", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("batch_archive", "samples")
    op.drop_column("batch_archive", "encoding")
    op.drop_index(INDEX, "batch_item")
