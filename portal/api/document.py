"""The API's contract, served: as OpenAPI for programs, and as a page for people.

Anybody may ask, and making either takes long; so each is made once a process.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from flask import Blueprint, Response, current_app, render_template

from portal.api.contract import document
from portal.api.etags import TAG_LENGTH, conditional
from portal.http.access import public

blueprint = Blueprint("api_document", __name__, url_prefix="/api/v1")


@blueprint.get("/openapi.json")
@public
@conditional
def openapi() -> Response:
    """The contract in OpenAPI 3.1."""
    return _answer(_openapi(), "application/json")


@blueprint.get("/docs")
@public
@conditional
def docs() -> Response:
    """The contract, to be read."""
    return _answer(_page(), "text/html")


@cache
def _openapi() -> bytes:
    return current_app.json.dumps(document()).encode()


@cache
def _page() -> bytes:
    return render_template("api/docs.html", contract=document()).encode()


def _answer(content: bytes, media_type: str) -> Response:
    # Nobody's data: it may be kept, and is asked for again.
    headers = {"ETag": f'"{sha256(content).hexdigest()[:TAG_LENGTH]}"', "Cache-Control": "no-cache"}
    return Response(content, mimetype=media_type, headers=headers)
