"""Pages and reports with a million pairs; and when, and for which face model, thresholds were chosen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEXES = {
    "ix_duplicate_pair_organization_id_id": ["organization_id", "id"],
    "ix_duplicate_pair_asked_id": ["asked_id"],
}
# Until now there was one face model: what was chosen was chosen for that.
OF_THE_MODEL = """
    UPDATE organization SET thresholds_model_id = (SELECT face_model_id FROM installation)
    WHERE search_threshold IS NOT NULL OR duplicate_threshold IS NOT NULL
"""


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(op.f(name), "duplicate_pair", columns)
    op.add_column("calibration", sa.Column("photos", sa.Integer(), nullable=True))
    op.add_column("organization", sa.Column("thresholds_model_id", NUMBER, nullable=True))
    op.execute(OF_THE_MODEL)
    # Calibrations under way begin again: from now on other scores are collected.
    op.execute("UPDATE calibration SET collected = NULL")


def downgrade() -> None:
    op.drop_column("organization", "thresholds_model_id")
    op.drop_column("calibration", "photos")
    for name in INDEXES:
        op.drop_index(op.f(name), "duplicate_pair")
