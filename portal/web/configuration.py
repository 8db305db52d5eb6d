"""What the portal's settings mean to Flask and its extensions."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.queues import COMMAND_S
from portal.settings import Settings

MAX_PHOTOS_AT_ONCE = 20
# Around the photos of a form: its other fields and the boundaries between the parts.
FORM_OVERHEAD_BYTES = 1024 * 1024
# To the database, of one process. A request that waits for others holds none (database.end_reading), so a few
# do for many threads; PostgreSQL lets 100 in, unless it is told otherwise.
KEPT_CONNECTIONS, MOST_CONNECTIONS = 10, 40


class RowNumber(IntegerConverter):
    """The number of a row in an address. One that no row will ever have is not found."""

    # Not by `max`: werkzeug then says that the address takes other methods only.
    regex = r"\d{1,18}"


def init_app(app: Flask, settings: Settings) -> None:
    """Put the settings where Flask and the extensions look for them."""
    app.config.update(
        PORTAL=settings,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        # Values in statements are names and addresses: they stay out of error messages.
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_pre_ping": True,
            "hide_parameters": True,
            "pool_size": KEPT_CONNECTIONS,
            "max_overflow": MOST_CONNECTIONS - KEPT_CONNECTIONS,
        },
        MAX_CONTENT_LENGTH=MAX_PHOTOS_AT_ONCE * MAX_PHOTO_BYTES + FORM_OVERHEAD_BYTES,
        MAX_FORM_MEMORY_SIZE=FORM_OVERHEAD_BYTES,
        # Far more than a full form has, so that "too many photos" is answered in words.
        MAX_FORM_PARTS=200,
        RATELIMIT_STORAGE_URI=settings.redis_url.replace("unix://", "redis+unix://"),
        RATELIMIT_STORAGE_OPTIONS={"socket_connect_timeout": 2, "socket_timeout": COMMAND_S},
        # Without Redis every web process counts for itself: fewer attempts are seen, none is uncounted.
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        # Two numbers a limit, however high it is.
        RATELIMIT_STRATEGY="sliding-window-counter",
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.url_map.converters["int"] = RowNumber
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
