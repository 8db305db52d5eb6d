"""What every template can use."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Flask
from flask_login import current_user

from portal.accounts.members import memberships_of
from portal.accounts.roles import Permission
from portal.batches.reasons import words_of
from portal.extensions import db
from portal.photos.reasons import FORMAT_WORDS, SIZE_WORDS
from portal.web.accounts.access import current_membership, may

# What a browser's dialog for choosing photos shows first; what a file is, its content says.
PHOTO_ENDINGS = ".heic,.heif,.avif,.tif,.tiff,.gif,.bmp,.jp2,.j2k,.jpx"
PHOTO_TYPES = f"image/jpeg,image/png,image/webp,image/heic,image/heif,image/avif,{PHOTO_ENDINGS}"


def init_app(app: Flask) -> None:
    """Register globals and filters of the templates."""
    app.jinja_env.globals.update(
        may=may,
        Permission=Permission,
        current_membership=current_membership,
        reason_words=words_of,
        photo_types=PHOTO_TYPES,
        photo_limits=f"{FORMAT_WORDS}, {SIZE_WORDS}.",
    )
    app.add_template_filter(moment)
    app.add_template_filter(file_size)
    app.add_template_filter(duration)

    @app.context_processor
    def own_memberships() -> dict[str, Any]:
        if not current_user.is_authenticated:
            return {"memberships": []}
        return {"memberships": memberships_of(db.session, current_user)}


def moment(value: datetime) -> str:
    """A moment as staff read it: "21 Nov 2026, 07:05 UTC"."""
    return f"{value.day} {value:%b %Y, %H:%M} UTC"


def file_size(size_bytes: int) -> str:
    """A file's size as staff read it: "312 KB", "4.2 MB"."""
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1000))} KB"
    return f"{size_bytes / 1_000_000:.1f} MB"


def duration(seconds: float) -> str:
    """How long something takes, roughly, as staff say it: "less than a minute", "about 3 hours"."""
    if seconds < 60:
        return "less than a minute"
    length, word = next(
        unit for unit in ((86_400, "day"), (3600, "hour"), (60, "minute")) if seconds >= unit[0]
    )
    count = round(seconds / length)
    return f"about {count} {word}{'s' if count > 1 else ''}"
