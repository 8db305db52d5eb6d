"""The page of a pair, and what staff decide on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.models import User
from portal.accounts.roles import Permission
from portal.calibration.services import bands_for_pairs
from portal.database import Gone
from portal.duplicates import judging, pairs
from portal.duplicates.handing_out import group_of, next_pair
from portal.duplicates.judging import PairError
from portal.extensions import db
from portal.installation.thresholds import thresholds_of
from portal.merging.merging import MergeError
from portal.pairs.models import DuplicatePair, PairStatus
from portal.pairs.odd_photos import odd_photos_of
from portal.people.aliases import aliases_of
from portal.people.models import Person
from portal.photos.models import Face, Photo
from portal.photos.services import photos_of
from portal.web.accounts.access import current_actor, current_organization, may, requires
from portal.web.duplicates.views import just_decided, pair_in_link

blueprint = Blueprint("pairs", __name__, url_prefix="/duplicates")

UNSURE = "unsure"
A, B = "a", "b"


@dataclass(frozen=True)
class Side:
    """One of the two people, as the page shows them."""

    letter: str
    person: Person
    aliases: list[Person]
    open_pairs: int
    # Usable photos with the face that stands for the person, and which of them is compared; the face of
    # someone who was merged is now on a photo of the other one.
    faces: list[tuple[Photo, Face]]
    face: Face | None


@blueprint.get("/next")
@requires(Permission.VIEW)
def following() -> ResponseReturnValue:
    """Hand out the next pair of the queue, or the one before."""
    before, after, decided = (pair_in_link(name) for name in ("before", "after", "decided"))
    pair = _hand_out(before or after, backwards=before is not None)
    if pair is None and decided is not None:
        # A member who may decide goes on at the top when the bottom is reached.
        pair = _hand_out(None)
    if pair is not None:
        return redirect(url_for("pairs.show", pair_id=pair.id, decided=decided.id if decided else None))
    if before is not None:
        flash("This is the first pair of the queue.", "info")
        return redirect(url_for("pairs.show", pair_id=before.id))
    flash(_why_none(was_last=after is not None and decided is None), "info")
    return redirect(url_for("duplicates.index", decided=decided.id if decided else None))


@blueprint.get("/<int:pair_id>")
@requires(Permission.VIEW)
def show(pair_id: int) -> ResponseReturnValue:
    """Two people side by side."""
    pair = _pair(pair_id)
    judging.record_view(db.session(), current_actor(), pair)
    return _page(pair)


@blueprint.post("/<int:pair_id>/decision")
@requires(Permission.ENROL)
def decide(pair_id: int) -> ResponseReturnValue:
    """Say that the two are one person, or are not; or leave the pair to someone else."""
    pair, session, actor = _pair(pair_id), db.session(), current_actor()
    decision, note = request.form.get("decision", ""), request.form.get("note", "")
    if decision not in {UNSURE, PairStatus.DUPLICATE, PairStatus.DISTINCT}:
        abort(400)
    try:
        if decision == UNSURE:
            asked = _asked()
            judging.leave_open(session, actor, pair, note, asked)
            flash(f"{_two(pair)} are left to {asked.email if asked else 'others'}.", "success")
        else:
            judging.decide(session, actor, pair, PairStatus(decision), note)
    except PairError as error:
        return _refused(pair_id, error, note)
    return _onwards(pair)


@blueprint.post("/<int:pair_id>/merge")
@requires(Permission.ENROL)
def merge(pair_id: int) -> ResponseReturnValue:
    """Merge the two: the one whose external id is kept is the survivor."""
    pair, note = _pair(pair_id), request.form.get("note", "")
    name_of, id_of = request.form.get("name_of"), request.form.get("external_id_of")
    if not {name_of, id_of} <= {A, B}:
        abort(400)
    survivor, absorbed = (pair.a, pair.b) if id_of == A else (pair.b, pair.a)
    try:
        judging.decide_and_merge(
            db.session(),
            current_organization(),
            current_actor(),
            pair,
            survivor=survivor,
            absorbed=absorbed,
            name=(pair.a if name_of == A else pair.b).name,
            external_id=survivor.external_id,
            note=note,
        )
    except (PairError, MergeError) as error:
        return _refused(pair_id, error, note)
    return _onwards(pair)


@blueprint.post("/<int:pair_id>/undo")
@requires(Permission.ENROL)
def undo(pair_id: int) -> ResponseReturnValue:
    """Undo a decision, with the merge if there was one."""
    pair = _pair(pair_id)
    try:
        remarks = judging.undo_decision(
            db.session(), current_organization(), current_actor(), pair, _decided_at()
        )
    except (PairError, MergeError) as error:
        flash(str(error), "warning")
        return redirect(url_for("pairs.show", pair_id=pair.id))
    flash("The decision is undone: this pair is open again.", "success")
    for remark in remarks:
        flash(remark, "info")
    return redirect(url_for("pairs.show", pair_id=pair.id))


@blueprint.post("/<int:pair_id>/reserve")
@requires(Permission.ENROL)
def reserve(pair_id: int) -> ResponseReturnValue:
    """Learn from the page that someone still looks at it; 409 if the pair is reserved for someone else."""
    if judging.reserve(db.session(), current_actor(), _pair(pair_id)):
        return "", 204
    return {"error": "Someone else is looking at this pair now."}, 409


@blueprint.post("/<int:pair_id>/release")
@requires(Permission.ENROL)
def release(pair_id: int) -> ResponseReturnValue:
    """Learn from the page that it was left."""
    judging.release(db.session(), current_actor(), _pair(pair_id))
    return "", 204


def _pair(pair_id: int) -> DuplicatePair:
    return pairs.find_pair(db.session(), current_organization(), pair_id) or abort(404)


def _decided_at() -> datetime:
    """When the decision that the form's page showed was made."""
    try:
        return datetime.fromisoformat(request.form.get("decided_at", ""))
    except ValueError:
        abort(400)


def _hand_out(beside: DuplicatePair | None, *, backwards: bool = False) -> DuplicatePair | None:
    """The next pair, kept for this member if they may decide."""
    session, organization, actor = db.session(), current_organization(), current_actor()
    while (pair := next_pair(session, organization, actor, beside, backwards=backwards)) is not None:
        try:
            if not may(Permission.ENROL) or judging.reserve(session, actor, pair):
                return pair
        except Gone:
            session.rollback()
    return None


def _why_none(*, was_last: bool) -> str:
    open_pairs = pairs.count_to_decide(db.session(), current_organization())
    if not open_pairs:
        return "Every pair is decided."
    if was_last:
        return "That was the last pair of the queue. The ones you skipped are still there."
    words = "One open pair is" if open_pairs == 1 else f"{open_pairs:,} open pairs are"
    return f"No pair is left for you: {words} being looked at by others, or left to others."


def _page(pair: DuplicatePair, note: str = "", problem: str = "") -> str:
    session, organization, actor = db.session(), current_organization(), current_actor()
    if may(Permission.ENROL) and pair.status == PairStatus.OPEN:
        judging.reserve(session, actor, pair)
        pair = _pair(pair.id)
    counts = pairs.count_open_pairs_of(session, [pair.a_id, pair.b_id])
    taken = judging.is_reserved(pair, actor)
    merged = [one for one in (pair.a, pair.b) if one.is_alias]
    return render_template(
        "duplicates/show.html",
        pair=pair,
        sides=_sides(pair, counts),
        many=pairs.MANY_PAIRS,
        group=group_of(session, pair),
        history=pairs.history_of(session, pair),
        odd=odd_photos_of(session, [pair.a_id, pair.b_id]),
        bands=bands_for_pairs(session, organization),
        thresholds=thresholds_of(session, organization),
        taken=taken,
        merged=merged,
        merge=judging.merge_of(session, pair),
        survivors={one.id: session.get_one(Person, one.merged_into_id) for one in merged},
        decides=may(Permission.ENROL) and pair.status == PairStatus.OPEN and not taken and not merged,
        colleagues=judging.can_be_asked(session, organization, actor),
        decided=just_decided(),
        note=note,
        problem=problem,
    )


def _sides(pair: DuplicatePair, open_pairs: dict[int, int]) -> tuple[Side, Side]:
    session = db.session()
    photos = photos_of(session, [pair.a, pair.b])

    def side(letter: str, person: Person, best: Face | None) -> Side:
        faces = [
            (photo, face)
            for photo in photos[person.id]
            for face in photo.faces
            if photo.width and face.id == photo.main_face_id
        ]
        chosen = request.args.get(letter, 0, int)
        shown = next((face for photo, face in faces if photo.id == chosen), best)
        if shown is None and faces:
            shown = faces[0][1]
        return Side(letter, person, aliases_of(session, person), open_pairs[person.id], faces, shown)

    return side(A, pair.a, pair.face_a), side(B, pair.b, pair.face_b)


def _asked() -> User | None:
    """The member whom the form asks for help; None: anyone. Raises PairError."""
    chosen = request.form.get("asked_id", "")
    if not chosen:
        return None
    for user in judging.can_be_asked(db.session(), current_organization(), current_actor()):
        if str(user.id) == chosen:
            return user
    raise PairError("This member can't be asked. Choose another one, or leave the pair to anyone.")


def _refused(pair_id: int, error: PairError | MergeError, note: str) -> ResponseReturnValue:
    return _page(_pair(pair_id), note, str(error)), 422


def _onwards(pair: DuplicatePair) -> ResponseReturnValue:
    return redirect(url_for("pairs.following", after=pair.id, decided=pair.id))


def _two(pair: DuplicatePair) -> str:
    return f"{pair.a.name} ({pair.a.external_id}) and {pair.b.name} ({pair.b.external_id})"
