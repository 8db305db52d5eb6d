"""Calibrations of an organization: asked for, in force, and what they mean."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.calibration.bands import UNCALIBRATED, Bands, pair_bands, search_bands
from portal.calibration.curves import Curves, ErrorRates, error_rates_at
from portal.calibration.models import Calibration
from portal.database import writing
from portal.installation.models import FaceModel, Installation
from portal.installation.services import current_face_model
from portal.installation.thresholds import thresholds_of
from portal.locks import lock
from portal.organizations.models import Organization
from portal.pairs.passes import is_behind
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.photos.services import count_photos
from portal.queues import enqueue_calibration
from portal.work.models import UNFINISHED, WorkState

# With fewer people nothing is calibrated: a rate of 1 in 100 is one person then.
PEOPLE_NEEDED = 100
# Calibrated again when there are this many times more people or photos, or fewer people.
GROWTH = 2
BY_ITSELF = Actor(None, "calibration")
# Why a calibration failed: people were deleted after it was asked for.
TOO_FEW_PEOPLE = "too_few_people"


class CalibrationError(ValueError):
    """Why no calibration can be started, in words for staff."""


@dataclass(frozen=True)
class Meaning:
    """What the scores of a search say: the bands of its candidates, and what its threshold costs."""

    bands: Bands
    # None without a calibration.
    rates: ErrorRates | None
    # In the gallery at the time of the calibration.
    people: int


def current(session: Session, organization: Organization) -> Calibration | None:
    """The newest calibration that is done, of the installation's present face model."""
    return session.scalar(
        select(Calibration)
        .join(Installation, Installation.face_model_id == Calibration.face_model_id)
        .where(Calibration.organization_id == organization.id, Calibration.state == WorkState.DONE)
        .order_by(Calibration.id.desc())
        .limit(1)
    )


def newest(session: Session, organization: Organization) -> Calibration | None:
    """The newest calibration of the present face model, however far it is."""
    return session.scalar(
        select(Calibration)
        .join(Installation, Installation.face_model_id == Calibration.face_model_id)
        .where(Calibration.organization_id == organization.id)
        .order_by(Calibration.id.desc())
        .limit(1)
    )


def request_calibration(session: Session, organization: Organization, actor: Actor) -> Calibration:
    """Start a calibration on the organization's people.

    Raises CalibrationError if one is already under way, or there are too few people.
    """
    model = current_face_model(session)
    people = 0 if model is None else people_in_gallery(session, organization, model, PEOPLE_NEEDED)
    if model is None or people < PEOPLE_NEEDED:
        raise CalibrationError(
            f"There are not enough people for a calibration: {people} of {PEOPLE_NEEDED} have a usable photo."
        )
    with writing(session):
        lock(session, organization)
        last = newest(session, organization)
        if last is not None and last.state in UNFINISHED:
            raise CalibrationError("A calibration is already under way.")
        calibration = Calibration(organization_id=organization.id, face_model_id=model.id)
        session.add(calibration)
        session.flush()
        record(
            session,
            actor,
            Action.CALIBRATION_STARTED,
            organization_id=organization.id,
            subject_type="calibration",
            subject_id=calibration.id,
        )
    enqueue_calibration(calibration.id)
    return calibration


def calibrate_where_due(session: Session) -> None:
    """Ask for the calibrations that are due, and send queued ones again: called by the sweep."""
    for calibration_id in session.scalars(
        select(Calibration.id).where(Calibration.state == WorkState.QUEUED)
    ):
        enqueue_calibration(calibration_id)
    model = current_face_model(session)
    if model is None:
        return
    for organization in session.scalars(select(Organization)).all():
        if _is_due(session, organization, model):
            # An admin may be first, or people be deleted.
            with suppress(CalibrationError):
                request_calibration(session, organization, BY_ITSELF)


def _is_due(session: Session, organization: Organization, model: FaceModel) -> bool:
    """Whether there was no calibration yet, or the gallery is twice as large as then, or half as large.

    What is cheap is asked first. A calibration that was set aside is not asked for again by itself.
    """
    last = newest(session, organization)
    if last is None:
        return _is_ready(session, organization, model, PEOPLE_NEEDED)
    if last.state == WorkState.FAILED and last.reason == TOO_FEW_PEOPLE:
        needed = max(PEOPLE_NEEDED, GROWTH * (last.gallery_people or 0))
        return _is_ready(session, organization, model, needed)
    if last.state != WorkState.DONE or last.gallery_version == organization.gallery_version:
        return False
    people, photos = last.gallery_people or 0, last.photos
    if (photos is not None and usable_photos(session, organization) >= GROWTH * photos) or (
        GROWTH * _people(session, organization, people) <= people
    ):
        return _is_ready(session, organization, model, PEOPLE_NEEDED)
    return _is_ready(session, organization, model, GROWTH * people)


def _is_ready(session: Session, organization: Organization, model: FaceModel, needed: int) -> bool:
    """Whether this many people are in the gallery, nobody waits to join it, and all of it was compared.

    Before that people who are enrolled twice would count as two who look alike, unnoticed.
    """
    waiting = select(Photo.id).where(Photo.organization_id == organization.id, Photo.state.in_(UNFINISHED))
    return (
        _people(session, organization, needed) >= needed
        and session.scalar(waiting.limit(1)) is None
        and not is_behind(session, organization.id)
        and people_in_gallery(session, organization, model, needed) >= needed
    )


def _people(session: Session, organization: Organization, most: int) -> int:
    of_it = select(Person.id).where(Person.organization_id == organization.id).limit(most)
    return session.scalar(select(func.count()).select_from(of_it.subquery())) or 0


def usable_photos(session: Session, organization: Organization) -> int:
    """How many photos of an organization stand for a person."""
    return count_photos(session, organization)[WorkState.DONE]


def people_in_gallery(session: Session, organization: Organization, model: FaceModel, most: int) -> int:
    """How many people have a face in the gallery; counted up to `most`."""
    with_a_face = (
        select(Face.person_id)
        .where(
            Face.organization_id == organization.id,
            Face.face_model_id == model.id,
            Face.gallery_version.is_not(None),
        )
        .distinct()
        .limit(most)
    )
    return session.scalar(select(func.count()).select_from(with_a_face.subquery())) or 0


def meaning_for_search(session: Session, organization: Organization, threshold: float) -> Meaning:
    """What the scores of a search mean that was judged by `threshold`."""
    curves = curves_of(current(session, organization))
    bands = search_bands(curves, threshold)
    if curves is None:
        return Meaning(bands, None, 0)
    return Meaning(bands, error_rates_at(curves, threshold), curves["people"])


def bands_for_pairs(session: Session, organization: Organization) -> Bands:
    """Bands of pairs of people, by the duplicates' threshold in force."""
    thresholds = thresholds_of(session, organization)
    if thresholds is None:
        return UNCALIBRATED
    return pair_bands(curves_of(current(session, organization)), thresholds.duplicates)


def curves_of(calibration: Calibration | None) -> Curves | None:
    """The curves of a calibration that is done; None where there is none."""
    return None if calibration is None else cast(Curves, calibration.curves)
