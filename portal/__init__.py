"""Face Portal's web tier: enrol people by photo, search by photo, find who was enrolled twice."""

from __future__ import annotations

from flask import Flask

from portal.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The app, ready to serve; its settings come from the environment unless they are given."""
    from portal import configuration, errors, extensions, logs, pages, security
    from portal.accounts import access, sessions
    from portal.accounts.member_views import blueprint as members
    from portal.accounts.views import blueprint as accounts
    from portal.audit.views import blueprint as audit
    from portal.batches.upload_views import blueprint as batch_uploads
    from portal.batches.views import blueprint as batches
    from portal.calibration.views import blueprint as calibration
    from portal.dashboard.views import blueprint as dashboard
    from portal.duplicates.pair_views import blueprint as pairs
    from portal.duplicates.scan_views import blueprint as scans
    from portal.duplicates.views import blueprint as duplicates
    from portal.enrolment.views import blueprint as enrolment
    from portal.organizations.views import blueprint as organizations
    from portal.people.views import blueprint as people
    from portal.search.views import blueprint as search
    from portal.system.views import blueprint as system

    app = Flask(__name__, template_folder="../templates", static_folder="../static")
    configuration.init_app(app, settings or Settings.from_environment())
    for part in (logs, security, extensions, sessions, access, pages, errors):
        part.init_app(app)
    for blueprint in (
        *(system, accounts, members, organizations, calibration, audit, dashboard),
        *(people, enrolment, batches, batch_uploads, search, duplicates, pairs, scans),
    ):
        app.register_blueprint(blueprint)
    return app
