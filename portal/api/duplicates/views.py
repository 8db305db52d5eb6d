"""Duplicate pairs, what is decided about them, and scans."""

from __future__ import annotations

from flask import Blueprint, abort, url_for

from portal.api.access import current_actor, current_organization
from portal.api.contract import operation
from portal.api.cursors import bound, unbound
from portal.api.duplicates.schemas import (
    DecidedPair,
    Decision,
    Pair,
    PairDecision,
    Pairs,
    PairsQuery,
    Scan,
    Scans,
)
from portal.api.problems import Problem, ProblemDetails
from portal.calibration.services import bands_for_pairs
from portal.duplicates import judging, pairs
from portal.duplicates.judging import PairError
from portal.duplicates.pairs import Filter
from portal.extensions import db
from portal.keys.models import Scope
from portal.merging.merging import MergeError
from portal.pairs import scans
from portal.pairs.models import DuplicatePair, DuplicateScan, PairStatus
from portal.pairs.scans import ScanError

blueprint = Blueprint("api_duplicates", __name__, url_prefix="/api/v1")

ANSWERED_ANEW = (
    "The first answer is not there any more: if a merge was undone, look whether all of it could be."
)


def _decided_before(pair_id: int) -> DecidedPair:
    """A decision that was made, of which the remarks are not known any more."""
    return DecidedPair(pair=_answer(_pair(pair_id)), remarks=[ANSWERED_ANEW])


def _started(scan_id: int) -> tuple[Scan, int, dict[str, str]]:
    return _present(scan_id), 202, {"Location": url_for("api_duplicates.get_scan", scan_id=scan_id)}


def _present(scan_id: int) -> Scan:
    return Scan.of(_scan(scan_id))


@blueprint.get("/duplicates")
@operation(Scope.READ, "duplicates", {200: Pairs}, query=PairsQuery)
def list_pairs(query: PairsQuery) -> Pairs:
    """List pairs of people who may be one, the highest score first; or those that changed, as a feed."""
    session, organization = db.session(), current_organization()
    filters = query.model_dump(mode="json", exclude={"cursor", "limit"})
    cursor = unbound(query.cursor, filters)
    if query.updated_after is not None:
        if (query.status, query.min_score, query.batch_id) != (None, None, None):
            words = "A feed has all pairs that changed: send updated_after without other filters."
            raise Problem.of_field("updated_after", words)
        page = pairs.list_changed(session, organization, query.updated_after, cursor, query.limit)
    else:
        wanted = Filter(query.status, query.min_score, batch_id=query.batch_id)
        page = pairs.list_each(session, organization, wanted, cursor, query.limit)
    bands = bands_for_pairs(session, organization)
    return Pairs(items=[Pair.of(pair, bands) for pair in page.items], next_cursor=bound(page.next, filters))


@blueprint.get("/duplicates/<int:pair_id>")
@operation(Scope.READ, "duplicates", {200: Pair})
def get_pair(pair_id: int) -> Pair:
    """A pair of people who may be one."""
    pair = _pair(pair_id)
    judging.record_view(db.session(), current_actor(), pair)
    return _answer(pair)


@blueprint.post("/duplicates/<int:pair_id>/decision")
@operation(
    Scope.DECIDE,
    "duplicates",
    {200: DecidedPair, 409: ProblemDetails},
    json=PairDecision,
    again=_decided_before,
)
def decide_pair(pair_id: int, json: PairDecision) -> DecidedPair:
    """Decide about a pair, or undo what was decided, with the merge if there was one."""
    if json.decision != Decision.MERGE and (json.survivor_id, json.name_of) != (None, None):
        raise Problem.of_field("survivor_id", "survivor_id and name_of are for the decision merge.")
    if json.decision == Decision.UNDO and json.note:
        raise Problem.of_field("note", "The decision undo takes no note.")
    pair, session, actor = _pair(pair_id), db.session(), current_actor()
    remarks: list[str] = []
    try:
        if json.decision == Decision.UNDO:
            remarks = judging.undo_decision(session, current_organization(), actor, pair, pair.decided_at)
        elif json.decision == Decision.MERGE:
            _merge(pair, json)
        else:
            judging.decide(session, actor, pair, PairStatus(json.decision), json.note)
    except (PairError, MergeError) as error:
        raise Problem(409, str(error)) from error
    return DecidedPair(pair=_answer(_pair(pair_id)), remarks=remarks)


@blueprint.get("/duplicate-scans")
@operation(Scope.READ, "duplicates", {200: Scans})
def list_scans() -> Scans:
    """The latest scans."""
    latest = scans.latest_scans(db.session(), current_organization())
    return Scans(items=[Scan.of(scan) for scan in latest])


@blueprint.post("/duplicate-scans")
@operation(Scope.DECIDE, "duplicates", {202: Scan, 409: ProblemDetails}, again=_started)
def start_scan() -> tuple[Scan, int, dict[str, str]]:
    """Start to compare all people with each other."""
    try:
        scan = scans.start_scan(db.session(), current_organization(), current_actor())
    except ScanError as error:
        raise Problem(409, str(error)) from error
    return _started(scan.id)


@blueprint.get("/duplicate-scans/<int:scan_id>")
@operation(Scope.READ, "duplicates", {200: Scan})
def get_scan(scan_id: int) -> Scan:
    """A scan and how far it is."""
    return _present(scan_id)


@blueprint.post("/duplicate-scans/<int:scan_id>/cancel")
@operation(Scope.DECIDE, "duplicates", {200: Scan, 409: ProblemDetails}, again=_present)
def cancel_scan(scan_id: int) -> Scan:
    """End a scan where it is; the pairs that it found stay."""
    try:
        scans.cancel_scan(db.session(), current_actor(), _scan(scan_id))
    except ScanError as error:
        raise Problem(409, str(error)) from error
    return _present(scan_id)


def _merge(pair: DuplicatePair, json: PairDecision) -> None:
    """Raises Problem, and what judging.decide_and_merge raises."""
    two = {pair.a_id: pair.a, pair.b_id: pair.b}
    if json.survivor_id not in two:
        raise Problem.of_field(
            "survivor_id", "To merge, send as survivor_id the person_id of one of the two."
        )
    name_of = json.survivor_id if json.name_of is None else json.name_of
    if name_of not in two:
        raise Problem.of_field("name_of", "Send as name_of the person_id of one of the two.")
    survivor = two.pop(json.survivor_id)
    (absorbed,) = two.values()
    judging.decide_and_merge(
        db.session(),
        current_organization(),
        current_actor(),
        pair,
        survivor=survivor,
        absorbed=absorbed,
        name=(survivor if name_of == survivor.id else absorbed).name,
        external_id=survivor.external_id,
        note=json.note,
    )


def _answer(pair: DuplicatePair) -> Pair:
    return Pair.of(pair, bands_for_pairs(db.session(), current_organization()))


def _pair(pair_id: int) -> DuplicatePair:
    pair = pairs.find_pair(db.session(), current_organization(), pair_id)
    return pair or abort(404, "There is no pair with this ID.")


def _scan(scan_id: int) -> DuplicateScan:
    scan = scans.find_scan(db.session(), current_organization(), scan_id)
    return scan or abort(404, "There is no scan with this ID.")
