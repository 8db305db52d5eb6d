"""The API's contract, served: as OpenAPI for programs, and as a page for people."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template

from portal.api.contract import document
from portal.http.access import public

blueprint = Blueprint("api_document", __name__, url_prefix="/api/v1")


@blueprint.get("/openapi.json")
@public
def openapi() -> Response:
    """The contract in OpenAPI 3.1."""
    return jsonify(document())


@blueprint.get("/docs")
@public
def docs() -> str:
    """The contract, to be read."""
    return render_template("api/docs.html", contract=document())
