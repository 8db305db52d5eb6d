"""Searches among some of the people only: those with certain external ids, or whom a batch enrolled."""

from __future__ import annotations

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
    """The people who are compared: all whom it names. None: not restricted."""

    external_ids: list[str] | None = None
    batch_id: int | None = None

    @property
    def is_none(self) -> bool:
        """Whether everybody is compared."""
        return self == EVERYBODY


EVERYBODY = Restriction()


def check_restriction(session: Session, organization: Organization, restriction: Restriction) -> None:
    """Raise RestrictionError for an external id that nobody has: a search does not pass it over."""
    wanted = restriction.external_ids
    if wanted is None:
        return
    if not 1 <= len(wanted) <= MOST_EXTERNAL_IDS:
        raise RestrictionError(f"Send 1 to {MOST_EXTERNAL_IDS:,} external IDs; there are {len(wanted):,}.")
    there = session.scalars(
        select(Person.external_id).where(
            Person.organization_id == organization.id, Person.external_id.in_(wanted)
        )
    )
    missing = sorted(set(wanted) - set(there))
    if missing:
        more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        raise RestrictionError(f"Nobody has the external ID {', '.join(missing[:NAMED])}{more}.")


def people_of(session: Session, organization_id: int, restriction: Restriction) -> list[int] | None:
    """The ids of the people to compare; of someone who was merged, the person into whom. None: everybody."""
    if restriction.is_none:
        return None
    conditions: list[ColumnElement[bool]] = [Person.organization_id == organization_id]
    if restriction.external_ids is not None:
        conditions.append(Person.external_id.in_(restriction.external_ids))
    if restriction.batch_id is not None:
        conditions.append(Person.batch_id == restriction.batch_id)
    survivors = func.coalesce(Person.merged_into_id, Person.id)
    return list(session.scalars(select(survivors).where(*conditions).distinct()))
