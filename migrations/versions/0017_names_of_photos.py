"""Items of a batch are found by whom they name."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0014"
branch_labels = None
depends_on = None

INDEX = "ix_batch_item_batch_id_external_id"


def upgrade() -> None:
    op.create_index(INDEX, "batch_item", ["batch_id", "external_id"])


def downgrade() -> None:
    op.drop_index(INDEX, "batch_item")
