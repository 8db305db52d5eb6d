"""The figures and lists of the dashboard."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from portal.duplicates.pairs import count_to_decide
from portal.organizations.models import Organization
from portal.people.aliases import alias_ids
from portal.people.models import Person
from portal.people.services import count_people
from portal.photos.models import Photo
from portal.photos.services import count_photos
from portal.search.models import Search
from portal.search.services import list_searches
from portal.webhooks.services import count_off
from portal.work.models import WorkState

SHOWN = 6


@dataclass(frozen=True)
class Overview:
    people: int
    photos: dict[WorkState, int]
    newest: list[Person]
    unusable: list[Photo]
    searches: list[Search]
    # Of people who may be one, not decided yet.
    pairs: int
    # Webhooks that are off although nobody switched them off.
    webhooks_off: int

    @property
    def waiting(self) -> int:
        """Photos that the workers are not done with."""
        return self.photos[WorkState.QUEUED] + self.photos[WorkState.RUNNING]


def overview(session: Session, organization: Organization) -> Overview:
    """The organization at a glance."""
    return Overview(
        count_people(session, organization),
        count_photos(session, organization),
        list(
            session.scalars(
                select(Person)
                .where(Person.organization_id == organization.id, ~Person.is_alias)
                .order_by(Person.id.desc())
                .limit(SHOWN)
            )
        ),
        list(
            session.scalars(
                select(Photo)
                .options(selectinload(Photo.person))
                .where(
                    Photo.organization_id == organization.id,
                    Photo.state == WorkState.FAILED,
                    Photo.person_id.not_in(alias_ids(organization)),
                )
                .order_by(Photo.id.desc())
                .limit(SHOWN)
            )
        ),
        list_searches(session, organization).items[:SHOWN],
        count_to_decide(session, organization),
        count_off(session, organization),
    )
