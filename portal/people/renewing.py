"""The words of everybody are made again after a change of how names are compared: in slices, by workers.

A migration says up to which person it is due (`TermsRenewal`). Until it is done people are found by the words
of the earlier version, and by those that were made again.
"""

from __future__ import annotations

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from portal import queues
from portal.database import writing
from portal.locks import lock_rows
from portal.people.aliases import index_words
from portal.people.models import Person, TermsRenewal

# So many take about 0.1 s, in which nobody else writes to SQLite.
AT_ONCE = 250


def are_renewed(session: Session) -> bool:
    """Whether nobody has words of an earlier version."""
    return not session.scalar(select(exists().select_from(TermsRenewal)))


def enqueue_due(session: Session) -> None:
    """Have workers go on where words have to be made again."""
    if not are_renewed(session):
        queues.enqueue_renewal()


def renew_some(session: Session) -> bool:
    """Make the words of the next people again; returns whether more are left."""
    with writing(session):
        renewal = session.scalar(select(TermsRenewal).execution_options(populate_existing=True))
        if renewal is None:
            return False
        due = select(Person).where(Person.id > renewal.done_to, Person.id <= renewal.last_id)
        people = lock_rows(session, due.limit(AT_ONCE)).scalars().all()
        if not people:
            session.execute(delete(TermsRenewal))
            return False
        # Of aliases nothing is there; whoever changes one meanwhile makes the words of both people again.
        index_words(session, people)
        session.execute(
            update(TermsRenewal)
            .where(TermsRenewal.done_to < people[-1].id)
            .values(done_to=people[-1].id)
            .execution_options(synchronize_session=False)
        )
    return True
