"""The pages of webhooks: which programs hear what happened, and what became of telling them."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from portal.accounts.roles import Permission
from portal.extensions import db
from portal.paging import CursorError
from portal.web.accounts.access import current_actor, current_organization, requires
from portal.web.accounts.forms import typed
from portal.web.webhooks.forms import EndpointForm
from portal.web.webhooks.words import EVENTS, STATES, about, answer_of, condition_of
from portal.webhooks import services
from portal.webhooks.models import WebhookEndpoint
from portal.webhooks.services import Rules, WebhookError

blueprint = Blueprint("webhooks", __name__, url_prefix="/settings/webhooks")


@blueprint.get("")
@requires(Permission.MANAGE)
def index() -> ResponseReturnValue:
    """All endpoints, and the form for a new one."""
    return _list(EndpointForm())


@blueprint.post("")
@requires(Permission.MANAGE)
def create() -> ResponseReturnValue:
    """Add an endpoint; the answer itself shows its secret, which is kept nowhere for a page after it."""
    form = EndpointForm()
    if not form.validate_on_submit():
        return _list(form), 422
    try:
        endpoint, secret = services.create_endpoint(
            db.session(),
            current_organization(),
            current_actor(),
            _rules(),
            typed(form.address),
            form.chosen(),
        )
    except WebhookError as error:
        form[error.field].errors = [str(error)]
        return _list(form), 422
    return _page(endpoint, secret=secret), 201


@blueprint.get("/<int:endpoint_id>")
@requires(Permission.MANAGE)
def show(endpoint_id: int) -> ResponseReturnValue:
    """An endpoint with its deliveries."""
    return _page(_endpoint(endpoint_id))


@blueprint.post("/<int:endpoint_id>")
@requires(Permission.MANAGE)
def change(endpoint_id: int) -> ResponseReturnValue:
    """Give an endpoint another address or other events."""
    endpoint, form = _endpoint(endpoint_id), EndpointForm()
    if not form.validate_on_submit():
        return _page(endpoint, form), 422
    try:
        changed = services.change_endpoint(
            db.session(),
            current_organization(),
            current_actor(),
            _rules(),
            endpoint,
            typed(form.address),
            form.chosen(),
        )
    except WebhookError as error:
        form[error.field].errors = [str(error)]
        return _page(endpoint, form), 422
    flash("The webhook is saved." if changed else "Nothing was changed.", "success")
    return _back(endpoint)


@blueprint.post("/<int:endpoint_id>/rotate")
@requires(Permission.MANAGE)
def rotate(endpoint_id: int) -> ResponseReturnValue:
    """Replace the secret; the answer itself shows the new one."""
    endpoint = _endpoint(endpoint_id)
    try:
        secret = services.rotate_secret(
            db.session(), current_actor(), _rules(), endpoint, request.form.get("shown", "")
        )
    except WebhookError as error:
        flash(str(error), "danger")
        return _back(endpoint)
    return _page(endpoint, secret=secret), 201


@blueprint.post("/<int:endpoint_id>/on")
@requires(Permission.MANAGE)
def switch_on(endpoint_id: int) -> ResponseReturnValue:
    """Go on with an endpoint."""
    endpoint = _endpoint(endpoint_id)
    try:
        services.switch_on(db.session(), current_actor(), _rules(), endpoint)
        flash("The webhook is on. What was waiting is being sent.", "success")
    except WebhookError as error:
        flash(str(error), "danger")
    return _back(endpoint)


@blueprint.post("/<int:endpoint_id>/off")
@requires(Permission.MANAGE)
def switch_off(endpoint_id: int) -> ResponseReturnValue:
    """Send nothing for now."""
    endpoint = _endpoint(endpoint_id)
    services.switch_off(db.session(), current_actor(), endpoint)
    flash("The webhook is off.", "success")
    return _back(endpoint)


@blueprint.post("/<int:endpoint_id>/test")
@requires(Permission.MANAGE)
def test(endpoint_id: int) -> ResponseReturnValue:
    """Send a test event."""
    endpoint = _endpoint(endpoint_id)
    try:
        services.send_test(db.session(), current_actor(), endpoint)
        flash("A test event is on its way. Load this page again to see what it was answered.", "success")
    except WebhookError as error:
        flash(str(error), "danger")
    return _back(endpoint)


@blueprint.post("/<int:endpoint_id>/deliveries/<int:delivery_id>/replay")
@requires(Permission.MANAGE)
def replay(endpoint_id: int, delivery_id: int) -> ResponseReturnValue:
    """Send an event once more."""
    endpoint = _endpoint(endpoint_id)
    delivery = services.find_delivery(db.session(), endpoint, delivery_id) or abort(404)
    try:
        services.replay(db.session(), current_actor(), endpoint, delivery)
        flash("The event is sent once more. Load this page again to see what it was answered.", "success")
    except WebhookError as error:
        flash(str(error), "danger")
    return _back(endpoint)


@blueprint.post("/<int:endpoint_id>/delete")
@requires(Permission.MANAGE)
def delete(endpoint_id: int) -> ResponseReturnValue:
    """Remove an endpoint."""
    services.delete_endpoint(db.session(), current_actor(), _endpoint(endpoint_id))
    flash("The webhook is deleted.", "success")
    return redirect(url_for("webhooks.index"))


def _endpoint(endpoint_id: int) -> WebhookEndpoint:
    return services.find_endpoint(db.session(), current_organization(), endpoint_id) or abort(404)


def _rules() -> Rules:
    settings = current_app.config["PORTAL"]
    return Rules(settings.secret_key, settings.webhook_private_addresses)


def _back(endpoint: WebhookEndpoint) -> ResponseReturnValue:
    return redirect(url_for("webhooks.show", endpoint_id=endpoint.id))


def _list(form: EndpointForm) -> str:
    endpoints = services.list_endpoints(db.session(), current_organization())
    return render_template(
        "webhooks/index.html",
        form=form,
        endpoints=[
            (endpoint, condition_of(endpoint), services.count_waiting(db.session(), endpoint))
            for endpoint in endpoints
        ],
    )


def _page(endpoint: WebhookEndpoint, form: EndpointForm | None = None, secret: str = "") -> str:
    try:
        page = services.list_deliveries(db.session(), endpoint, request.args.get("after"))
    except CursorError as error:
        abort(400, str(error))
    return render_template(
        "webhooks/show.html",
        endpoint=endpoint,
        condition=condition_of(endpoint),
        form=form or EndpointForm(formdata=None, obj=endpoint),
        secret=secret,
        waiting=services.count_waiting(db.session(), endpoint),
        deliveries=page.items,
        states=STATES,
        words=EVENTS,
        about=about,
        answer_of=answer_of,
        previous_url=_page_url(endpoint, page.previous),
        next_url=_page_url(endpoint, page.next),
    )


def _page_url(endpoint: WebhookEndpoint, cursor: str | None) -> str | None:
    return url_for("webhooks.show", endpoint_id=endpoint.id, after=cursor) if cursor else None
