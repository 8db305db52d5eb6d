"""Pairs of people who may be one, and scans."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from portal_client.calls import Call, Listing, moment, without_none
from portal_client.models import DecidedPair, Pair, Scan, Scans
from portal_client.reading import model

Status = Literal["open", "duplicate", "distinct"]
Decision = Literal["duplicate", "distinct", "merge", "undo"]


def list_pairs(
    *,
    status: Status | None = None,
    min_score: float | None = None,
    batch_id: int | None = None,
    updated_after: datetime | None = None,
    limit: int | None = None,
) -> Listing[Pair]:
    """Pairs of people who may be one.

    status `open`: those that need a decision. batch_id: with a person whom this batch enrolled.
    updated_after: a feed of what changed since that moment (which has a time zone), without other filters.
    limit: how many are fetched at once.
    """
    return Listing(
        "/duplicates",
        Pair,
        {
            "status": status,
            "min_score": min_score,
            "batch_id": batch_id,
            "updated_after": moment(updated_after),
            "limit": limit,
        },
    )


def get_pair(pair_id: int) -> Call[Pair]:
    """A pair."""
    return Call("GET", f"/duplicates/{pair_id}", model(Pair))


def decide_pair(
    pair_id: int,
    decision: Decision,
    *,
    survivor_id: int | None = None,
    name_of: int | None = None,
    note: str | None = None,
) -> Call[DecidedPair]:
    """Decide: one person, two people, one person who is merged at once, or neither yet.

    To merge: survivor_id is the ID of the person who stays, name_of that of the one whose name is kept.
    """
    fields = {"decision": decision, "survivor_id": survivor_id, "name_of": name_of, "note": note}
    return Call("POST", f"/duplicates/{pair_id}/decision", model(DecidedPair), json=without_none(fields))


def list_scans() -> Call[Scans]:
    """The latest scans, newest first."""
    return Call("GET", "/duplicate-scans", model(Scans))


def start_scan() -> Call[Scan]:
    """Compare all people with each other."""
    return Call("POST", "/duplicate-scans", model(Scan))


def get_scan(scan_id: int) -> Call[Scan]:
    """A scan and how far it is."""
    return Call("GET", f"/duplicate-scans/{scan_id}", model(Scan))


def cancel_scan(scan_id: int) -> Call[Scan]:
    """End a scan where it is; the pairs that it found stay."""
    return Call("POST", f"/duplicate-scans/{scan_id}/cancel", model(Scan))
