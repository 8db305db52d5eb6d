"""The pairs of people who may be one: the queue, and its reports."""

from __future__ import annotations

from itertools import chain
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.calibration.services import bands_for_pairs, current
from portal.database import LARGEST_NUMBER, now
from portal.duplicates import handing_out, pairs, report
from portal.extensions import db
from portal.installation.services import current_face_model
from portal.installation.thresholds import thresholds_of
from portal.paging import CursorError
from portal.pairs import passes, scans
from portal.pairs.models import DuplicatePair, PairStatus
from portal.people.services import count_people
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.duplicates.aligning import alignment
from portal.web.duplicates.forms import FilterForm, ReportForm

blueprint = Blueprint("duplicates", __name__)

# More pairs than these are no reading for paper.
PRINTED = 500
# Of more groups than these the menu says only that there are more.
COUNTED = 99

blueprint.add_app_template_filter(alignment)


@blueprint.app_template_global()
def groups_to_decide() -> str:
    """What the menu shows beside its link: "" for none, "12", "99+"."""
    count = pairs.count_groups(db.session(), current_organization(), COUNTED + 1)
    return "" if count == 0 else f"{COUNTED}+" if count > COUNTED else str(count)


@blueprint.get("/duplicates")
@requires(Permission.VIEW)
def index() -> ResponseReturnValue:
    """The queue, strongest first; or the pairs that a filter lets through."""
    form = FilterForm(request.args)
    if not form.validate():
        return _page(form), 422
    try:
        return _page(form, _listed(form))
    except CursorError:
        return redirect(url_for("duplicates.index", **kept(form)))


@blueprint.get("/duplicates/status")
@requires(Permission.VIEW)
def status() -> ResponseReturnValue:
    """Whether new people are being compared, while it is polled."""
    return render_template("duplicates/_status.html", **_status())


@blueprint.post("/duplicates/compare-again")
@requires(Permission.ENROL)
def retry() -> ResponseReturnValue:
    """Have new people compared again, after that was set aside."""
    passes.retry_pass(db.session(), current_organization())
    flash("New people are being compared again.", "info")
    return redirect(url_for("duplicates.index"))


@blueprint.get("/duplicates.csv")
@requires(Permission.ENROL)
def download() -> ResponseReturnValue:
    """The pairs that a filter lets through as CSV, as they are or as they were at the end of a day."""
    form, organization, session = ReportForm(request.args), current_organization(), db.session()
    if not form.validate():
        return _page(form), 422
    at = form.moment()
    report.record_report(session, organization, current_actor(), at)
    day = (at or now()).strftime("%Y-%m-%d")
    headers = {"Content-Disposition": f'attachment; filename="duplicates-{organization.slug}-{day}.csv"'}
    bands = bands_for_pairs(session, organization)
    lines = stream_with_context(report.report_lines(session, organization, form.wanted(), bands, at))
    return Response(lines, content_type="text/csv; charset=utf-8", headers=headers)


@blueprint.get("/duplicates/print")
@requires(Permission.VIEW)
def printed() -> ResponseReturnValue:
    """The pairs that a filter lets through as a page for paper."""
    form, organization, session = FilterForm(request.args), current_organization(), db.session()
    if not form.validate():
        return _page(form), 422
    found = pairs.strongest(session, organization, form.wanted(), PRINTED + 1)
    report.record_report(session, organization, current_actor())
    return render_template(
        "duplicates/print.html",
        form=form,
        pairs=found[:PRINTED],
        more=len(found) > PRINTED,
        most=PRINTED,
        bands=bands_for_pairs(session, organization),
        thresholds=thresholds_of(session, organization),
        calibrated=current(session, organization) is not None,
        face_model=current_face_model(session),
        at=now(),
    )


def kept(form: FilterForm) -> dict[str, Any]:
    """The filters of this request, for the links that keep them."""
    return {field.name: request.args[field.name] for field in form if request.args.get(field.name)}


def _page(form: FilterForm, listed: dict[str, Any] | None = None) -> str:
    return render_template(
        "duplicates/index.html",
        form=form,
        kept=kept(form),
        today=now().date(),
        decided=just_decided(),
        **(listed or {"page": None}),
        **_status(),
    )


def _listed(form: FilterForm) -> dict[str, Any]:
    session, organization, wanted = db.session(), current_organization(), form.wanted()
    page = pairs.list_pairs(session, organization, wanted, request.args.get("cursor"))
    shown = page.items
    groups = handing_out.groups_of(session, shown) if wanted.is_queue else {}
    everybody = {person for pair in chain(shown, *groups.values()) for person in (pair.a_id, pair.b_id)}
    found: dict[str, Any] = {
        "page": page,
        "wanted": wanted,
        "groups": groups,
        "sizes": handing_out.group_sizes(session, shown),
        "open_pairs": pairs.count_open_pairs_of(session, sorted(everybody)),
        "many": pairs.MANY_PAIRS,
        "bands": bands_for_pairs(session, organization),
    }
    if not shown:
        found["people"] = count_people(session, organization)
        found["scan"] = next(iter(scans.latest_scans(session, organization)), None)
        found["was_found"] = pairs.any_pair(session, organization)
    return found


def _status() -> dict[str, bool]:
    """What the polled part shows, for the first paint and every poll alike."""
    session, organization = db.session(), current_organization()
    return {
        "set_aside": passes.is_set_aside(session, organization),
        "behind": passes.is_behind(session, organization.id),
    }


def pair_in_link(name: str) -> DuplicatePair | None:
    """The organization's pair whose number this request's address carries under a name, if it does."""
    number = request.args.get(name, 0, int)
    if not 0 < number <= LARGEST_NUMBER:
        return None
    return pairs.find_pair(db.session(), current_organization(), number)


def just_decided() -> DuplicatePair | None:
    """The pair whose decision led to this page, so that it can be undone here."""
    pair = pair_in_link("decided")
    return pair if pair is not None and pair.status != PairStatus.OPEN else None
