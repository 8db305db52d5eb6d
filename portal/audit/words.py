"""The events of the audit trail as sentences for staff."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from portal.audit.services import Action

Details = Mapping[str, Any]

# Short names of the actions, for the filter.
NAMES: dict[Action, str] = {
    Action.SIGNED_IN: "Signed in",
    Action.SIGN_IN_REFUSED: "Sign-in refused",
    Action.SIGNED_OUT: "Signed out",
    Action.ORGANIZATION_SWITCHED: "Switched organization",
    Action.PASSWORD_CHANGED: "Password changed",
    Action.PERSON_CREATED: "Person enrolled",
    Action.PERSON_VIEWED: "Person viewed",
    Action.PERSON_CHANGED: "Person changed",
    Action.PERSON_DELETED: "Person deleted",
    Action.PERSON_MERGED: "People merged",
    Action.MERGE_UNDONE: "Merge undone",
    Action.PHOTO_ADDED: "Photos added",
    Action.PHOTO_REMOVED: "Photo removed",
    Action.PHOTO_RETRIED: "Photo retried",
    Action.PHOTO_DOWNLOADED: "Photo downloaded",
    Action.FACE_CHOSEN: "Face in a photo chosen",
    Action.FACE_CHECKED: "Face in a photo checked",
    Action.BATCH_CREATED: "Batch started",
    Action.BATCH_VIEWED: "Batch viewed",
    Action.BATCH_REPORTED: "Needs-attention list downloaded",
    Action.BATCH_PAUSED: "Batch paused",
    Action.BATCH_RESUMED: "Batch resumed",
    Action.BATCH_CANCELLED: "Batch cancelled",
    Action.BATCH_FINISHED: "Batch finished without missing files",
    Action.BATCH_RETRIED: "Photos of a batch retried",
    Action.BATCH_NAMES_CHOSEN: "Letters of a ZIP chosen",
    Action.BATCH_ONE_PERSON: "Unlike photos confirmed",
    Action.BATCH_TOLD_APART: "Photos told apart",
    Action.BATCH_UNDONE: "Batch undone",
    Action.SEARCH_CREATED: "Search made",
    Action.SEARCH_VIEWED: "Search viewed",
    Action.SEARCH_FACE_CHOSEN: "Face in a search chosen",
    Action.SEARCH_REPEATED: "Search run again",
    Action.SEARCH_DELETED: "Search deleted",
    Action.SEARCH_EXPIRED: "Search expired",
    Action.FACES_DETECTED: "Faces looked for",
    Action.FACES_COMPARED: "Faces compared",
    Action.PERSON_VERIFIED: "Face compared with a person",
    Action.SCAN_STARTED: "Scan started",
    Action.SCAN_CANCELLED: "Scan cancelled",
    Action.PAIR_VIEWED: "Pair viewed",
    Action.PAIR_DECIDED: "Pair decided",
    Action.PAIR_UNSURE: "Pair left open",
    Action.PAIR_UNDONE: "Decision on a pair undone",
    Action.PAIRS_REPORTED: "Pairs downloaded",
    Action.PHOTO_CHECKED: "Photo unlike the others confirmed",
    Action.CALIBRATION_STARTED: "Calibration started",
    Action.THRESHOLD_CHANGED: "Threshold changed",
    Action.MEMBER_INVITED: "Member invited",
    Action.INVITATION_REVOKED: "Invitation revoked",
    Action.INVITATION_ACCEPTED: "Invitation accepted",
    Action.MEMBER_ADDED: "Member added",
    Action.MEMBER_ROLE_CHANGED: "Role changed",
    Action.MEMBER_REMOVED: "Member removed",
    Action.USER_CREATED: "Account created",
    Action.ORGANIZATION_CREATED: "Organization created",
    Action.SETTINGS_CHANGED: "Settings changed",
    Action.KEY_CREATED: "API key created",
    Action.KEY_REVOKED: "API key revoked",
    Action.WEBHOOK_CREATED: "Webhook created",
    Action.WEBHOOK_CHANGED: "Webhook changed",
    Action.WEBHOOK_ROTATED: "Secret of a webhook replaced",
    Action.WEBHOOK_SWITCHED_ON: "Webhook switched on",
    Action.WEBHOOK_SWITCHED_OFF: "Webhook switched off",
    Action.WEBHOOK_TESTED: "Webhook tested",
    Action.WEBHOOK_REPLAYED: "Webhook event sent again",
    Action.WEBHOOK_DELETED: "Webhook deleted",
    Action.LICENCE_ANSWERED: "Licence of the face model answered",
    Action.DATA_EXPORTED: "Everything exported",
    Action.DATA_IMPORTED: "Export imported",
    Action.AUDIT_READ: "Audit read",
}

FIELDS = {
    "external_id": "external ID",
    "name": "name",
    "retention_days": "days that searches are kept",
    "scan_hour": "hour of the nightly scan",
    "who": "who",
    "what": "what",
    "search": "search",
    "from": "from",
    "to": "to",
}

THRESHOLDS = {"search": "for searches", "duplicates": "for duplicates"}
LICENCES = {
    "research": "that it is used for non-commercial research only",
    "licensed": "that there is a licence for this use",
    "declined": "that it is not used",
}
WHY_OFF = {
    "staff": "",
    "gone": ", because it answered that it is gone for good",
    "failing": ", because it had taken nothing for five days",
    "key_changed": ", because the portal has another secret key and can't sign any more",
}
DECISIONS = {"duplicate": "one person", "distinct": "different people"}

# The sentence before and after what it is about: a person, a search, a batch, a pair. Others are whole.
SENTENCES: dict[Action, Callable[[Details], tuple[str, str]]] = {
    Action.SIGNED_IN: lambda _: ("Signed in.", ""),
    Action.SIGN_IN_REFUSED: lambda d: (f"Tried to sign in as {d['email']} and was refused.", ""),
    Action.SIGNED_OUT: lambda _: ("Signed out.", ""),
    Action.ORGANIZATION_SWITCHED: lambda _: ("Switched to this organization.", ""),
    Action.PASSWORD_CHANGED: lambda d: (
        (f"Changed the password of {d['email']}.", "") if d else ("Changed their own password.", "")
    ),
    Action.PERSON_CREATED: lambda d: ("Enrolled ", f" with {_photos(d['photos'])}{_in_batch(d)}."),
    Action.PERSON_VIEWED: lambda _: ("Viewed ", "."),
    Action.PERSON_CHANGED: lambda d: (f"Changed the {_person_fields(d)} of ", "."),
    Action.PERSON_DELETED: lambda d: ("Deleted ", f" with {_photos(d['photos'])}{_in_batch(d)}."),
    Action.PERSON_MERGED: lambda d: (
        f"Merged the person with the external ID “{d['external_id']}”, with {_photos(d['photos'])}, into ",
        ".",
    ),
    Action.MERGE_UNDONE: lambda d: (
        f"Undid the merge of the person with the external ID “{d['external_id']}”,"
        f" with {_photos(d['photos'])}, into ",
        ".",
    ),
    Action.PHOTO_ADDED: lambda d: (f"Added {_photos(d['photos'])} to ", f"{_in_batch(d)}."),
    Action.PHOTO_REMOVED: lambda d: (f"Removed {_removed(d)} of ", f"{_in_batch(d)}."),
    Action.PHOTO_RETRIED: lambda _: ("Retried a photo of ", "."),
    Action.PHOTO_DOWNLOADED: lambda _: ("Downloaded a photo of ", "."),
    Action.FACE_CHECKED: lambda _: ("Confirmed the selected face in a photo of ", "."),
    Action.FACE_CHOSEN: lambda _: ("Chose another face in a photo of ", "."),
    Action.BATCH_CREATED: lambda d: ("Started ", f" ({d['source']})."),
    Action.BATCH_VIEWED: lambda _: ("Viewed ", "."),
    Action.BATCH_REPORTED: lambda _: ("Downloaded what needs attention in ", "."),
    Action.BATCH_PAUSED: lambda _: ("Paused ", "."),
    Action.BATCH_RESUMED: lambda _: ("Resumed ", "."),
    Action.BATCH_CANCELLED: lambda _: ("Cancelled ", "; what was enrolled stays."),
    Action.BATCH_FINISHED: lambda d: ("Finished ", f" without {_files(d['missing'])} that never arrived."),
    Action.BATCH_RETRIED: lambda d: (f"Retried {_photos(d['photos'])} in ", "."),
    Action.BATCH_NAMES_CHOSEN: lambda d: ("Chose the letters of a ZIP in ", f" ({d['encoding']})."),
    Action.BATCH_ONE_PERSON: lambda d: (f"Confirmed that {_photos(d['photos'])} show one person, in ", "."),
    Action.BATCH_TOLD_APART: lambda d: (
        f"Made people of {_photos(d['photos'])} by file name, in ",
        ".",
    ),
    Action.BATCH_UNDONE: lambda _: ("Undid ", "."),
    Action.SEARCH_CREATED: lambda _: ("Searched by photo: ", "."),
    Action.SEARCH_VIEWED: lambda _: ("Viewed ", "."),
    Action.SEARCH_FACE_CHOSEN: lambda _: ("Chose another face in ", "."),
    Action.SEARCH_REPEATED: lambda _: ("Ran ", " again."),
    Action.SEARCH_DELETED: lambda _: ("Deleted ", "."),
    Action.SEARCH_EXPIRED: lambda _: ("Deleted ", ", which had expired."),
    Action.FACES_DETECTED: lambda _: ("Had faces looked for in a photo.", ""),
    Action.FACES_COMPARED: lambda _: ("Had two faces compared.", ""),
    Action.PERSON_VERIFIED: lambda _: ("Had a face compared with ", "."),
    Action.SCAN_STARTED: lambda _: ("Started a scan of all people.", ""),
    Action.SCAN_CANCELLED: lambda _: ("Cancelled the scan of all people.", ""),
    Action.PAIR_VIEWED: lambda _: ("Viewed ", "."),
    Action.PAIR_DECIDED: lambda d: ("Decided that ", f" are {DECISIONS[d['status']]}."),
    Action.PAIR_UNSURE: lambda d: ("Was not sure about ", f"{_asked_whom(d)}."),
    Action.PAIR_UNDONE: lambda _: ("Undid the decision about ", "."),
    Action.PAIRS_REPORTED: lambda d: (f"Downloaded the pairs{_as_of(d)}.", ""),
    Action.PHOTO_CHECKED: lambda _: ("Confirmed that a photo unlike the others shows ", "."),
    Action.CALIBRATION_STARTED: lambda _: ("Started a score calibration.", ""),
    Action.THRESHOLD_CHANGED: lambda d: (
        f"Changed the threshold {THRESHOLDS[d['of']]} from {_threshold(d['from'])} to {_threshold(d['to'])}.",
        "",
    ),
    Action.MEMBER_INVITED: lambda d: (f"Invited {d['email']} as {d['role']}.", ""),
    Action.INVITATION_REVOKED: lambda d: (f"Revoked the invitation for {d['email']} as {d['role']}.", ""),
    Action.INVITATION_ACCEPTED: lambda d: (f"Accepted the invitation and joined as {d['role']}.", ""),
    Action.MEMBER_ADDED: lambda d: (f"Made {d['email']} a member as {d['role']}.", ""),
    Action.MEMBER_ROLE_CHANGED: lambda d: (
        f"Changed the role of {d['email']} from {d['role'][0]} to {d['role'][1]}.{_revoked(d)}",
        "",
    ),
    Action.MEMBER_REMOVED: lambda d: (f"Removed {d['email']}, a member as {d['role']}.{_revoked(d)}", ""),
    Action.USER_CREATED: lambda d: (f"Created the account {d['email']}, a member as {d['role']}.", ""),
    Action.ORGANIZATION_CREATED: lambda d: (f"Created the organization {d['name']}.", ""),
    Action.SETTINGS_CHANGED: lambda d: (f"Changed the settings: {_changes(d)}.", ""),
    Action.KEY_CREATED: lambda d: (
        f"Created the API key {d['name']} ({d['shown']}…), which may {_scopes(d)}.",
        "",
    ),
    Action.KEY_REVOKED: lambda d: (f"Revoked the API key {d['name']} ({d['shown']}…).", ""),
    Action.WEBHOOK_CREATED: lambda d: (f"Created a webhook to {d['to']} for {_events(d)}.", ""),
    Action.WEBHOOK_CHANGED: lambda d: (
        f"Changed the webhook to {d['before']}: it goes to {d['to']} for {_events(d)}.",
        "",
    ),
    Action.WEBHOOK_ROTATED: lambda d: (f"Replaced the secret of the webhook to {d['to']}.", ""),
    Action.WEBHOOK_SWITCHED_ON: lambda d: (f"Switched the webhook to {d['to']} on.", ""),
    Action.WEBHOOK_SWITCHED_OFF: lambda d: (
        f"Switched the webhook to {d['to']} off{WHY_OFF[d['reason']]}.",
        "",
    ),
    Action.WEBHOOK_TESTED: lambda d: (f"Sent a test event to the webhook to {d['to']}.", ""),
    Action.WEBHOOK_REPLAYED: lambda d: (
        f"Sent an event once more to the webhook to {d['to']} (delivery {d['delivery']}).",
        "",
    ),
    Action.WEBHOOK_DELETED: lambda d: (f"Deleted the webhook to {d['to']}.", ""),
    Action.LICENCE_ANSWERED: lambda d: (
        f"Answered about the licence of the face model {d['model']}: {LICENCES[d['answer']]}.",
        "",
    ),
    Action.DATA_EXPORTED: lambda _: ("Exported everything of the organization.", ""),
    Action.DATA_IMPORTED: lambda d: (
        f"Imported an export of {d['from']}: {d['people']} people and {_photos(d['photos'])}.",
        "",
    ),
    Action.AUDIT_READ: lambda d: (f"Read the audit{_filters(d)}.", ""),
}


def sentence(action: Action, details: Details) -> tuple[str, str]:
    """What was done, before and after the words for the person or the search that it was done to.

    The second part is empty where the first is the whole sentence.
    """
    return SENTENCES[action](details)


def _asked_whom(details: Details) -> str:
    return f", and asked {details['asked']}" if details.get("asked") else ""


def _as_of(details: Details) -> str:
    return f" as they were on {details['at']}" if details.get("at") else ""


def _threshold(threshold: float | None) -> str:
    return "the face model's own" if threshold is None else f"{threshold:.3f}"


def _photos(count: int) -> str:
    return {0: "no photo", 1: "one photo"}.get(count, f"{count} photos")


def _removed(details: Details) -> str:
    return _photos(details["photos"]) if "photos" in details else "a photo"


def _files(count: int) -> str:
    return {0: "any file", 1: "one file"}.get(count, f"{count} files")


def _in_batch(details: Details) -> str:
    return f", in batch {details['batch']}" if "batch" in details else ""


def _person_fields(details: Details) -> str:
    changed = ["name"] if details["name"] else []
    if details["external_id"]:
        before, after = details["external_id"]
        changed.append(f"external ID (from “{before}” to “{after}”)")
    return " and the ".join(changed)


def _changes(details: Details) -> str:
    return "; ".join(
        f"{FIELDS[field]} from “{before}” to “{after}”" for field, (before, after) in details.items()
    )


def _revoked(details: Details) -> str:
    count = details["revoked_invitations"]
    if not count:
        return ""
    return (
        " One open invitation of theirs was revoked."
        if count == 1
        else (f" {count} open invitations of theirs were revoked.")
    )


def _scopes(details: Details) -> str:
    *others, last = details["scopes"]
    return f"{', '.join(others)} and {last}" if others else str(last)


def _events(details: Details) -> str:
    return ", ".join(details["events"])


def _filters(details: Details) -> str:
    if not details:
        return ""
    asked = {**details}
    if "what" in asked:
        asked["what"] = NAMES[Action(asked["what"])]
    return " for " + ", ".join(f"{FIELDS[field]} “{value}”" for field, value in asked.items())
