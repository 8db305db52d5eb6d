"""How much may be held at once: slow uploads, answers that wait for work, or that are read slowly.

Each holds a thread of the server. Requests that hold nothing always find one: the server has more threads
than there are places here. All limits are those of one web process, which counts for itself.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import cast

from flask import Flask, Response, current_app, g, request, session
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import FileWrapper

from portal.addresses import client_network
from portal.http.bodies import MOST_AT_ONCE
from portal.http.security import API_PREFIX
from portal.storage import photo_store

# So many at once. 600 of one account leave the pages of everybody else as fast as they are
# (docs/decisions/0014); what lies between the limits is left for another account, organization, address.
EVERYONE, ADDRESS, ORGANIZATION, ACCOUNT = "everyone", "address", "organization", "account"
# Who has no account here has places of their own: they never take those of the others.
STRANGERS, STRANGERS_OF_ADDRESS = "strangers", "strangers of an address"
LIMITS = {EVERYONE: 800, ADDRESS: 700, ORGANIZATION: 650, ACCOUNT: 600}
LIMITS |= {STRANGERS: 100, STRANGERS_OF_ADDRESS: 50}
RETRY_AFTER_S = 5
# An answer up to this size goes into the system's buffer at once (up.listener), however slowly it is read.
SMALL_ANSWER_BYTES = 128 * 1024

WORDS = {
    EVERYONE: "The portal",
    ADDRESS: "Your network address",
    ORGANIZATION: "Your organization",
    ACCOUNT: "Your account or API key",
    STRANGERS: "Everybody together who is not signed in",
    STRANGERS_OF_ADDRESS: "Your network address, without being signed in,",
}


class TooMuchHeld(HTTPException):
    """One more upload, large answer or wait than is allowed at once."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"{WORDS[kind]} has {LIMITS[kind]} uploads and answers under way, and no more are taken at once. "
            "Try again in a few seconds, and send fewer at once."
        )
        self.code: int = 503 if kind in {EVERYONE, STRANGERS} else 429
        self.headers = {"Retry-After": str(RETRY_AFTER_S)}


class Places:
    """Who holds how many."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: Counter[tuple[str, str]] = Counter()

    def take(self, kind: str, name: str) -> None:
        """Raises TooMuchHeld."""
        with self._lock:
            if self._held[kind, name] >= LIMITS[kind]:
                raise TooMuchHeld(kind)
            self._held[kind, name] += 1

    def give_back(self, kind: str, name: str) -> None:
        with self._lock:
            self._held[kind, name] -= 1
            if not self._held[kind, name]:
                del self._held[kind, name]

    def __len__(self) -> int:
        """How many are held by all together."""
        return self._held[EVERYONE, ""] + self._held[STRANGERS, ""]


class Held:
    """What one request holds: until its answer is made, or a large one sent."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._by: dict[str, str] = {}
        # Whether it is given back when the answer is sent, not before.
        self.is_being_sent = False

    def count(self, kind: str, name: str) -> None:
        """Count it for someone, once. Raises TooMuchHeld."""
        if kind not in self._by:
            self._places.take(kind, name)
            self._by[kind] = name

    def give_back(self) -> None:
        while self._by:
            self._places.give_back(*self._by.popitem())


def places() -> Places:
    """Those of the running app."""
    return cast(Places, current_app.extensions["places"])


def hold() -> None:
    """Called before a request does what may take long because of others. Raises TooMuchHeld."""
    if "held" not in g:
        g.held = Held(places())
    if (key := g.get("api_key")) is not None:
        _hold_for(f"key {key.id}", key.organization_id)
    elif "_user_id" in session and not request.path.startswith(API_PREFIX):
        _hold_for(f"user {session['_user_id'].partition('.')[0]}", session.get("organization_id"))
    else:
        g.held.count(STRANGERS, "")
        g.held.count(STRANGERS_OF_ADDRESS, client_network())


def _hold_for(account: str, organization_id: int | None) -> None:
    g.held.count(EVERYONE, "")
    g.held.count(ADDRESS, client_network())
    g.held.count(ACCOUNT, account)
    if organization_id is not None:
        g.held.count(ORGANIZATION, str(organization_id))


def hold_if_slow() -> None:
    """Hold a place for a request that has a body, or is to be answered only when work is done.

    Raises TooMuchHeld. Called before the body is read.
    """
    if request.content_length or "Transfer-Encoding" in request.headers or "wait" in request.args:
        hold()


def init_app(app: Flask) -> None:
    """Count what is held. Goes before everything that reads a body."""
    app.extensions["places"] = Places()
    app.before_request(_hold_if_slow_page)
    app.after_request(_hold_while_sent)

    @app.teardown_request
    def give_back(_: BaseException | None) -> None:
        held: Held | None = g.pop("held", None)
        if held is not None and not held.is_being_sent:
            held.give_back()


def _hold_if_slow_page() -> None:
    # A program's key is looked at first (api.access); until then no body is read and nothing waited for.
    if not request.path.startswith(API_PREFIX):
        hold_if_slow()


def _hold_while_sent(response: Response) -> Response:
    length = response.content_length if response.is_streamed else response.calculate_content_length()
    if request.method != "HEAD" and (length is None or length > SMALL_ANSWER_BYTES):
        try:
            hold()
        except TooMuchHeld as error:
            _refuse_instead(response, error)
        else:
            _send_from_disk(response)
            g.held.is_being_sent = True
            response.call_on_close(g.held.give_back)
    return response


def _refuse_instead(response: Response, error: TooMuchHeld) -> None:
    response.close()
    refusal = current_app.make_response(current_app.handle_user_exception(error))
    for name in ("Content-Disposition", "Content-Encoding", "Content-Range", "ETag", "Last-Modified"):
        response.headers.pop(name, None)
    response.direct_passthrough = False
    response.status_code = refusal.status_code
    response.data = refusal.data
    response.headers.update({name: refusal.headers[name] for name in ("Content-Type", "Retry-After")})


def _send_from_disk(response: Response) -> None:
    """Memory is not for what may be read slowly."""
    # The server would send a file past this response, which would not hear of the end.
    response.direct_passthrough = False
    if response.is_streamed:
        return
    file = photo_store().temporary_file()
    for piece in response.iter_encoded():
        file.write(piece)
    file.seek(0)
    response.response = FileWrapper(file, MOST_AT_ONCE)
    response.call_on_close(file.close)
