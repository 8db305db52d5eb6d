"""Who of an export is here already, and what of the others can be taken.

A person with all their aliases is taken whole, or what is here of them is only added to. Nobody is
overwritten, and no two people are made one: what does not fit is left out, and told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.locks import lock_rows
from portal.organizations.models import Organization
from portal.people.models import Person
from portal.people.search_terms import key_of
from portal.photos.models import Photo
from portal.photos.services import MAX_PHOTOS_OF_PERSON
from portal.transfer import format as fmt
from portal.transfer.report import NotTaken
from portal.transfer.staging import Staged

# So many photos are taken in one transaction, and those that their last person has besides.
PHOTOS_AT_ONCE = 64

OTHER_NAME = "Someone with another name is enrolled here with this external ID."
MERGED_HERE = "This person was merged into someone else here."
ALIAS_TAKEN = (
    "They were merged into someone in the export, and are a person of their own here, or someone else's."
)
ALIAS_LEFT = "They were merged into someone who is enrolled here already: that merge is not repeated here."
TOO_MANY = f"This person already has {MAX_PHOTOS_OF_PERSON} photos here."
FILE_GONE = "The file was deleted, or damaged, while the export was made."


@dataclass(frozen=True)
class Cluster:
    """A person of an export with the aliases, and all their photos."""

    leader: fmt.PersonRow
    aliases: tuple[fmt.PersonRow, ...]
    photos: tuple[fmt.PhotoRow, ...]
    gone: tuple[fmt.PhotoRow, ...]

    @property
    def people(self) -> tuple[fmt.PersonRow, ...]:
        return (self.leader, *self.aliases)


@dataclass(frozen=True)
class Match:
    """What becomes of a cluster: it is new, or added to people who are here, or left out."""

    # Who is here: their ids by those of the export.
    here: dict[int, int]
    photos: tuple[fmt.PhotoRow, ...] = ()
    not_taken: tuple[NotTaken, ...] = ()
    # Nothing of it is taken.
    left_out: bool = False


def clusters(staged: Staged) -> Iterator[list[Cluster]]:
    """All people of an export in the order of their ids, some at a time."""
    some: list[Cluster] = []
    photos = 0
    leaders = staged.database.execute("SELECT id FROM people WHERE leader = id ORDER BY id").fetchall()
    for (leader,) in leaders:
        people = staged.rows(fmt.PersonRow, "SELECT body FROM people WHERE leader = ? ORDER BY id", leader)
        of_people = """
            SELECT f.body FROM photos f JOIN people p ON p.id = f.person
            WHERE p.leader = ? AND f.left_out IS {} NULL ORDER BY f.id"""
        found = Cluster(
            next(person for person in people if person.id == leader),
            tuple(person for person in people if person.id != leader),
            tuple(staged.rows(fmt.PhotoRow, of_people.format(""), leader)),
            tuple(staged.rows(fmt.PhotoRow, of_people.format("NOT"), leader)),
        )
        some.append(found)
        photos += max(1, len(found.photos))
        if photos >= PHOTOS_AT_ONCE:
            yield some
            some, photos = [], 0
    if some:
        yield some


def match(
    session: Session, organization: Organization, some: Sequence[Cluster], *, hold: bool = False
) -> list[Match]:
    """What becomes of clusters as things are; with `hold`, of people who are held until the commit."""
    names = {person.external_id for cluster in some for person in cluster.people}
    called = select(Person).where(Person.organization_id == organization.id, Person.external_id.in_(names))
    afresh = called.execution_options(populate_existing=True)
    rows = lock_rows(session, called).scalars() if hold else session.scalars(afresh)
    here = {person.external_id: person for person in rows}
    photos: dict[int, set[str]] = {person.id: set() for person in here.values()}
    for person_id, sha256 in session.execute(
        select(Photo.person_id, Photo.sha256).where(Photo.person_id.in_(photos))
    ):
        photos[person_id].add(sha256)
    return [_match(cluster, here, photos) for cluster in some]


def _match(cluster: Cluster, here: dict[str, Person], photos: dict[int, set[str]]) -> Match:
    gone = _photos_not_taken(cluster, cluster.gone, FILE_GONE)
    if not any(person.external_id in here for person in cluster.people):
        return Match({}, cluster.photos, gone)
    leader = here.get(cluster.leader.external_id)
    if problem := _problem(cluster, leader, here):
        people = (NotTaken("person", problem, one.external_id, one.name) for one in cluster.people)
        return Match({}, (), (*people, *_photos_not_taken(cluster, cluster.photos, problem)), left_out=True)
    assert leader is not None
    known = photos[leader.id]
    missing = [
        photo for photo in cluster.photos if photo.person == cluster.leader.id and photo.sha256 not in known
    ]
    room = max(0, MAX_PHOTOS_OF_PERSON - len(known))
    left = [one for one in cluster.aliases if one.external_id not in here]
    return Match(
        {one.id: here[one.external_id].id for one in cluster.people if one.external_id in here},
        tuple(missing[:room]),
        (
            *gone,
            *(NotTaken("alias", ALIAS_LEFT, one.external_id, one.name) for one in left),
            *_photos_not_taken(cluster, missing[room:], TOO_MANY),
        ),
    )


def _problem(cluster: Cluster, leader: Person | None, here: dict[str, Person]) -> str:
    """Why people who are here can't be added to; "" if they can."""
    if leader is None:
        return ALIAS_TAKEN
    if leader.is_alias:
        return MERGED_HERE
    if leader.name_key != key_of(cluster.leader.name):
        return OTHER_NAME
    aliases = (here[one.external_id] for one in cluster.aliases if one.external_id in here)
    return "" if all(one.merged_into_id == leader.id for one in aliases) else ALIAS_TAKEN


def _photos_not_taken(
    cluster: Cluster, photos: Collection[fmt.PhotoRow], reason: str
) -> tuple[NotTaken, ...]:
    people = {person.id: person for person in cluster.people}
    return tuple(
        NotTaken(
            "photo",
            reason,
            people[photo.person].external_id,
            people[photo.person].name,
            f"{photo.file_name} ({fmt.photo_member(photo.sha256)})",
        )
        for photo in photos
    )
