"""People who were merged into another: aliases of that one, under whose name and id they are still found.

`merged_into_id` always names someone who is not merged: absorbing a person takes over their aliases.
Each alias has one merge that is not undone, in which it was absorbed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Select, delete, insert, or_, select
from sqlalchemy.orm import Session

from portal.database import Gone
from portal.locks import lock, lock_rows
from portal.organizations.models import Organization
from portal.people.models import Merge, Person, PersonWord
from portal.people.search_terms import terms_of


def aliases_of(session: Session, person: Person) -> list[Person]:
    """The people who were merged into this one, also by way of someone else; in the order of their ids."""
    return list(session.scalars(select(Person).where(Person.merged_into_id == person.id).order_by(Person.id)))


def alias_ids(organization: Organization) -> Select[int]:
    """The ids of an organization's aliases: few, however many people there are."""
    return select(Merge.absorbed_id).where(
        Merge.organization_id == organization.id, Merge.undone_at.is_(None)
    )


def lock_person(session: Session, person: Person) -> None:
    """Read a person again and hold them. Raises Gone, even if they were only merged into another."""
    lock(session, person)
    if person.is_alias:
        raise Gone


def lock_with_aliases(
    session: Session, organization: Organization, ids: Collection[int]
) -> dict[int, Person]:
    """Read people again with all their aliases and hold them, by id. Raises Gone if one is not there."""
    people = select(Person).where(
        Person.organization_id == organization.id, or_(Person.id.in_(ids), Person.merged_into_id.in_(ids))
    )
    held = {person.id: person for person in lock_rows(session, people).scalars()}
    if not held.keys() >= set(ids):
        raise Gone
    return held


def index_words(session: Session, people: Sequence[Person]) -> None:
    """Update the words by which people are found, in the caller's transaction, which holds them.

    They are found by the names and external ids of their aliases as well; aliases themselves by none.
    """
    session.flush()
    ids = [person.id for person in people]
    session.execute(
        delete(PersonWord).where(PersonWord.person_id.in_(ids)).execution_options(synchronize_session=False)
    )
    texts: dict[int | None, list[str]] = {
        person.id: [person.name, person.external_id] for person in people if not person.is_alias
    }
    aliases = select(Person.merged_into_id, Person.name, Person.external_id).where(
        Person.merged_into_id.in_(ids)
    )
    for survivor_id, name, external_id in session.execute(aliases):
        texts[survivor_id] += [name, external_id]
    rows = [
        {"person_id": person.id, "word": word, "organization_id": person.organization_id}
        for person in people
        if person.id in texts
        for word in terms_of(*texts[person.id])
    ]
    if rows:
        session.execute(insert(PersonWord), rows)


def standing_merges(session: Session, absorbed_ids: Collection[int]) -> list[Merge]:
    """The merges that made these people aliases, newest first."""
    return list(
        session.scalars(
            select(Merge)
            .where(Merge.absorbed_id.in_(absorbed_ids), Merge.undone_at.is_(None))
            .order_by(Merge.id.desc())
        )
    )


def absorbed_by(session: Session, person_id: int) -> set[int]:
    """The people merged into a person (who may now be an alias), directly or by way of someone else."""
    found: set[int] = set()
    newly = {person_id}
    while newly:
        newly = (
            set(
                session.scalars(
                    select(Merge.absorbed_id).where(Merge.survivor_id.in_(newly), Merge.undone_at.is_(None))
                )
            )
            - found
        )
        found |= newly
    return found
