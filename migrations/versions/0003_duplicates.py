"""Duplicates: pairs, scans, merges; and calibrations of scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "calibration",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.Column("measured_at", sa.DateTime(), nullable=True),
        sa.Column("gallery_version", NUMBER, nullable=True),
        sa.Column("gallery_people", sa.Integer(), nullable=True),
        sa.Column("sampled_people", sa.Integer(), nullable=True),
        sa.Column("mated_people", sa.Integer(), nullable=True),
        sa.Column("mated_photos", sa.Integer(), nullable=True),
        sa.Column("undecided_pairs", sa.Integer(), nullable=True),
        sa.Column("curves", sa.JSON(), nullable=True),
        sa.Column("collected", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_calibration_face_model_id_face_model")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_calibration_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_calibration_organization_id_id"), "calibration", ["organization_id", "id"])
    op.create_index(op.f("ix_calibration_state_claimed_by"), "calibration", ["state", "claimed_by"])

    op.create_table(
        "duplicate_pass",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("compared_version", NUMBER, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_duplicate_pass_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_pass")),
        sa.UniqueConstraint("organization_id", name=op.f("uq_duplicate_pass_organization_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_duplicate_pass_state_claimed_by"), "duplicate_pass", ["state", "claimed_by"])

    op.execute(
        "INSERT INTO duplicate_pass (organization_id, compared_version, state, attempts, created_at)"
        " SELECT id, 0, 'done', 0, created_at FROM organization"
    )
    op.create_table(
        "duplicate_scan",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("started_by_id", NUMBER, nullable=True),
        sa.Column("started_by", sa.String(length=254), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("compared_face_id", NUMBER, nullable=False),
        sa.Column("compared_faces", NUMBER, nullable=False),
        sa.Column("faces", NUMBER, nullable=True),
        sa.Column("people", NUMBER, nullable=True),
        sa.Column("comparisons", NUMBER, nullable=False),
        sa.Column("new_pairs", NUMBER, nullable=False),
        sa.Column("pairs", NUMBER, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_duplicate_scan_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["started_by_id"],
            ["user_account.id"],
            name=op.f("fk_duplicate_scan_started_by_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_scan")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_duplicate_scan_organization_id_id"), "duplicate_scan", ["organization_id", "id"])
    op.create_index(op.f("ix_duplicate_scan_state_claimed_by"), "duplicate_scan", ["state", "claimed_by"])

    op.create_table(
        "merge",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("survivor_id", NUMBER, nullable=False),
        sa.Column("absorbed_id", NUMBER, nullable=False),
        sa.Column("merged_at", sa.DateTime(), nullable=False),
        sa.Column("merged_by_id", NUMBER, nullable=True),
        sa.Column("merged_by", sa.String(length=254), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("photo_ids", sa.JSON(), nullable=False),
        sa.Column("undone_at", sa.DateTime(), nullable=True),
        sa.Column("undone_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(
            ["absorbed_id"], ["person.id"], name=op.f("fk_merge_absorbed_id_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["merged_by_id"],
            ["user_account.id"],
            name=op.f("fk_merge_merged_by_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_merge_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["survivor_id"], ["person.id"], name=op.f("fk_merge_survivor_id_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_merge_absorbed_id"), "merge", ["absorbed_id"])
    op.create_index(op.f("ix_merge_organization_id_undone_at"), "merge", ["organization_id", "undone_at"])
    op.create_index(op.f("ix_merge_survivor_id"), "merge", ["survivor_id"])

    op.create_table(
        "odd_photo",
        sa.Column("photo_id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("person_id", NUMBER, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.Column("checked_at", sa.DateTime(), nullable=True),
        sa.Column("checked_by", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_odd_photo_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_odd_photo_person_id_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photo.id"], name=op.f("fk_odd_photo_photo_id_photo"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_odd_photo")),
    )
    op.create_index(
        op.f("ix_odd_photo_organization_id_checked_at_score"),
        "odd_photo",
        ["organization_id", "checked_at", "score"],
    )
    op.create_index(op.f("ix_odd_photo_person_id"), "odd_photo", ["person_id"])

    op.create_table(
        "duplicate_pair",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("a_id", NUMBER, nullable=False),
        sa.Column("b_id", NUMBER, nullable=False),
        sa.Column("face_a_id", NUMBER, nullable=True),
        sa.Column("face_b_id", NUMBER, nullable=True),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("same_photo", sa.Boolean(), nullable=False),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by_id", NUMBER, nullable=True),
        sa.Column("decided_by", sa.String(length=254), nullable=False),
        sa.Column("decided_score", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("unsure_by_id", NUMBER, nullable=True),
        sa.Column("unsure_by", sa.String(length=254), nullable=False),
        sa.Column("asked_id", NUMBER, nullable=True),
        sa.Column("reserved_by_id", NUMBER, nullable=True),
        sa.Column("reserved_until", sa.DateTime(), nullable=True),
        sa.Column("group_id", NUMBER, nullable=True),
        sa.Column("leads", sa.Boolean(), nullable=False),
        sa.Column("merge_id", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(
            ["a_id"], ["person.id"], name=op.f("fk_duplicate_pair_a_id_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["asked_id"],
            ["user_account.id"],
            name=op.f("fk_duplicate_pair_asked_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["b_id"], ["person.id"], name=op.f("fk_duplicate_pair_b_id_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["decided_by_id"],
            ["user_account.id"],
            name=op.f("fk_duplicate_pair_decided_by_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["face_a_id"], ["face.id"], name=op.f("fk_duplicate_pair_face_a_id_face"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["face_b_id"], ["face.id"], name=op.f("fk_duplicate_pair_face_b_id_face"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_duplicate_pair_face_model_id_face_model")
        ),
        sa.ForeignKeyConstraint(
            ["merge_id"], ["merge.id"], name=op.f("fk_duplicate_pair_merge_id_merge"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_duplicate_pair_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["reserved_by_id"],
            ["user_account.id"],
            name=op.f("fk_duplicate_pair_reserved_by_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["unsure_by_id"],
            ["user_account.id"],
            name=op.f("fk_duplicate_pair_unsure_by_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_pair")),
        sa.UniqueConstraint("a_id", "b_id", name=op.f("uq_duplicate_pair_a_id_b_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_duplicate_pair_b_id"), "duplicate_pair", ["b_id"])
    op.create_index(op.f("ix_duplicate_pair_face_a_id"), "duplicate_pair", ["face_a_id"])
    op.create_index(op.f("ix_duplicate_pair_face_b_id"), "duplicate_pair", ["face_b_id"])
    op.create_index(op.f("ix_duplicate_pair_merge_id"), "duplicate_pair", ["merge_id"])
    op.create_index(
        op.f("ix_duplicate_pair_organization_id_group_id"), "duplicate_pair", ["organization_id", "group_id"]
    )
    op.create_index(
        op.f("ix_duplicate_pair_organization_id_stale"), "duplicate_pair", ["organization_id", "stale"]
    )
    op.create_index(
        op.f("ix_duplicate_pair_organization_id_status_leads_score_id"),
        "duplicate_pair",
        ["organization_id", "status", "leads", "score", "id"],
    )
    op.create_index(
        op.f("ix_duplicate_pair_organization_id_status_score_id"),
        "duplicate_pair",
        ["organization_id", "status", "score", "id"],
    )

    op.create_table(
        "pair_event",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("pair_id", NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor_id", NUMBER, nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.Column("same_photo", sa.Boolean(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=254), nullable=False),
        sa.Column("decided_score", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"],
            ["user_account.id"],
            name=op.f("fk_pair_event_actor_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_pair_event_face_model_id_face_model")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_pair_event_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["pair_id"],
            ["duplicate_pair.id"],
            name=op.f("fk_pair_event_pair_id_duplicate_pair"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pair_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_pair_event_pair_id_id"), "pair_event", ["pair_id", "id"])

    op.add_column("organization", sa.Column("search_threshold", sa.Double(), nullable=True))
    op.add_column("organization", sa.Column("duplicate_threshold", sa.Double(), nullable=True))
    op.add_column("organization", sa.Column("scan_hour", sa.Integer(), nullable=True))

    op.add_column("person", sa.Column("merged_into_id", NUMBER, nullable=True))
    op.create_index(op.f("ix_person_merged_into_id"), "person", ["merged_into_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_person_merged_into_id"), "person")
    op.drop_column("person", "merged_into_id")

    op.drop_column("organization", "scan_hour")
    op.drop_column("organization", "duplicate_threshold")
    op.drop_column("organization", "search_threshold")

    op.drop_index(op.f("ix_pair_event_pair_id_id"), "pair_event")

    op.drop_table("pair_event")
    op.drop_index(op.f("ix_duplicate_pair_organization_id_status_score_id"), "duplicate_pair")
    op.drop_index(op.f("ix_duplicate_pair_organization_id_status_leads_score_id"), "duplicate_pair")
    op.drop_index(op.f("ix_duplicate_pair_organization_id_stale"), "duplicate_pair")
    op.drop_index(op.f("ix_duplicate_pair_organization_id_group_id"), "duplicate_pair")
    op.drop_index(op.f("ix_duplicate_pair_merge_id"), "duplicate_pair")
    op.drop_index(op.f("ix_duplicate_pair_face_b_id"), "duplicate_pair")
    op.drop_index(op.f("ix_duplicate_pair_face_a_id"), "duplicate_pair")
    op.drop_index(op.f("ix_duplicate_pair_b_id"), "duplicate_pair")

    op.drop_table("duplicate_pair")
    op.drop_index(op.f("ix_odd_photo_person_id"), "odd_photo")
    op.drop_index(op.f("ix_odd_photo_organization_id_checked_at_score"), "odd_photo")

    op.drop_table("odd_photo")
    op.drop_index(op.f("ix_merge_survivor_id"), "merge")
    op.drop_index(op.f("ix_merge_organization_id_undone_at"), "merge")
    op.drop_index(op.f("ix_merge_absorbed_id"), "merge")

    op.drop_table("merge")
    op.drop_index(op.f("ix_duplicate_scan_state_claimed_by"), "duplicate_scan")
    op.drop_index(op.f("ix_duplicate_scan_organization_id_id"), "duplicate_scan")

    op.drop_table("duplicate_scan")
    op.drop_index(op.f("ix_duplicate_pass_state_claimed_by"), "duplicate_pass")

    op.drop_table("duplicate_pass")
    op.drop_index(op.f("ix_calibration_state_claimed_by"), "calibration")
    op.drop_index(op.f("ix_calibration_organization_id_id"), "calibration")

    op.drop_table("calibration")
