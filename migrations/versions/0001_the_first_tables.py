"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def sortable(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "face_model",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=500), nullable=False),
        sa.Column("engine", sa.String(length=20), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("threshold_source", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_face_model")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_face_model_fingerprint")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "organization",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("gallery_version", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("slug", name=op.f("uq_organization_slug")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user_account",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("email", name=op.f("uq_user_account_email")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "audit_event",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor_id", NUMBER, nullable=True),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject_type", sa.String(length=20), nullable=False),
        sa.Column("subject_id", NUMBER, nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_audit_event_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_audit_event_organization_id_action_id"),
            ["organization_id", "action", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_audit_event_organization_id_actor_id"),
            ["organization_id", "actor", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_audit_event_organization_id_at_id"), ["organization_id", "at", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_event_organization_id_id"), ["organization_id", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_event_organization_id_subject_type_subject_id_id"),
            ["organization_id", "subject_type", "subject_id", "id"],
            unique=False,
        )

    op.create_table(
        "gallery_removal",
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("gallery_version", NUMBER, nullable=False),
        sa.Column("face_id", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_gallery_removal_organization_id_organization"),
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "gallery_version", "face_id", name=op.f("pk_gallery_removal")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.Column("swept_at", sa.DateTime(), nullable=False),
        sa.Column("cleaned_at", sa.DateTime(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_only_one")),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_installation_face_model_id_face_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "invitation",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("invited_by_id", NUMBER, nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["invited_by_id"],
            ["user_account.id"],
            name=op.f("fk_invitation_invited_by_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_invitation_organization_id_organization"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitation_token_hash")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "membership",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("user_id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_membership_organization_id_organization"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["user_account.id"],
            name=op.f("fk_membership_user_id_user_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("user_id", "organization_id", name=op.f("uq_membership_user_id_organization_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_membership_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "person",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sortable(400), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_person_organization_id_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint(
            "organization_id", "external_id", name=op.f("uq_person_organization_id_external_id")
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_person_organization_id_name_key_id"),
            ["organization_id", "name_key", "id"],
            unique=False,
        )

    op.create_table(
        "search",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("searched_by_id", NUMBER, nullable=True),
        sa.Column("candidate_limit", sa.Integer(), nullable=False),
        sa.Column("face_id", NUMBER, nullable=True),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("processing_ms", sa.Double(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("file_key", sa.String(length=120), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("media_format", sa.String(length=10), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_search_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["searched_by_id"],
            ["user_account.id"],
            name=op.f("fk_search_searched_by_id_user_account"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search")),
        sa.UniqueConstraint("file_key", name=op.f("uq_search_file_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("search", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_search_organization_id_id"), ["organization_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_search_state_claimed_by"), ["state", "claimed_by"], unique=False)

    op.create_table(
        "worker_process",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=False),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("precision", sa.String(length=20), nullable=False),
        sa.Column("comparison", sa.String(length=20), nullable=False),
        sa.Column("memory_bytes", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_worker_process_face_model_id_face_model")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_worker_process")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("worker_process", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_worker_process_heartbeat_at"), ["heartbeat_at"], unique=False)

    op.create_table(
        "person_word",
        sa.Column("person_id", NUMBER, nullable=False),
        sa.Column("word", sortable(200), nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_person_word_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_person_word_person_id_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "word", name=op.f("pk_person_word")),
    )
    with op.batch_alter_table("person_word", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_person_word_organization_id_word_person_id"),
            ["organization_id", "word", "person_id"],
            unique=False,
        )

    op.create_table(
        "photo",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("person_id", NUMBER, nullable=False),
        sa.Column("main_face_id", NUMBER, nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("file_key", sa.String(length=120), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("media_format", sa.String(length=10), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.String(length=100), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_photo_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_photo_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photo")),
        sa.UniqueConstraint("file_key", name=op.f("uq_photo_file_key")),
        sa.UniqueConstraint("person_id", "sha256", name=op.f("uq_photo_person_id_sha256")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("photo", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_photo_organization_id_state_attempts_id"),
            ["organization_id", "state", "attempts", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_photo_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_photo_state_claimed_by"), ["state", "claimed_by"], unique=False)

    op.create_table(
        "probe_face",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("search_id", NUMBER, nullable=False),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("gallery_people", sa.Integer(), nullable=True),
        sa.Column("box", sa.JSON(), nullable=False),
        sa.Column("landmarks", sa.JSON(), nullable=False),
        sa.Column("detection_score", sa.Double(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("template", sa.LargeBinary(), nullable=True),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_probe_face_face_model_id_face_model")
        ),
        sa.ForeignKeyConstraint(
            ["search_id"], ["search.id"], name=op.f("fk_probe_face_search_id_search"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe_face")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("probe_face", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_probe_face_search_id"), ["search_id"], unique=False)

    op.create_table(
        "face",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("photo_id", NUMBER, nullable=False),
        sa.Column("organization_id", NUMBER, nullable=False),
        sa.Column("person_id", NUMBER, nullable=False),
        sa.Column("gallery_version", NUMBER, nullable=True),
        sa.Column("box", sa.JSON(), nullable=False),
        sa.Column("landmarks", sa.JSON(), nullable=False),
        sa.Column("detection_score", sa.Double(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("template", sa.LargeBinary(), nullable=True),
        sa.Column("face_model_id", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(
            ["face_model_id"], ["face_model.id"], name=op.f("fk_face_face_model_id_face_model")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_face_organization_id_organization")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_face_person_id_person")),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photo.id"], name=op.f("fk_face_photo_id_photo"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_face")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("face", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_face_organization_id_gallery_version"),
            ["organization_id", "gallery_version"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_face_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_face_photo_id"), ["photo_id"], unique=False)

    op.create_table(
        "candidate",
        sa.Column("probe_face_id", NUMBER, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("person_id", NUMBER, nullable=False),
        sa.Column("face_id", NUMBER, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["face_id"], ["face.id"], name=op.f("fk_candidate_face_id_face"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_candidate_person_id_person"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["probe_face_id"],
            ["probe_face.id"],
            name=op.f("fk_candidate_probe_face_id_probe_face"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("probe_face_id", "rank", name=op.f("pk_candidate")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("candidate", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_candidate_face_id"), ["face_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_candidate_person_id"), ["person_id"], unique=False)
    _make_audit_append_only()


def _make_audit_append_only() -> None:
    """The database itself refuses to change or delete what was written down."""
    message = "the audit trail is append-only"
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_event_no_{act.lower()} BEFORE {act} ON audit_event "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    )


def downgrade() -> None:
    with op.batch_alter_table("candidate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_candidate_person_id"))
        batch_op.drop_index(batch_op.f("ix_candidate_face_id"))

    op.drop_table("candidate")
    with op.batch_alter_table("face", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_face_photo_id"))
        batch_op.drop_index(batch_op.f("ix_face_person_id"))
        batch_op.drop_index(batch_op.f("ix_face_organization_id_gallery_version"))

    op.drop_table("face")
    with op.batch_alter_table("probe_face", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_probe_face_search_id"))

    op.drop_table("probe_face")
    with op.batch_alter_table("photo", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_photo_state_claimed_by"))
        batch_op.drop_index(batch_op.f("ix_photo_person_id"))
        batch_op.drop_index(batch_op.f("ix_photo_organization_id_state_attempts_id"))

    op.drop_table("photo")
    with op.batch_alter_table("person_word", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_person_word_organization_id_word_person_id"))

    op.drop_table("person_word")
    with op.batch_alter_table("worker_process", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_worker_process_heartbeat_at"))

    op.drop_table("worker_process")
    with op.batch_alter_table("search", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_search_state_claimed_by"))
        batch_op.drop_index(batch_op.f("ix_search_organization_id_id"))
        batch_op.drop_index(batch_op.f("ix_search_expires_at"))

    op.drop_table("search")
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_person_organization_id_name_key_id"))

    op.drop_table("person")
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_membership_organization_id"))

    op.drop_table("membership")
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitation_organization_id"))

    op.drop_table("invitation")
    op.drop_table("installation")
    op.drop_table("gallery_removal")
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_event_organization_id_subject_type_subject_id_id"))
        batch_op.drop_index(batch_op.f("ix_audit_event_organization_id_id"))
        batch_op.drop_index(batch_op.f("ix_audit_event_organization_id_at_id"))
        batch_op.drop_index(batch_op.f("ix_audit_event_organization_id_actor_id"))
        batch_op.drop_index(batch_op.f("ix_audit_event_organization_id_action_id"))

    op.drop_table("audit_event")
    op.drop_table("user_account")
    op.drop_table("organization")
    op.drop_table("face_model")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_change()")
