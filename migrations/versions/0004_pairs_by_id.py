"""Reports walk through an organization's pairs by id."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_duplicate_pair_organization_id_id"), "duplicate_pair", ["organization_id", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_duplicate_pair_organization_id_id"), "duplicate_pair")
