"""Searches among some of the people only: those with certain external ids, or whom a batch enrolled."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.people.models import Person

MOST_EXTERNAL_IDS = 1_000
# Of those that are not known, so many are named.
NAMED = 5


class RestrictionError(ValueError):
    """Why a search can't be restricted like this, in words."""


@dataclass(frozen=True)
class Restriction:
    """The people who are compared. None: not restricted."""

    # By id: of someone who was deleted nothing is left here but a number.
    person_ids: list[int] | None = None
    batch_id: int | None = None

    @property
    def is_none(self) -> bool:
        """Whether everybody is compared."""
        return self == EVERYBODY


EVERYBODY = Restriction()


def ids_of(session: Session, organization: Organization, external_ids: Collection[str]) -> list[int]:
    """The ids of the people of these external ids.

    Raises RestrictionError for more than MOST_EXTERNAL_IDS, and for one that nobody has: a search does not
    pass it over.
    """
    wanted = set(external_ids)
    if len(wanted) > MOST_EXTERNAL_IDS:
        raise RestrictionError(f"Send 1 to {MOST_EXTERNAL_IDS:,} external IDs; there are {len(wanted):,}.")
    there = session.execute(
        select(Person.external_id, Person.id).where(
            Person.organization_id == organization.id, Person.external_id.in_(wanted)
        )
    ).all()
    missing = sorted(wanted - {external_id for external_id, _ in there})
    if missing:
        more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        raise RestrictionError(f"Nobody has the external ID {', '.join(missing[:NAMED])}{more}.")
    return sorted(person_id for _, person_id in there)


def people_of(session: Session, organization_id: int, restriction: Restriction) -> list[int] | None:
    """The ids of the people to compare; of someone who was merged, the person into whom. None: everybody."""
    if restriction.is_none:
        return None
    conditions: list[ColumnElement[bool]] = [Person.organization_id == organization_id]
    if restriction.person_ids is not None:
        conditions.append(Person.id.in_(restriction.person_ids))
    if restriction.batch_id is not None:
        conditions.append(Person.batch_id == restriction.batch_id)
    survivors = func.coalesce(Person.merged_into_id, Person.id)
    return list(session.scalars(select(survivors).where(*conditions).distinct()))
