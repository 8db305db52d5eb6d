"""How names would be read, shown to staff before anything is sent."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.batches.cells import IdsOfList
from portal.batches.columns import Column, ReadColumn
from portal.batches.guessing import UnclearNames, guess
from portal.batches.list_lines import ManifestError, whole_lines
from portal.batches.manifest import SAMPLED, ManifestRow, UnclearColumns, read_manifest
from portal.batches.mixing import is_mixed, without_number
from portal.batches.naming import Grouping, Label, Naming, Unnamed, is_system_file, person_of
from portal.batches.reasons import ItemReason, words_of
from portal.organizations.models import Organization
from portal.people.models import Person

SHOWN = 8


@dataclass(frozen=True)
class ReadRow:
    """A person as they would be enrolled, or why not."""

    external_id: str
    name: str
    photos: list[str]
    problem: str = ""


@dataclass(frozen=True)
class Reading:
    """What a drop would become."""

    naming: Naming | None
    guessed: bool
    rows: list[ReadRow]
    # Of the people in the sample.
    people: int
    known: int
    columns: Sequence[ReadColumn] = ()
    # What staff have to say before anything can be enrolled: of the columns, if there are any, else of names.
    question: str = ""
    encoding: str = ""


def read_names(
    session: Session,
    organization: Organization,
    paths: Sequence[str],
    grouping: Grouping | None,
    label: Label | None,
) -> Reading:
    """How paths become people: as was chosen, else as their names suggest; or what has to be asked."""
    photos = [path for path in paths if not is_system_file(path)]
    try:
        naming = guess(photos, grouping, label)
    except UnclearNames as question:
        return Reading(None, False, [], 0, 0, question=str(question))
    rows: dict[str, ReadRow] = {}
    for path in photos:
        try:
            person = person_of(path, naming)
        except Unnamed as problem:
            words = problem.detail or " ".join(words_of(problem.reason))
            rows[path] = ReadRow("", "", [path], words)
            continue
        row = rows.setdefault(f"/{person.external_id}", ReadRow(person.external_id, person.name, []))
        row.photos.append(path)
    read = [_held_up(row, naming, rows) for row in rows.values()]
    return _reading(session, organization, read, naming, None in (grouping, label))


def _held_up(row: ReadRow, naming: Naming, rows: Mapping[str, ReadRow]) -> ReadRow:
    """The row, or why its photos will be held up when they are announced."""
    if row.problem:
        return row
    if is_mixed(row.external_id, row.photos, naming):
        return ReadRow("", "", row.photos, " ".join(words_of(ItemReason.SAME_NAME_ELSEWHERE)))
    base = without_number(row.photos[0], naming)
    if base is not None and f"/{base}" in rows:
        return ReadRow("", "", row.photos, " ".join(words_of(ItemReason.NUMBERED_COPY)))
    return row


def read_manifest_head(
    session: Session,
    organization: Organization,
    head: bytes,
    cut: bool,
    chosen: Sequence[Column] | None = None,
) -> Reading:
    """How the beginning of a manifest is read; `cut` if there is more of it. Raises ManifestError.

    chosen: what its columns are, where staff said it.
    """
    if cut:
        head = whole_lines(head)
    try:
        manifest = read_manifest(io.BytesIO(head), chosen)
    except UnclearColumns as unclear:
        return Reading(None, False, [], 0, 0, unclear.columns, unclear.question)
    found: list[ManifestRow] = []
    try:
        found += islice(manifest, SAMPLED)
    except ManifestError:
        # A quote that is closed later on looks open here: the whole file will tell.
        if not cut:
            raise
    check = IdsOfList({row.external_id for row in found if not row.problem})
    rows = []
    for row in found:
        problem = row.problem or check.doubt_about(row.external_id)
        if not row.external_id and not problem:
            problem = " ".join(words_of("no_external_id"))
        rows.append(ReadRow(row.external_id, row.name, list(row.photos), problem))
    reading = _reading(session, organization, rows, None, False)
    return replace(reading, columns=manifest.columns, encoding=manifest.encoding)


def _reading(
    session: Session,
    organization: Organization,
    rows: list[ReadRow],
    naming: Naming | None,
    guessed: bool,
) -> Reading:
    ids = {row.external_id for row in rows if row.external_id}
    known = session.scalars(
        select(Person.id).where(Person.organization_id == organization.id, Person.external_id.in_(ids))
    ).all()
    # What can't be read is shown first.
    shown = sorted(rows, key=lambda row: not row.problem)[:SHOWN]
    return Reading(naming, guessed, shown, len(ids), len(known))
