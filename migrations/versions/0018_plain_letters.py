"""Names are found by plain letters: the words of everybody who is there are to be made again, by workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

IDENTIFIER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    renewal = op.create_table(
        "terms_renewal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("done_to", IDENTIFIER, nullable=False),
        sa.Column("last_id", IDENTIFIER, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_terms_renewal_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms_renewal")),
    )
    last_id = op.get_bind().scalar(sa.text("SELECT max(id) FROM person"))
    if last_id is not None:
        op.bulk_insert(renewal, [{"id": 1, "done_to": 0, "last_id": last_id}])


def downgrade() -> None:
    op.drop_table("terms_renewal")
