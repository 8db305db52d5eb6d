"""Batches: many photos dropped at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("created_by_id", NUMBER, nullable=True),
        sa.Column("created_by", sa.String(length=254), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("touched_at", sa.DateTime(), nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("grouping", sa.String(length=10), nullable=True),
        sa.Column("label", sa.String(length=15), nullable=True),
        sa.Column("known", sa.String(length=10), nullable=False),
        sa.Column("has_manifest", sa.Boolean(), nullable=False),
        sa.Column("manifest_reader", sa.String(length=32), nullable=True),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_batch_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batch_finished_at"), ["finished_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_batch_organization_id_finished_at"),
            ["organization_id", "finished_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_batch_organization_id_id"), ["organization_id", "id"], unique=False
        )

    op.create_table(
        "batch_archive",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("batch_id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", NUMBER, nullable=False),
        sa.Column("arrived", sa.Boolean(), nullable=False),
        sa.Column("announced", sa.Integer(), nullable=False),
        sa.Column("unpacked", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_archive_batch_id_batch")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_batch_archive_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_archive")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("batch_archive", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batch_archive_batch_id"), ["batch_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_batch_archive_state_claimed_by"), ["state", "claimed_by"], unique=False
        )

    op.create_table(
        "batch_item",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("batch_id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("path_key", sa.String(length=400), nullable=False),
        sa.Column("dropped_path", sa.String(length=400), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=15), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("size_bytes", NUMBER, nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("file_key", sa.String(length=120), nullable=True),
        sa.Column("person_id", NUMBER, nullable=True),
        sa.Column("photo_id", NUMBER, nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_item_batch_id_batch")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_batch_item_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_batch_item_person_id_person"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photo.id"], name=op.f("fk_batch_item_photo_id_photo"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_item")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("batch_item", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_batch_item_batch_id_finished_at"), ["batch_id", "finished_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_batch_item_batch_id_path_key"), ["batch_id", "path_key"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_batch_item_batch_id_state_reason_id"),
            ["batch_id", "state", "reason", "id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_batch_item_file_key",
            ["file_key"],
            unique=True,
            sqlite_where=sa.text("file_key IS NOT NULL"),
            postgresql_where=sa.text("file_key IS NOT NULL"),
        )
        batch_op.create_index(batch_op.f("ix_batch_item_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_batch_item_photo_id"), ["photo_id"], unique=False)

    op.add_column("person", sa.Column("batch_id", NUMBER, nullable=True))
    op.create_index(op.f("ix_person_batch_id"), "person", ["batch_id"])


def downgrade() -> None:
    # In place: the table can't be created again while others refer to it.
    op.drop_index(op.f("ix_person_batch_id"), "person")
    op.drop_column("person", "batch_id")

    with op.batch_alter_table("batch_item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_item_photo_id"))
        batch_op.drop_index(batch_op.f("ix_batch_item_person_id"))
        batch_op.drop_index(
            "ix_batch_item_file_key",
            sqlite_where=sa.text("file_key IS NOT NULL"),
            postgresql_where=sa.text("file_key IS NOT NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_batch_item_batch_id_state_reason_id"))
        batch_op.drop_index(batch_op.f("ix_batch_item_batch_id_path_key"))
        batch_op.drop_index(batch_op.f("ix_batch_item_batch_id_finished_at"))

    op.drop_table("batch_item")
    with op.batch_alter_table("batch_archive", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_archive_state_claimed_by"))
        batch_op.drop_index(batch_op.f("ix_batch_archive_batch_id"))

    op.drop_table("batch_archive")
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_batch_organization_id_id"))
        batch_op.drop_index(batch_op.f("ix_batch_finished_at"))
        batch_op.drop_index(batch_op.f("ix_batch_organization_id_finished_at"))

    op.drop_table("batch")
