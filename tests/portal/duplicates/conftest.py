"""People of the clinic who look alike."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy.orm import Session

from portal.duplicates.models import DuplicatePair
from portal.enrolment.models import Photo
from portal.organizations.models import Organization
from tests.rows import add_pair, add_person, add_photo

Enrolled = Callable[[str], Photo]
Paired = Callable[..., DuplicatePair]


@pytest.fixture
def enrolled(session: Session, clinic: Organization) -> Enrolled:
    """Enrol somebody of the clinic with one photo; the name is the external id, too."""
    shades = count(1)

    def enrol(name: str) -> Photo:
        return add_photo(session, add_person(session, clinic, name, name), shade=next(shades))

    return enrol


@pytest.fixture
def paired(session: Session, enrolled: Enrolled) -> Paired:
    """Two new people of the clinic who look alike."""

    def pair(one: str, other: str, score: float = 0.6) -> DuplicatePair:
        return add_pair(session, enrolled(one), enrolled(other), score)

    return pair
