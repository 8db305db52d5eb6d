"""Photos of lists are found by their name alone, too; and where the list lay is known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batch", sa.Column("manifest_folder", sa.String(400), nullable=False, server_default=""))
    op.add_column("batch_item", sa.Column("name_key", sa.String(400)))
    op.create_index("ix_batch_item_batch_id_name_key", "batch_item", ["batch_id", "name_key"])


def downgrade() -> None:
    op.drop_index("ix_batch_item_batch_id_name_key", "batch_item")
    op.drop_column("batch_item", "name_key")
    op.drop_column("batch", "manifest_folder")
