"""What stopped its workers too often is told like every other end of work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.orm import Session

from portal.enrolment import work as enrolment
from portal.pairs import scans
from portal.pairs.models import DuplicateScan
from portal.photos.models import Photo
from portal.search import work as searches
from portal.search.models import Search
from portal.work.claims import Claimable

NOTES: Mapping[Claimable, Callable[[Session, Sequence[int]], None]] = {
    Photo: enrolment.note_set_aside,
    Search: searches.note_set_aside,
    DuplicateScan: scans.note_set_aside,
}


def note_set_aside(session: Session, table: Claimable, ids: Sequence[int]) -> None:
    """Tell of rows of a table that were set aside, in the transaction that did so."""
    if ids and table in NOTES:
        NOTES[table](session, ids)
