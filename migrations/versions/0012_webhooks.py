"""Webhooks: endpoints, what happened, and deliveries; and when a person's photos were all processed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("organization_id", IDENTIFIER, nullable=False),
        sa.Column("address", sa.String(2000), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(254), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("deleted_at", sa.DateTime()),
        sa.Column("off_reason", sa.String(15)),
        sa.Column("off_at", sa.DateTime()),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.String(12), nullable=False),
        sa.Column("previous_salt", sa.LargeBinary()),
        sa.Column("previous_until", sa.DateTime()),
        sa.Column("claimed_by", sa.String(100)),
        sa.Column("claimed_until", sa.DateTime()),
        sa.Column("next_attempt_at", sa.DateTime()),
        sa.Column("failing_since", sa.DateTime()),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_webhook_endpoint_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoint")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhook_endpoint_organization_id"), "webhook_endpoint", ["organization_id"])
    op.create_table(
        "webhook_event",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("organization_id", IDENTIFIER, nullable=False),
        sa.Column("message_id", sa.String(40), nullable=False),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_webhook_event_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_webhook_event_created_at"), "webhook_event", ["created_at"])
    op.create_table(
        "webhook_delivery",
        sa.Column("id", IDENTIFIER, nullable=False),
        sa.Column("organization_id", IDENTIFIER, nullable=False),
        sa.Column("endpoint_id", IDENTIFIER, nullable=False),
        sa.Column("event_id", IDENTIFIER, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("asked_by", sa.String(254), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.DateTime()),
        sa.Column("last_attempt_at", sa.DateTime()),
        sa.Column("status", sa.Integer()),
        sa.Column("problem", sa.String(20)),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_webhook_delivery_organization_id_organization"),
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoint.id"],
            name=op.f("fk_webhook_delivery_endpoint_id_webhook_endpoint"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["webhook_event.id"],
            name=op.f("fk_webhook_delivery_event_id_webhook_event"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        sqlite_autoincrement=True,
    )
    for columns in (["endpoint_id", "state", "id"], ["endpoint_id", "id"], ["event_id"]):
        op.create_index(op.f(f"ix_webhook_delivery_{'_'.join(columns)}"), "webhook_delivery", columns)
    op.add_column("person", sa.Column("enrolled_at", sa.DateTime()))
    # People who are there already have been enrolled, unless a photo of theirs still waits.
    op.execute(
        "UPDATE person SET enrolled_at = updated_at WHERE EXISTS"
        " (SELECT 1 FROM photo WHERE photo.person_id = person.id) AND NOT EXISTS"
        " (SELECT 1 FROM photo WHERE photo.person_id = person.id AND photo.state IN ('queued', 'running'))"
    )
    op.create_index(
        "ix_person_not_enrolled",
        "person",
        ["id"],
        sqlite_where=sa.text("enrolled_at IS NULL"),
        postgresql_where=sa.text("enrolled_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_person_not_enrolled", "person")
    op.drop_column("person", "enrolled_at")
    for table in ("webhook_delivery", "webhook_event", "webhook_endpoint"):
        op.drop_table(table)
