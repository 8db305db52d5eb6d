"""How often people, photos or searches of an organization were deleted: answers made before are not kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("organization", sa.Column("deletions", NUMBER, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("organization", "deletions")
