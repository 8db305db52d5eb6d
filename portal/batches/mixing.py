"""Photos whose names may put two people under one: found when they are announced, and held up.

The same name in two folders is two people of one class each, or one person twice: nobody can tell but staff.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.items import ended
from portal.batches.models import Batch, BatchItem, ItemState
from portal.batches.naming import (
    Grouping,
    Label,
    Naming,
    folder_and_stem,
    is_class,
    is_small_number,
    place_of,
    without_copy,
)
from portal.batches.reasons import ItemReason
from portal.locks import lock_rows

NUMBERED = re.compile(r"(.*\S)[\s_-]+\(?\d{1,2}\)?")
# A code with as many digits in a row is one person's, wherever it stands.
LONG_NUMBER = re.compile(r"\d{4,}")


def hold_mixed(session: Session, batch: Batch, naming: Naming, new: Mapping[str, dict[str, Any]]) -> None:
    """Hold up those of the new items, and of the batch's that wait, that may be of different people.

    `new` are the values of items that are about to be added, by key; what is held up is changed in them.
    In the caller's transaction.
    """
    fresh = {key: values for key, values in new.items() if "state" not in values and values["external_id"]}
    if not fresh:
        return
    bases = {
        key: base
        for key, values in fresh.items()
        if (base := without_number(values["path"], naming)) is not None
    }
    there = _there(session, batch, {values["external_id"] for values in fresh.values()} | set(bases.values()))
    whole = {values["external_id"] for values in fresh.values()} | there.keys()
    for key, base in bases.items():
        if base in whole:
            fresh[key].update(ended(ItemReason.NUMBERED_COPY, f"The other one is “{base}”."))
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for values in fresh.values():
        groups[values["external_id"]].append(values)
    for external_id, values_of in groups.items():
        paths = [values["path"] for values in values_of] + [item.path for item in there.get(external_id, [])]
        if not is_mixed(external_id, paths, naming):
            continue
        places = sorted({place_of(path, naming.grouping) or "/" for path in paths})
        held = ended(ItemReason.SAME_NAME_ELSEWHERE, f"It is in “{'” and “'.join(places[:3])}”.")
        for values in values_of:
            values.update(held)
        for item in there.get(external_id, []):
            if item.state in (ItemState.EXPECTED, ItemState.RECEIVED):
                for column, value in held.items():
                    setattr(item, column, value)


def is_mixed(external_id: str, paths: Iterable[str], naming: Naming) -> bool:
    """Whether these photos, which name one external ID, may be of different people."""
    places = {place_of(path, naming.grouping) for path in paths}
    return len(places) > 1 and not _is_one_person(external_id, naming, places)


def without_number(path: str, naming: Naming) -> str | None:
    """The name without the number behind it: "31001" of "31001_2.jpg"; None for one without."""
    if naming.grouping is not Grouping.FILE:
        return None
    match = NUMBERED.fullmatch(without_copy(folder_and_stem(path)[1]))
    return match[1] if match else None


def is_anybodys(external_id: str, path: str, grouping: str | None) -> bool:
    """Whether a number is one that begins again in every folder, and therefore no one person's."""
    return grouping == Grouping.FILE and is_small_number(external_id) and folder_and_stem(path)[0] != ""


def _there(session: Session, batch: Batch, external_ids: set[str]) -> Mapping[str, list[BatchItem]]:
    """The batch's items by names with these external IDs, held."""
    items = select(BatchItem).where(
        BatchItem.batch_id == batch.id, BatchItem.external_id.in_(external_ids), BatchItem.line.is_(None)
    )
    found: dict[str, list[BatchItem]] = defaultdict(list)
    for item in lock_rows(session, items).scalars():
        found[item.external_id].append(item)
    return found


def _is_one_person(external_id: str, naming: Naming, places: set[str]) -> bool:
    """Whether the same label in several places is for certain one person's: a long number."""
    by_name = naming.label is Label.NAME
    classes = any(is_class(place.rpartition("/")[2]) for place in places)
    return not (by_name or classes) and LONG_NUMBER.search(external_id) is not None
