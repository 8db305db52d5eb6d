"""Photos that are looked at once, for an answer that is waited for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "examination",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("organization_id", IDENTIFIER, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("person_id", IDENTIFIER),
        sa.Column("with_templates", sa.Boolean(), nullable=False),
        sa.Column("face_model_id", IDENTIFIER),
        sa.Column("failed_place", sa.Integer()),
        sa.Column("score", sa.Double()),
        sa.Column("threshold", sa.Double()),
        sa.Column("photo_scores", sa.JSON()),
        sa.Column("steps_ms", sa.JSON()),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(30)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(100)),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime()),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_examination_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_examination_face_model_id_face_model")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_examination_person_id_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_examination")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_examination_person_id"), "examination", ["person_id"])
    op.create_index(op.f("ix_examination_created_at"), "examination", ["created_at"])
    op.create_index(op.f("ix_examination_state_claimed_by"), "examination", ["state", "claimed_by"])
    op.create_table(
        "examined_photo",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("examination_id", IDENTIFIER, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("file_key", sa.String(120)),
        sa.Column("template", sa.LargeBinary()),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("faces", sa.JSON(), nullable=False),
        sa.Column("main", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["examination_id"],
            ["examination.id"],
            name=op.f("fk_examined_photo_examination_id_examination"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_examined_photo")),
        sa.UniqueConstraint("file_key", name=op.f("uq_examined_photo_file_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_examined_photo_examination_id"), "examined_photo", ["examination_id"])


def downgrade() -> None:
    op.drop_table("examined_photo")
    op.drop_table("examination")
