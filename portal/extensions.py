"""The Flask extensions, made once and bound to the app in create_app()."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import Session

from portal.addresses import client_network
from portal.database import Base


class ScopedSession(Session):
    """What `db.session` is to the type checker: a session that can also be called and removed."""

    def __call__(self) -> Session:
        """The session of this application context."""
        raise NotImplementedError

    def remove(self) -> None:
        """End it; the next use begins another one."""
        raise NotImplementedError


class Database(SQLAlchemy):
    """Flask-SQLAlchemy with that type for its scoped session."""

    session: ScopedSession  # type: ignore[assignment]


# Rows that were read stay readable after a commit: pages are rendered after the act is written.
db = Database(metadata=Base.metadata, session_options={"expire_on_commit": False})
migrate = Migrate()
login_manager = LoginManager()
csrf = CSRFProtect()
limiter = Limiter(client_network)


def init_app(app: Flask) -> None:
    """Bind all of them to the app."""
    db.init_app(app)
    migrate.init_app(app, db, directory=str(Path(app.root_path).parent / "migrations"))
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)
