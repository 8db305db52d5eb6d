"""Every act has a sentence for staff."""

from __future__ import annotations

import pytest

from portal.audit.services import Action
from portal.audit.words import NAMES, SENTENCES, sentence


def test_every_action_has_a_name_and_a_sentence() -> None:
    assert set(NAMES) == set(Action) == set(SENTENCES)
    assert len(set(NAMES.values())) == len(Action)


@pytest.mark.parametrize(
    ("action", "details", "words"),
    [
        (Action.PERSON_CREATED, {"photos": 1, "external_id": "C-1"}, "Enrolled X with one photo."),
        (Action.PERSON_DELETED, {"photos": 0, "external_id": "C-1"}, "Deleted X with no photo."),
        (Action.PHOTO_ADDED, {"photos": 4}, "Added 4 photos to X."),
        (
            Action.PERSON_CHANGED,
            {"name": True, "external_id": ["C-1", "C-2"]},
            "Changed the name and the external ID (from “C-1” to “C-2”) of X.",
        ),
        (Action.SEARCH_EXPIRED, {}, "Deleted X, which had expired."),
        (
            Action.MEMBER_REMOVED,
            {"email": "a@b.example", "role": "admin", "revoked_invitations": 2},
            "Removed a@b.example, a member as admin. 2 open invitations of theirs were revoked.",
        ),
        (
            Action.AUDIT_READ,
            {"who": "a@b.example", "what": "person.viewed"},
            "Read the audit for who “a@b.example”, what “Person viewed”.",
        ),
        (Action.AUDIT_READ, {}, "Read the audit."),
    ],
)
def test_sentences_read_as_such(action: Action, details: dict[str, object], words: str) -> None:
    before, after = sentence(action, details)
    assert before + ("X" if after else "") + after == words
