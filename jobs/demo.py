"""The demo: an organization with a few people, ready to be searched: python -m jobs.demo.

The faces are those of pictures that come with the dependencies; names and external IDs are invented.
What the demo already has is left as it is, and what is missing is added.
"""

from __future__ import annotations

import importlib.util
import io
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal import create_app, migrations
from portal.accounts.models import Role
from portal.accounts.services import add_user, find_user, is_member
from portal.audit.services import Actor
from portal.database import writing
from portal.enrolment.adding import create_person
from portal.extensions import db
from portal.organizations.models import Organization
from portal.organizations.services import add_organization, find_organization
from portal.people.models import Person
from portal.photos.models import Photo
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.photos.services import Upload
from portal.setting_up.first_run import ALPHABET
from portal.settings import Settings
from portal.storage import PhotoStore, photo_store
from portal.work.models import UNFINISHED

NAME, SLUG = "Demo", "demo"
# RFC 2606 keeps this domain for examples: the address is nobody's.
EMAIL = "demo@example.org"
DEMO = Actor(None, "portal up --demo")

# After this the command no longer waits for the workers.
PATIENCE_S = 120.0
POLL_S = 0.2

# Six people sit around a table: the upper left corner of the square around each head, in pixels.
TABLE = ("insightface", "data/images/t1.jpg")
HEADS = {
    "Anna Lindqvist": (0, 200),
    "Beatriz Moreno": (191, 77),
    "Daniel Okoro": (388, 210),
    "Jonas Weber": (666, 281),
    "Marco Rinaldi": (828, 2),
    "Sofie Jansen": (1020, 207),
}
HEAD_SIDE = 260
# One person, alone in the picture.
PORTRAIT = ("skimage", "data/astronaut.png")
PORTRAYED = "Helen Novak"


class NotTheDemo(RuntimeError):
    """An organization has the demo's slug and is not the demo."""


@dataclass(frozen=True)
class DemoPerson:
    external_id: str
    name: str
    photo: bytes
    file_name: str


def main() -> int:
    """Returns the exit status: 1 if there is no room for the demo."""
    settings = Settings.from_environment()
    app = create_app(settings)
    migrations.upgrade(app)
    with app.app_context():
        session = db.session()
        try:
            organization, password = open_demo(session)
        except NotTheDemo as problem:
            print(problem)
            return 1
        add_people(session, organization, photo_store())
        waiting = _wait_for_workers(session, organization)
        people = session.scalar(select(func.count()).where(Person.organization_id == organization.id))
    print(f"The organization {NAME} has {people} people, ready to be searched.")
    if waiting:
        print(f"  {waiting} of their photos are still being processed.")
    print(f"  Sign in as   {EMAIL}")
    if password:
        print(f"  Password     {password}   (shown this once)")
    else:
        print("  Password     as before. If it is lost, this sets a new one:")
        print(f"               portal set-password {EMAIL} --data-dir {settings.data_dir}")
    print(f"  Search with  {_file(*TABLE)}")
    return 0


def open_demo(session: Session) -> tuple[Organization, str | None]:
    """The demo's organization and, where it was made just now, the password of its admin.

    Raises NotTheDemo.
    """
    organization, user = find_organization(session, SLUG), find_user(session, EMAIL)
    if organization is None and user is None:
        password = "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))
        with writing(session):
            organization = add_organization(session, DEMO, NAME, SLUG)
            add_user(session, DEMO, EMAIL, password, organization, Role.ADMIN)
        return organization, password
    if organization is None or user is None or not is_member(session, user, organization):
        raise NotTheDemo(
            f"The demo can't be added: the organization {SLUG} or the user {EMAIL} exists, and not as the "
            "demo's. Nothing was added. Use another --data-dir for the demo."
        )
    return organization, None


def add_people(session: Session, organization: Organization, store: PhotoStore) -> None:
    """Enrol those of the demo's people who are not there; workers do the rest."""
    there = set(session.scalars(select(Person.external_id).where(Person.organization_id == organization.id)))
    for person in _people():
        if person.external_id in there:
            continue
        file = store.receive(organization.id, io.BytesIO(person.photo), MAX_PHOTO_BYTES)
        create_person(
            session,
            organization,
            DEMO,
            external_id=person.external_id,
            name=person.name,
            photos=[Upload(file, person.file_name)],
            store=store,
        )


def _people() -> Iterator[DemoPerson]:
    with Image.open(_file(*TABLE)) as table:
        for number, (name, (left, top)) in enumerate(HEADS.items(), start=1):
            head = io.BytesIO()
            square = table.crop((left, top, min(left + HEAD_SIDE, table.width), top + HEAD_SIDE))
            square.save(head, "JPEG", quality=95)
            yield DemoPerson(f"DEMO-{number}", name, head.getvalue(), f"demo-{number}.jpg")
    number = len(HEADS) + 1
    yield DemoPerson(f"DEMO-{number}", PORTRAYED, _file(*PORTRAIT).read_bytes(), f"demo-{number}.png")


def _file(package: str, path: str) -> Path:
    """A file inside an installed package, which is not imported for it."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / path


def _wait_for_workers(session: Session, organization: Organization) -> int:
    """Let the workers process the photos; returns how many they have not processed in time."""
    waiting = select(func.count()).where(
        Photo.organization_id == organization.id, Photo.state.in_(UNFINISHED)
    )
    deadline = time.monotonic() + PATIENCE_S
    while left := session.scalar(waiting):
        session.rollback()  # the next check begins a transaction that sees what was committed meanwhile
        if time.monotonic() > deadline:
            return left
        time.sleep(POLL_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
