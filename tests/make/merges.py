"""Makes one person of two, as a decision on their pair does."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.database import writing
from portal.merging import merging
from portal.organizations.models import Organization
from portal.people.models import Merge, Person
from portal.queues import enqueue_comparison
from tests.make.people import TESTER


def merge(session: Session, survivor: Person, absorbed: Person, **kept: str) -> Merge:
    """Make two people one, who keeps what the survivor has unless it is said otherwise."""
    organization = session.get_one(Organization, survivor.organization_id)
    fields = {"name": survivor.name, "external_id": survivor.external_id, **kept}
    return merge_people(session, organization, TESTER, survivor, absorbed, **fields)


def merge_people(
    session: Session,
    organization: Organization,
    actor: Actor,
    survivor: Person,
    absorbed: Person,
    *,
    name: str,
    external_id: str,
) -> Merge:
    """Make two people one, and ask for the comparison that follows."""
    with writing(session):
        merge = merging.merge_people(
            session, organization, actor, survivor, absorbed, name=name, external_id=external_id
        )
    enqueue_comparison(organization.id)
    return merge
