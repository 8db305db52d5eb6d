"""Galleries in memory follow the database: whoever joined is found, whoever left is not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from jobs.gallery.cache import GalleryCache
from portal.database import writing
from portal.extensions import db
from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.people.models import Person
from portal.photos.gallery import leave_gallery, next_version
from portal.photos.models import Face, GalleryRemoval, Photo
from portal.removal.services import delete_person, remove_photo
from portal.storage import photo_store
from tests.databases import on_both_databases
from tests.make.face_models import DIMENSION, face_model, made_up_model
from tests.make.people import TESTER, add_person, add_photo, template

NUMBERS = count(1)

NewPhoto = Callable[[int], Photo]


@pytest.fixture
def cache(session: Session) -> GalleryCache:
    """The galleries of one worker."""
    return GalleryCache(face_model(session).id, DIMENSION)


@pytest.fixture
def new_photo(session: Session, clinic: Organization) -> NewPhoto:
    """A maker of people of the clinic, each with a photo in a direction of its own."""

    def make(direction: int) -> Photo:
        person = add_person(session, clinic, f"A{session.scalar(select(func.count(Person.id)))}")
        return add_photo(session, person, direction=direction, shade=direction)

    return make


def held(cache: GalleryCache, session: Session, organization: Organization) -> set[int]:
    """The people whom the gallery finds."""
    gallery = cache.open(session, organization.id)
    return {match.person_id for match in gallery.search(template(), 1000)}


@on_both_databases
def test_whoever_joins_or_leaves_is_found_or_not_at_once(
    cache: GalleryCache, session: Session, clinic: Organization, new_photo: NewPhoto
) -> None:
    assert held(cache, session, clinic) == set()
    first, second = new_photo(0), new_photo(1)
    assert held(cache, session, clinic) == {first.person_id, second.person_id}
    remove_photo(session, clinic, TESTER, first, photo_store())
    assert held(cache, session, clinic) == {second.person_id}
    third = new_photo(2)
    delete_person(session, clinic, TESTER, session.get_one(Person, second.person_id), photo_store())
    assert held(cache, session, clinic) == {third.person_id}


@on_both_databases
def test_what_another_session_commits_is_seen_though_this_one_has_read_before(
    cache: GalleryCache, session: Session, clinic: Organization, new_photo: NewPhoto
) -> None:
    first = new_photo(0)
    with Session(db.engine) as other:
        other.scalar(select(func.count(Face.id)))  # a transaction that began before the change
        assert held(cache, other, clinic) == {first.person_id}
        second = new_photo(1)
        assert held(cache, other, clinic) == {first.person_id, second.person_id}
        remove_photo(session, clinic, TESTER, first, photo_store())
        assert held(cache, other, clinic) == {second.person_id}


@on_both_databases
def test_what_is_not_committed_is_not_seen(
    cache: GalleryCache, session: Session, clinic: Organization, new_photo: NewPhoto
) -> None:
    first = new_photo(0)
    with Session(db.engine) as other, writing(other):
        leave_gallery(other, clinic.id, [first.main_face_id or 0])
        other.flush()
        assert held(cache, session, clinic) == {first.person_id}
    assert held(cache, session, clinic) == set()


def test_another_face_of_a_photo_takes_the_place_of_the_first(
    cache: GalleryCache, session: Session, clinic: Organization
) -> None:
    photo = add_photo(session, add_person(session, clinic, "A1"), faces=2)
    before, after = session.scalars(select(Face.id).order_by(Face.id)).all()
    cache.open(session, clinic.id)

    def swap(leaving: int, joining: int) -> None:
        with writing(session):
            leave_gallery(session, clinic.id, [leaving])
            session.execute(
                update(Face)
                .where(Face.id == joining)
                .values(gallery_version=next_version(session, clinic.id), template=template(3).tobytes())
            )

    for leaving, joining in ((before, after), (after, before), (before, after)):
        swap(leaving, joining)
        (match,) = cache.open(session, clinic.id).search(template(3), 5)
        assert (match.face_id, match.person_id) == (joining, photo.person_id)
        assert match.score == 1


def test_a_face_that_left_and_joined_again_between_two_looks_is_there(
    cache: GalleryCache, session: Session, clinic: Organization, new_photo: NewPhoto
) -> None:
    photo = new_photo(0)
    cache.open(session, clinic.id)
    with writing(session):
        leave_gallery(session, clinic.id, [photo.main_face_id or 0])
        version = next_version(session, clinic.id)
        session.execute(update(Face).where(Face.id == photo.main_face_id).values(gallery_version=version))
    assert held(cache, session, clinic) == {photo.person_id}


def test_organizations_and_face_models_never_mix(
    cache: GalleryCache, session: Session, clinic: Organization, school: Organization, new_photo: NewPhoto
) -> None:
    mine = new_photo(0)
    theirs = add_photo(session, add_person(session, school, "A1"), direction=1)
    assert held(cache, session, clinic) == {mine.person_id}
    assert held(cache, session, school) == {theirs.person_id}
    with writing(session):
        other = made_up_model("another", dimension=DIMENSION)
        session.add(other)
    assert held(GalleryCache(other.id, DIMENSION), session, clinic) == set()


ACTS = st.lists(
    st.sampled_from(["join", "join", "leave", "rejoin", "delete", "look", "look elsewhere"]), max_size=14
)


@on_both_databases
@effort(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS, data=st.data())
def test_whatever_happened_since_the_last_look_the_gallery_is_what_the_database_says(
    session: Session, cache: GalleryCache, acts: list[str], data: st.DataObject
) -> None:
    model = face_model(session)
    number = session.scalar(select(func.count(Organization.id))) or 0
    organization = create_organization(session, TESTER, f"Organization {number}")
    caches = {"look": cache, "look elsewhere": GalleryCache(model.id, DIMENSION)}
    for act in [*acts, "look", "look elsewhere"]:
        if act in caches:
            expected = select(Face.person_id).where(
                Face.organization_id == organization.id, Face.gallery_version.is_not(None)
            )
            session.rollback()
            assert held(caches[act], session, organization) == set(session.scalars(expected))
            continue
        there = list(session.scalars(select(Face.id).where(Face.organization_id == organization.id)))
        if act == "join":
            person = add_person(session, organization, f"{next(NUMBERS)}")
            add_photo(session, person, shade=len(there) % 250)
        elif there:
            face = data.draw(st.sampled_from(there))
            if act == "delete":
                person = session.get_one(Person, session.get_one(Face, face).person_id)
                delete_person(session, organization, TESTER, person, photo_store())
                continue
            with writing(session):
                if act == "leave":
                    leave_gallery(session, organization.id, [face])
                else:
                    version = next_version(session, organization.id)
                    session.execute(update(Face).where(Face.id == face).values(gallery_version=version))
    removals = session.execute(
        select(GalleryRemoval.gallery_version, GalleryRemoval.face_id).where(
            GalleryRemoval.organization_id == organization.id
        )
    ).all()
    assert len(set(removals)) == len(removals)
