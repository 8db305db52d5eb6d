"""What the licence of a face model allows, and what the installer answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# The cards' own words, as they were stored until now.
PERMITTED_USE = """
    UPDATE face_model SET permitted_use = CASE
        WHEN licence LIKE '%non-commercial%' THEN 'research'
        WHEN licence LIKE 'Not known%' THEN 'unknown'
        ELSE 'any' END
"""


def upgrade() -> None:
    use = sa.Column("permitted_use", sa.String(20), nullable=False, server_default="unknown")
    op.add_column("face_model", use)
    op.add_column("face_model", sa.Column("remark", sa.Text(), nullable=False, server_default=""))
    op.execute(PERMITTED_USE)
    op.create_table(
        "licence_answer",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.Column("choice", sa.String(20), nullable=False),
        sa.Column("answered_at", sa.DateTime(), nullable=False),
        sa.Column("answered_by", sa.String(254), nullable=False),
        sa.Column("organization_id", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_licence_answer_face_model_id_face_model")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_licence_answer_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licence_answer")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_licence_answer_face_model_id"), "licence_answer", ["face_model_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_licence_answer_face_model_id"), "licence_answer")
    op.drop_table("licence_answer")
    op.drop_column("face_model", "remark")
    op.drop_column("face_model", "permitted_use")
