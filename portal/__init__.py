"""Face Portal's web tier: enrol people by photo, search by photo, find who was enrolled twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # help and completion in the terminal load neither
    from flask import Flask

    from portal.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The app, ready to serve; its settings come from the environment unless they are given."""
    from flask import Flask

    from portal import extensions, logs
    from portal.api import app as api
    from portal.api import problems
    from portal.http import access, bodies, compression, errors, holding, security
    from portal.settings import Settings
    from portal.web import configuration, pages
    from portal.web import errors as error_pages
    from portal.web.accounts import sessions
    from portal.web.accounts.member_views import blueprint as members
    from portal.web.accounts.views import blueprint as accounts
    from portal.web.audit.views import blueprint as audit
    from portal.web.batches.upload_views import blueprint as batch_uploads
    from portal.web.batches.views import blueprint as batches
    from portal.web.calibration.views import blueprint as calibration
    from portal.web.dashboard.views import blueprint as dashboard
    from portal.web.duplicates.pair_views import blueprint as pairs
    from portal.web.duplicates.scan_views import blueprint as scans
    from portal.web.duplicates.views import blueprint as duplicates
    from portal.web.export.views import blueprint as export
    from portal.web.keys.views import blueprint as keys
    from portal.web.organizations.views import blueprint as organizations
    from portal.web.people.views import blueprint as people
    from portal.web.photos.views import blueprint as enrolment
    from portal.web.search.views import blueprint as search
    from portal.web.system.views import blueprint as system
    from portal.web.webhooks.views import blueprint as webhooks

    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    configuration.init_app(app, settings or Settings.from_environment())
    for part in (logs, holding, bodies, security, compression, extensions, sessions, access, pages):
        part.init_app(app)
    errors.init_app(app, error_pages.HANDLERS, problems.HANDLERS)
    for blueprint in (
        *(system, accounts, members, organizations, keys, webhooks, export, calibration, audit, dashboard),
        *(people, enrolment, batches, batch_uploads, search, duplicates, pairs, scans),
    ):
        app.register_blueprint(blueprint)
    api.init_app(app)
    return app
