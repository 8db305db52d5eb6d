"""Requests that are done once however often they are sent, a feed of changed people, and who searched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PEOPLE_BY_CHANGE = "ix_person_organization_id_updated_at_id"


def upgrade() -> None:
    op.create_table(
        "idempotent_request",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("organization_id", IDENTIFIER, nullable=False),
        sa.Column("api_key_id", IDENTIFIER, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("target_hash", sa.String(64), nullable=False),
        sa.Column("body_hash", sa.String(64)),
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("claimed_until", sa.DateTime(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("acted_at", sa.DateTime()),
        sa.Column("subject_id", IDENTIFIER),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", sa.JSON()),
        sa.Column("body", sa.LargeBinary()),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_idempotent_request_organization_id_organization"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["api_key_id"],
            ["api_key.id"],
            name=op.f("fk_idempotent_request_api_key_id_api_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotent_request")),
        sa.UniqueConstraint("api_key_id", "key_hash", name=op.f("uq_idempotent_request_api_key_id_key_hash")),
        sqlite_autoincrement=True,
    )
    for column in ("organization_id", "created_at"):
        op.create_index(op.f(f"ix_idempotent_request_{column}"), "idempotent_request", [column])
    op.create_index(op.f(PEOPLE_BY_CHANGE), "person", ["organization_id", "updated_at", "id"])
    op.add_column("search", sa.Column("searched_by_name", sa.String(254), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("search", "searched_by_name")
    op.drop_index(op.f(PEOPLE_BY_CHANGE), "person")
    op.drop_table("idempotent_request")
