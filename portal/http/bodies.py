"""The body of a request, read as slowly as it comes."""

from __future__ import annotations

from typing import IO

from werkzeug.exceptions import ClientDisconnected, RequestTimeout

from portal.database import end_reading
from portal.extensions import db

# However much a reader asks for at once: a slow body takes no more memory than that.
MOST_AT_ONCE = 64 * 1024


class Body:
    """What the server gives as a request's body. No connection to the database waits for it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """The next piece, or with a negative size all.

        Raises RequestTimeout if nothing has come for too long, ClientDisconnected if nothing will.
        """
        end_reading(db.session())
        try:
            return self._stream.read(min(size, MOST_AT_ONCE))
        except BlockingIOError as error:  # the listener's SO_RCVTIMEO
            raise RequestTimeout("Nothing came for too long. Send it again.") from error
        except OSError as error:
            raise ClientDisconnected("The connection was lost.") from error
