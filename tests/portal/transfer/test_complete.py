"""Of every table and column it is decided whether an export holds it: none is forgotten, none slips in."""

from __future__ import annotations

import pytest

from portal.database import Base
from portal.pairs.models import DuplicatePair, OddPhoto, PairEvent
from portal.people.models import Merge, Person
from portal.photos.models import Face, Photo
from portal.transfer import format as fmt

# Tables of which nothing is exported: of the installation, of its users and programs, of work, or worked out.
NEVER = {
    *("api_key", "batch", "batch_archive", "batch_item", "calibration", "candidate", "duplicate_pass"),
    *("duplicate_scan", "examination", "examined_photo", "face_model", "gallery_removal"),
    *("idempotent_request", "installation", "invitation", "licence_answer", "membership", "person_word"),
    "terms_renewal",
    *("probe_face", "search", "user_account", "webhook_delivery", "webhook_endpoint", "webhook_event"),
    "worker_process",
}
# The audit is a CSV, and of the organization the manifest has a part.
OTHERWISE = {"audit_event", "organization"}

# Columns by the fields that hold them; and those that mean nothing elsewhere.
COLUMNS: dict[type[Base], tuple[type[fmt.Row], dict[str, str], set[str]]] = {
    Person: (fmt.PersonRow, {"merged_into_id": "merged_into"}, {"name_key", "batch_id"}),
    Merge: (
        fmt.MergeRow,
        {"survivor_id": "survivor", "absorbed_id": "absorbed", "photo_ids": "photos"},
        {"merged_by_id", "undone_at", "undone_by"},
    ),
    Photo: (
        fmt.PhotoRow,
        {"person_id": "person", "main_face_id": "main_face"},
        {"file_key", "attempts", "claimed_by"},
    ),
    Face: (fmt.FaceRow, {"photo_id": "photo"}, {"person_id", "gallery_version"}),
    DuplicatePair: (
        fmt.PairRow,
        {"a_id": "a", "b_id": "b", "face_a_id": "face_a", "face_b_id": "face_b", "merge_id": "merge"},
        {
            *("updated_at", "decided_by_id", "unsure_by_id", "asked_id", "reserved_by_id", "reserved_until"),
            *("group_id", "leads"),
        },
    ),
    PairEvent: (fmt.EventRow, {"pair_id": "pair"}, {"id", "actor_id"}),
    OddPhoto: (fmt.CheckRow, {"photo_id": "photo"}, {"person_id"}),
}
# What every row has: whose it is, and by which model, which the export is as a whole.
SHARED = {"organization_id", "face_model_id"}


def test_every_table_is_decided_about() -> None:
    exported = {model.__tablename__ for model in COLUMNS}
    assert {*Base.metadata.tables} == exported | NEVER | OTHERWISE


@pytest.mark.parametrize("model", COLUMNS, ids=lambda model: model.__tablename__)
def test_every_column_is_decided_about(model: type[Base]) -> None:
    row, names, left_out = COLUMNS[model]
    columns = {column.name for column in model.__table__.columns} - SHARED
    assert left_out <= columns
    assert {names.get(name, name) for name in columns - left_out} == set(row.model_fields)
