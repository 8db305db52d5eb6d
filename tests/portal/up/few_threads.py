"""The web server's own configuration with so few threads that a test can hold all of them."""

from __future__ import annotations

from portal.http.holding import ADDRESS, EVERYONE, LIMITS, ORGANIZATION, STRANGERS, STRANGERS_OF_ADDRESS
from portal.up.gunicorn_conf import *  # noqa: F403

LIMITS.update({EVERYONE: 4, ADDRESS: 4, ORGANIZATION: 3, STRANGERS: 4, STRANGERS_OF_ADDRESS: 4})
threads = 9
