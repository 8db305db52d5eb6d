"""Other systems keep several collections of people in one database: one of them is taken at a time."""

from __future__ import annotations

from collections.abc import Collection

from portal.importers.feeding import ImportFailed


def chosen_collection(there: Collection[str], asked: str | None, what: str) -> str:
    """The collection that was asked for, or the only one. `what` identifies it. Raises ImportFailed."""
    if asked is not None:
        if asked not in there:
            raise ImportFailed("There is no collection of that name in it. Check what --collection says.")
        return asked
    if len(there) != 1:
        raise ImportFailed(
            f"It holds {len(there)} collections, and the same external ID may be two people in two of them. "
            f"Choose one with --collection: give the {what}."
        )
    return next(iter(there))
