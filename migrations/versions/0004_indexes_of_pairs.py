"""What keeps pages and reports fast where an organization has a million pairs."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_duplicate_pair_organization_id_id": ["organization_id", "id"],
    "ix_duplicate_pair_asked_id": ["asked_id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(op.f(name), "duplicate_pair", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(op.f(name), "duplicate_pair")
