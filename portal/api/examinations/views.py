"""Faces of photos that are looked at once and not kept: detections, comparisons, verifications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flask import Blueprint

from portal.api.access import current_key, current_onlooker, current_organization
from portal.api.contract import operation
from portal.api.examinations.schemas import (
    Comparison,
    ComparisonFields,
    ComparisonForm,
    Detection,
    DetectionForm,
    DetectionQuery,
    Verification,
    VerificationFields,
    VerificationForm,
    comparison_of,
    faces_of,
)
from portal.api.forms import received
from portal.api.people.finding import person_of
from portal.api.problems import FieldError, Problem, ProblemDetails
from portal.api.schemas import FaceModel, NoFields, message_of
from portal.api.templates import SentTemplate, probe_of
from portal.examination import services
from portal.examination.models import Examination, Kind
from portal.extensions import db
from portal.http.bodies import accepts_upload
from portal.installation.services import current_face_model
from portal.keys.models import Scope
from portal.people.models import Person
from portal.photos.services import Upload
from portal.storage import photo_store
from portal.waiting import examination_done, wait
from portal.work.models import UNFINISHED, WorkState

blueprint = Blueprint("api_examinations", __name__, url_prefix="/api/v1")

ANSWERED_WITHIN_S = 60


@blueprint.post("/detections")
@accepts_upload(streamed=True)
@operation(
    Scope.READ,
    "faces",
    {200: Detection, 503: ProblemDetails},
    query=DetectionQuery,
    form=DetectionForm,
)
def detect_faces(query: DetectionQuery) -> tuple[Detection, int, dict[str, str]]:
    """Find the faces of a photo, which is not kept."""
    if query.templates and not current_key().may(Scope.ADMIN):
        words = f"The key {current_key().name} may not have templates: it needs the scope admin."
        raise Problem(403, words)
    with received(photo_store(), current_organization(), {"image": 1}, NoFields) as form:
        probes = form.photos["image"]
        began = _begin(Kind.DETECTION, probes, with_templates=query.templates)
    with _answered(began, probes, ("image",)) as examination:
        (photo,) = examination.photos
        model = current_face_model(db.session()) if query.templates else None
        found = Detection.model_validate(
            {
                "width": photo.width,
                "height": photo.height,
                "faces": faces_of(photo),
                "face_model": FaceModel.of(model) if model else None,
                "processing_ms": examination.steps_ms,
            }
        )
        # Templates are kept nowhere but with the face they were made of.
        return found, 200, {"Cache-Control": "no-store"} if query.templates else {}


@blueprint.post("/comparisons")
@accepts_upload(streamed=True)
@operation(Scope.READ, "faces", {200: Comparison, 503: ProblemDetails}, form=ComparisonForm)
def compare_faces() -> Comparison:
    """Compare the main faces of two photos, which are not kept."""
    images = ("image_a", "image_b")
    wanted = dict.fromkeys(images, 1)
    with received(photo_store(), current_organization(), wanted, ComparisonFields, optional=True) as form:
        sent = form.fields
        probes = [
            probe_of(
                form.photos.get("image_a", []), "image_a", sent.template_a, "template_a", sent.face_model
            ),
            probe_of(
                form.photos.get("image_b", []), "image_b", sent.template_b, "template_b", sent.face_model
            ),
        ]
        began = _begin(Kind.COMPARISON, probes)
    with _answered(began, probes, images) as examination:
        return Comparison.model_validate(comparison_of(examination, images))


@blueprint.post("/people/<int:person_id>/verifications")
@accepts_upload(streamed=True)
@operation(
    Scope.READ,
    "people",
    {200: Verification, 409: ProblemDetails, 503: ProblemDetails},
    form=VerificationForm,
)
def verify_person(person_id: int) -> Verification:
    """Compare the main face of a photo, which is not kept, with all photos of a person."""
    person = person_of(person_id)
    wanted = {"image": 1}
    with received(photo_store(), current_organization(), wanted, VerificationFields, optional=True) as form:
        photos, sent = form.photos.get("image", []), form.fields
        probe = probe_of(photos, "image", sent.template, "template", sent.face_model)
        began = _begin(Kind.VERIFICATION, [probe], person=person)
    with _answered(began, [probe], ("image",)) as examination:
        if examination.score is None:
            raise Problem(409, "This person has no usable photo to compare with.")
        return Verification.model_validate(
            {
                **comparison_of(examination, ("image",)),
                "person_id": person_id,
                "photos": examination.photo_scores,
            }
        )


def _begin(
    kind: Kind,
    probes: Sequence[Upload | SentTemplate],
    *,
    person: Person | None = None,
    with_templates: bool = False,
) -> int:
    models = [probe.face_model_id for probe in probes if isinstance(probe, SentTemplate)]
    return services.begin_examination(
        db.session(),
        current_organization(),
        current_onlooker(),
        kind,
        [probe.content if isinstance(probe, SentTemplate) else probe for probe in probes],
        face_model_id=models[0] if models else None,
        person=person,
        with_templates=with_templates,
    )


@contextmanager
def _answered(
    examination_id: int, probes: Sequence[Upload | SentTemplate], images: tuple[str, ...]
) -> Iterator[Examination]:
    """The examination once it is done; it is deleted afterwards, whatever happens.

    images: the fields that its photos came in. Raises Problem if no worker was free, or a photo is of no use.
    """
    session, organization = db.session(), current_organization()

    def found() -> Examination:
        examination = services.find_examination(session, organization, examination_id)
        if examination is None:
            raise Problem(404, "The person was deleted in the meantime.")
        return examination

    def is_done() -> bool:
        return found().state not in UNFINISHED

    try:
        if not wait(session, examination_done(examination_id), ANSWERED_WITHIN_S, is_done):
            words = "No worker was free in time. Send it again later."
            raise Problem(503, words, headers={"Retry-After": "10"})
        examination = found()
        if examination.state == WorkState.FAILED:
            words = message_of(examination.reason) or ""
            errors = []
            if examination.failed_place is not None:
                errors = [FieldError(field=images[examination.failed_place], message=words)]
            raise Problem(422, words, errors)
        yield examination
    finally:
        keys = [probe.file.key for probe in probes if isinstance(probe, Upload)]
        services.delete_examination(session, organization, examination_id, keys, photo_store())
