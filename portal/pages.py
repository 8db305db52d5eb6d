"""What every template can use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Flask
from flask_login import current_user

from portal.accounts.access import Permission, current_membership, may
from portal.accounts.members import memberships_of
from portal.enrolment.reasons import WORDS, Reason
from portal.extensions import db


def init_app(app: Flask) -> None:
    """Register globals and filters of the templates."""
    app.jinja_env.globals.update(
        may=may, Permission=Permission, current_membership=current_membership, reason_words=reason_words
    )
    app.add_template_filter(moment)
    app.add_template_filter(file_size)

    @app.context_processor
    def own_memberships() -> dict[str, Any]:
        if not current_user.is_authenticated:
            return {"memberships": []}
        return {"memberships": memberships_of(db.session, current_user)}


def reason_words(code: str) -> tuple[str, str]:
    """Why a photo could not be used: what happened, and what to do next."""
    return WORDS[Reason(code)]


def moment(value: datetime) -> str:
    """A moment as staff read it: "21 Nov 2026, 07:05 UTC"."""
    return f"{value.day} {value:%b %Y, %H:%M} UTC"


def file_size(size_bytes: int) -> str:
    """A file's size as staff read it: "312 KB", "4.2 MB"."""
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1000))} KB"
    return f"{size_bytes / 1_000_000:.1f} MB"
