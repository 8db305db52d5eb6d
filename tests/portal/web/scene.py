"""An organization with one of everything, and the requests that could be made about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from flask import Flask
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.accounts import invitations
from portal.accounts.models import Invitation, Membership, Role, User
from portal.batches.models import Batch, BatchArchive, BatchItem, Decision, ItemState
from portal.database import now, writing
from portal.duplicates.judging import decide
from portal.extensions import db
from portal.http.access import PUBLIC
from portal.keys.models import ApiKey, Scope
from portal.keys.services import create_key
from portal.organizations.models import Organization
from portal.pairs.models import DuplicatePair, DuplicateScan, OddPhoto, PairStatus
from portal.people.models import Merge, Person
from portal.photos.models import Photo
from portal.search.models import Search
from portal.storage import StoredFile, photo_store
from portal.web.accounts.access import SIGNED_IN
from portal.webhooks.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from portal.webhooks.services import send_test, switch_off
from portal.work.models import WorkState
from tests.make.batches import add_batch
from tests.make.merges import merge
from tests.make.pairs import add_odd_photo, add_pair
from tests.make.people import TESTER, add_person, add_photo, stored
from tests.make.photos import picture
from tests.make.searches import add_search
from tests.make.webhooks import add_endpoint
from tests.visitor import file

VIEWER, OPERATOR, ADMIN = "viewer", "operator", "admin"
EVERYBODY, STAFF, ADMINS = {VIEWER, OPERATOR, ADMIN}, {OPERATOR, ADMIN}, {ADMIN}
NUMBERS = count(1)
# What the pages of the clinic say that nobody of another organization may read.
SECRETS = ("Paula Secret", "P-SECRET", "invited-", "mate-", "hidden.example")


@dataclass
class Scene:
    """What the clinic has, made again for each request: some of them destroy it."""

    person: Person
    # Of another person into this one.
    merge: Merge
    photo: Photo
    # Of this person and others: to decide, and decided.
    pair: DuplicatePair
    decided: DuplicatePair
    odd: OddPhoto
    # One that was set aside.
    scan: DuplicateScan
    failed: Photo
    search: Search
    colleague: Membership
    invitation: Invitation
    key: ApiKey
    # With a delivery that can be sent again; and one that is switched off.
    webhook: WebhookEndpoint
    delivery: WebhookDelivery
    silent: WebhookEndpoint
    # Under way, with items in every state; just begun; and paused.
    batch: Batch
    items: dict[str, BatchItem]
    archive: BatchArchive
    begun: Batch
    paused: Batch


@dataclass(frozen=True)
class Route:
    """A request, who may send it, and what they and an outsider (an admin elsewhere) are answered."""

    endpoint: str
    method: str
    allowed: set[str]
    status: int
    # An outsider has pages of the same address in their own organization, but none of the clinic's rows.
    outsider: int
    arguments: Callable[[Scene], dict[str, Any]] = lambda _: {}
    form: Callable[[Scene], dict[str, Any]] = field(default=lambda _: {})
    # How a page's script sends it, instead of a form.
    script: Callable[[Scene], dict[str, Any]] | None = None
    # Whether it changes anything, where it is not a page that is only looked at.
    changes: bool = True


def person(scene: Scene) -> dict[str, Any]:
    return {"person_id": scene.person.id}


def photo(scene: Scene) -> dict[str, Any]:
    return {"photo_id": scene.photo.id}


def failed(scene: Scene) -> dict[str, Any]:
    return {"photo_id": scene.failed.id}


def searched(scene: Scene) -> dict[str, Any]:
    return {"search_id": scene.search.id}


def colleague(scene: Scene) -> dict[str, Any]:
    return {"membership_id": scene.colleague.id}


def batch(scene: Scene) -> dict[str, Any]:
    return {"batch_id": scene.batch.id}


def begun(scene: Scene) -> dict[str, Any]:
    return {"batch_id": scene.begun.id}


def paused(scene: Scene) -> dict[str, Any]:
    return {"batch_id": scene.paused.id}


def item(state: str) -> Callable[[Scene], dict[str, Any]]:
    return lambda scene: {**batch(scene), "item_id": scene.items[state].id}


def piece(scene: Scene) -> dict[str, Any]:
    return {**batch(scene), "archive_id": scene.archive.id, "offset": 0}


def unlike(scene: Scene) -> dict[str, Any]:
    return {**batch(scene), "person_id": scene.failed.person_id}


def a_photo_for_its_item(scene: Scene) -> dict[str, Any]:
    return {"data": {str(scene.items["expected"].id): file(picture(11))}}


def paired(scene: Scene) -> dict[str, Any]:
    return {"pair_id": scene.pair.id}


def decided(scene: Scene) -> dict[str, Any]:
    return {"pair_id": scene.decided.id}


def decision(scene: Scene) -> dict[str, Any]:
    return {"decided_at": scene.decided.decided_at.isoformat() if scene.decided.decided_at else ""}


def scan(scene: Scene) -> dict[str, Any]:
    return {"scan_id": scene.scan.id}


def preview(arguments: Callable[[Scene], dict[str, Any]]) -> Callable[[Scene], dict[str, Any]]:
    return lambda scene: {**arguments(scene), "rendition": "preview"}


def new_photos(_: Scene) -> dict[str, Any]:
    return {"photos": [file(picture(7))]}


def webhook(scene: Scene) -> dict[str, Any]:
    return {"endpoint_id": scene.webhook.id}


def webhook_form() -> dict[str, Any]:
    return {"address": f"https://receiver.example/{next(NUMBERS)}", "events": ["batch.done"]}


ROUTES = [
    Route("dashboard.index", "GET", EVERYBODY, 200, 200),
    Route("dashboard.overview", "GET", EVERYBODY, 200, 200),
    # Nobody has people enough, as long as few scenes were made: it is said so, and nothing is asked for.
    Route("calibration.start", "POST", ADMINS, 302, 302, changes=False),
    Route("people.index", "GET", EVERYBODY, 200, 200),
    Route("people.new", "GET", STAFF, 200, 200),
    Route(
        "people.new",
        "POST",
        STAFF,
        302,
        302,
        form=lambda scene: {"name": "Someone", "external_id": "NEW", **new_photos(scene)},
    ),
    Route("people.show", "GET", EVERYBODY, 200, 404, person),
    Route("people.photos", "GET", EVERYBODY, 200, 404, person),
    Route("people.add_photos", "POST", STAFF, 302, 404, person, new_photos),
    Route("people.edit", "GET", STAFF, 200, 404, person),
    Route(
        "people.edit", "POST", STAFF, 302, 404, person, lambda _: {"name": "Other", "external_id": "OTHER"}
    ),
    Route("people.delete", "POST", STAFF, 302, 404, person),
    Route(
        "people.undo_merge",
        "POST",
        STAFF,
        302,
        404,
        lambda scene: {**person(scene), "merge_id": scene.merge.id},
    ),
    Route("enrolment.show", "GET", EVERYBODY, 200, 404, photo),
    Route("enrolment.faces", "GET", EVERYBODY, 200, 404, photo),
    Route("enrolment.rendition", "GET", EVERYBODY, 200, 404, preview(photo)),
    Route("enrolment.original", "GET", EVERYBODY, 200, 404, photo),
    Route(
        "enrolment.choose_face",
        "POST",
        STAFF,
        302,
        404,
        photo,
        lambda scene: {"face_id": (scene.photo.main_face_id or 0) + 1},
    ),
    Route("enrolment.retry", "POST", STAFF, 302, 404, failed),
    Route("enrolment.remove", "POST", STAFF, 302, 404, photo),
    Route("batches.index", "GET", STAFF, 200, 200),
    Route(
        "batches.create",
        "POST",
        STAFF,
        302,
        302,
        form=lambda _: {"known": "add", "photos": [file(picture(10), "A1/1.jpg")]},
    ),
    Route("batches.show", "GET", STAFF, 200, 404, batch),
    Route("batches.progress", "GET", STAFF, 200, 404, batch),
    Route("batches.attention", "GET", STAFF, 200, 404, batch),
    Route("batches.pause", "POST", STAFF, 302, 404, batch),
    Route("batches.resume", "POST", STAFF, 302, 404, paused),
    Route("batches.cancel", "POST", STAFF, 302, 404, batch),
    Route("batches.finish", "POST", STAFF, 302, 404, batch),
    Route("batches.undo", "POST", STAFF, 302, 404, batch),
    Route("batches.retry", "POST", STAFF, 302, 404, batch),
    Route("batches.one_person", "POST", STAFF, 302, 404, unlike),
    Route("batches.apart", "POST", STAFF, 302, 404, unlike),
    Route("batches.encoding", "POST", STAFF, 302, 404, piece, form=lambda _: {"encoding": "cp850"}),
    Route(
        "batches.replace",
        "POST",
        STAFF,
        302,
        404,
        item("attention"),
        lambda _: {"photo": [file(picture(12))]},
    ),
    Route("batches.checked", "POST", STAFF, 302, 404, item("enrolled")),
    Route(
        "batch_uploads.reading",
        "POST",
        STAFF,
        200,
        200,
        script=lambda _: {"data": {"paths": '["A1/1.jpg"]'}},
        changes=False,
    ),
    Route("batch_uploads.start", "POST", STAFF, 200, 200, script=lambda _: {"data": {"known": "add"}}),
    Route(
        "batch_uploads.manifest",
        "POST",
        STAFF,
        200,
        404,
        begun,
        script=lambda _: {"data": {"manifest": file(b"id,name,photo\nA1,Anna,1.jpg\n", "list.csv")}},
    ),
    Route(
        "batch_uploads.files",
        "POST",
        STAFF,
        200,
        404,
        batch,
        script=lambda _: {"json": {"files": [{"path": "New/1.jpg", "size": 10}]}},
    ),
    Route("batch_uploads.announced", "POST", STAFF, 200, 404, batch, script=lambda _: {}),
    Route("batch_uploads.photos", "POST", STAFF, 200, 404, batch, script=a_photo_for_its_item),
    Route(
        "batch_uploads.archives",
        "POST",
        STAFF,
        200,
        404,
        batch,
        script=lambda _: {"data": {"name": "new.zip", "size": "10"}},
    ),
    Route("batch_uploads.archive_piece", "POST", STAFF, 200, 404, piece, script=lambda _: {"data": b"PK"}),
    Route("search.index", "GET", EVERYBODY, 200, 200),
    Route("search.index", "POST", EVERYBODY, 302, 302, form=lambda _: {"photo": file(picture(8))}),
    Route("search.show", "GET", EVERYBODY, 200, 404, searched),
    Route("search.results", "GET", EVERYBODY, 200, 404, searched),
    Route("search.rendition", "GET", EVERYBODY, 200, 404, preview(searched)),
    Route(
        "search.choose_face",
        "POST",
        EVERYBODY,
        302,
        404,
        searched,
        lambda scene: {"face_id": scene.search.face_id or 0},
    ),
    Route("search.retry", "POST", EVERYBODY, 302, 404, searched),
    Route("search.delete", "POST", STAFF, 302, 404, searched),
    Route("duplicates.index", "GET", EVERYBODY, 200, 200),
    Route("duplicates.status", "GET", EVERYBODY, 200, 200),
    Route("duplicates.download", "GET", STAFF, 200, 200),
    Route("duplicates.printed", "GET", EVERYBODY, 200, 200),
    Route("duplicates.retry", "POST", STAFF, 302, 302, changes=False),
    Route("pairs.following", "GET", EVERYBODY, 302, 302, changes=False),
    Route("pairs.show", "GET", EVERYBODY, 200, 404, paired),
    Route("pairs.decide", "POST", STAFF, 302, 404, paired, lambda _: {"decision": "distinct"}),
    Route("pairs.merge", "POST", STAFF, 302, 404, paired, lambda _: {"name_of": "a", "external_id_of": "b"}),
    Route("pairs.undo", "POST", STAFF, 302, 404, decided, decision),
    Route("pairs.reserve", "POST", STAFF, 204, 404, paired, script=lambda _: {}),
    Route("pairs.release", "POST", STAFF, 204, 404, paired, script=lambda _: {}),
    Route("scans.index", "GET", EVERYBODY, 200, 200),
    Route("scans.progress", "GET", EVERYBODY, 200, 200),
    Route("scans.retry", "POST", STAFF, 302, 404, scan),
    Route("scans.cancel", "POST", STAFF, 302, 404, scan, changes=False),
    # Charlie compares his own people: he has none.
    Route("scans.start", "POST", STAFF, 302, 302),
    Route("scans.schedule", "POST", ADMINS, 302, 302, form=lambda _: {"hour": "3"}),
    Route("scans.photos", "GET", EVERYBODY, 200, 200),
    Route("scans.confirm", "POST", STAFF, 302, 404, lambda scene: {"photo_id": scene.odd.photo_id}),
    Route("export.index", "GET", ADMINS, 200, 200),
    Route("export.download", "POST", ADMINS, 200, 200),
    Route("keys.index", "GET", ADMINS, 200, 200),
    Route(
        "keys.create",
        "POST",
        ADMINS,
        201,
        201,
        form=lambda _: {"name": f"Key {next(NUMBERS)}", "scopes": ["read"]},
    ),
    Route("keys.revoke", "POST", ADMINS, 302, 404, lambda scene: {"key_id": scene.key.id}),
    Route("webhooks.index", "GET", ADMINS, 200, 200),
    Route("webhooks.create", "POST", ADMINS, 201, 201, form=lambda _: webhook_form()),
    Route("webhooks.show", "GET", ADMINS, 200, 404, webhook),
    Route("webhooks.change", "POST", ADMINS, 302, 404, webhook, lambda _: webhook_form()),
    Route("webhooks.rotate", "POST", ADMINS, 201, 404, webhook, lambda scene: {"shown": scene.webhook.shown}),
    Route("webhooks.switch_off", "POST", ADMINS, 302, 404, webhook),
    Route("webhooks.switch_on", "POST", ADMINS, 302, 404, lambda scene: {"endpoint_id": scene.silent.id}),
    Route("webhooks.test", "POST", ADMINS, 302, 404, webhook),
    Route(
        "webhooks.replay",
        "POST",
        ADMINS,
        302,
        404,
        lambda scene: {**webhook(scene), "delivery_id": scene.delivery.id},
    ),
    Route("webhooks.delete", "POST", ADMINS, 302, 404, webhook),
    Route("members.index", "GET", ADMINS, 200, 200),
    Route(
        "members.invite",
        "POST",
        ADMINS,
        302,
        302,
        form=lambda _: {"email": "third@clinic.example", "role": "viewer"},
    ),
    Route(
        "members.revoke",
        "POST",
        ADMINS,
        302,
        404,
        lambda scene: {"invitation_id": scene.invitation.id},
    ),
    Route("members.change_role", "POST", ADMINS, 302, 404, colleague, lambda _: {"role": "operator"}),
    Route("members.remove", "POST", ADMINS, 302, 404, colleague),
    Route("organizations.settings", "GET", ADMINS, 200, 200),
    Route(
        "organizations.settings",
        "POST",
        ADMINS,
        302,
        302,
        form=lambda _: {"name": "Renamed", "retention_days": "10"},
    ),
    Route("calibration.show", "GET", ADMINS, 200, 200),
    Route("calibration.state", "GET", ADMINS, 200, 200),
    Route(
        "calibration.choose",
        "POST",
        ADMINS,
        302,
        302,
        form=lambda _: {"purpose": "search", "threshold": "0.5"},
    ),
    Route("audit.index", "GET", ADMINS, 200, 200),
]
# Not about one organization; they have tests of their own.
OF_NO_ORGANIZATION = {
    "static": None,
    "system.healthz": PUBLIC,
    "system.readyz": PUBLIC,
    "system.metrics": PUBLIC,
    "accounts.sign_in": PUBLIC,
    "accounts.first_run": PUBLIC,
    "accounts.accept_invitation": PUBLIC,
    "accounts.sign_out": SIGNED_IN,
    "accounts.account": SIGNED_IN,
    "organizations.switch": SIGNED_IN,
}


def _duplicates(
    session: Session, organization: Organization, number: int, photo: Photo
) -> tuple[DuplicatePair, DuplicatePair, OddPhoto, DuplicateScan]:
    """Pairs of the person on a photo, to decide and decided; an odd photo, and a scan that was set aside."""
    twins = [
        add_photo(
            session,
            add_person(session, organization, f"P-SECRET-{number}-{shade}", "Paula Secret"),
            shade=shade,
        )
        for shade in (30, 31)
    ]
    to_decide, distinct = (add_pair(session, photo, twin) for twin in twins)
    decide(session, TESTER, distinct, PairStatus.DISTINCT)
    with writing(session):
        # Those of earlier scenes would be in the way of this one.
        session.execute(delete(DuplicateScan).where(DuplicateScan.organization_id == organization.id))
        scan = DuplicateScan(
            organization_id=organization.id, threshold=0.4, state=WorkState.FAILED, started_by="Paula Secret"
        )
        session.add(scan)
    return to_decide, distinct, add_odd_photo(session, twins[0]), scan


def _webhooks(
    session: Session, organization: Organization
) -> tuple[WebhookEndpoint, WebhookDelivery, WebhookEndpoint]:
    """An endpoint with a delivery that was taken, and one that is switched off."""
    with writing(session):
        # There are few of them in an organization; those of earlier scenes make room.
        mine = WebhookEndpoint.organization_id == organization.id
        session.execute(update(WebhookEndpoint).where(mine).values(deleted_at=now()))
    one, silent = (
        add_endpoint(session, organization, f"https://hidden.example/{next(NUMBERS)}").row for _ in range(2)
    )
    send_test(session, TESTER, one)
    switch_off(session, TESTER, silent)
    with writing(session):
        delivery = session.scalars(select(WebhookDelivery).where(WebhookDelivery.endpoint_id == one.id)).one()
        delivery.state = DeliveryState.DELIVERED
    return one, delivery, silent


def _batch(
    session: Session, organization: Organization, photo: Photo, failed: Photo
) -> tuple[Batch, dict[str, BatchItem], BatchArchive]:
    """A batch that is under way, its items by their states, and a ZIP of which nothing has come yet."""
    files = {
        state: stored(photo_store(), organization, picture(20)).file for state in ("attention", "received")
    }
    whose = {"external_id": "P-SECRET", "name": "Paula Secret"}
    ends: dict[ItemState, dict[str, Any]] = {
        ItemState.ATTENTION: {"reason": "no_name"},
        ItemState.ENROLLED: {"reason": "several_faces", "person_id": photo.person_id, "photo_id": photo.id},
    }
    made = add_batch(
        session,
        organization,
        *(
            {
                "path": f"Paula Secret/{state}.jpg",
                "state": state,
                **whose,
                **ends.get(state, {}),
                **_kept(files, state),
            }
            for state in ItemState
            if state != ItemState.UNDONE
        ),
        {
            "path": "Paula Secret/unlike.jpg",
            "state": ItemState.ATTENTION,
            **whose,
            "reason": "unlike_others",
            "person_id": failed.person_id,
            "photo_id": failed.id,
        },
        source="from Paula Secret's folder",
    )
    with writing(session):
        archive = BatchArchive(
            batch_id=made.id, organization_id=organization.id, file_name="Paula Secret.zip", size_bytes=10
        )
        archive.samples = {"cp850": ["Paula Secret.jpg"]}
        session.add(archive)
    items = session.scalars(select(BatchItem).where(BatchItem.batch_id == made.id))
    return made, {item.state: item for item in items if item.reason != "unlike_others"}, archive


def _kept(files: dict[str, StoredFile], state: str) -> dict[str, Any]:
    if state not in files:
        return {"size_bytes": 10}
    file = files[state]
    return {"file_key": file.key, "sha256": file.sha256, "size_bytes": file.size_bytes}


def _colleague(session: Session, organization: Organization, email: str) -> Membership:
    """Someone who never signs in."""
    with writing(session):
        user = User(email=email, password_hash="none")
        session.add(user)
        session.flush()
        membership = Membership(user_id=user.id, organization_id=organization.id, role=Role.VIEWER)
        session.add(membership)
    return membership


def make_scene(app: Flask, clinic: Organization) -> Scene:
    """A scene in the clinic, with another person than those before it."""
    with app.app_context():
        session, organization = db.session(), db.session.get_one(Organization, clinic.id)
        number = next(NUMBERS)
        someone = add_person(session, organization, f"P-SECRET-{number}", "Paula Secret")
        photo = add_photo(session, someone, faces=2)
        failed = add_photo(session, someone, faces=0, shade=9)
        search = add_search(session, organization, candidates=(photo,))
        email = f"invited-{number}@clinic.example"
        invitations.invite(session, organization, TESTER, email, Role.VIEWER)
        batch, items, archive = _batch(session, organization, photo, failed)
        other = add_person(session, organization, f"P-SECRET-ALIAS-{number}", "Paula Secret")
        return Scene(
            someone,
            merge(session, someone, other),
            photo,
            *_duplicates(session, organization, number, photo),
            failed,
            search,
            _colleague(session, organization, f"mate-{number}@clinic.example"),
            session.scalars(select(Invitation).where(Invitation.email == email)).one(),
            create_key(session, organization, TESTER, f"Secret key {number}", [Scope.READ])[0],
            *_webhooks(session, organization),
            batch,
            items,
            archive,
            add_batch(session, organization),
            add_batch(session, organization, decision=Decision.PAUSE),
        )
