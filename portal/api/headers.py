"""What the contract says of headers and media types, on top of what is made from the views' models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from portal.api.problems import phrase_of

PROBLEM_TYPE = "application/problem+json"
JSON = dict[str, Any]


@dataclass
class Traits:
    """What an operation has besides its models, by operation id."""

    # Whose answers have an ETag, or whose changes take If-Match.
    tagged: set[str] = field(default_factory=set)
    # Of those that answer a file: its media types.
    files: dict[str, Iterable[str]] = field(default_factory=dict)


def _text(description: str, **schema: Any) -> JSON:
    return {"description": description, "schema": {"type": "string", **schema}}


RESPONSE_HEADERS = {
    "ETag": _text("another one whenever anything in the answer is different", examples=['"5f6e0d1c"']),
    "Location": _text("where what was begun or enrolled is", examples=["/api/v1/people/1"]),
    "RateLimit": _text("what is left: r requests for t seconds", examples=['"requests";r=5998;t=60']),
    "RateLimit-Policy": _text("the limit: q requests in w seconds", examples=['"requests";q=30000;w=60']),
    "Retry-After": _text("seconds after which to ask again", examples=["5"]),
    "WWW-Authenticate": _text("how to say who asks", examples=['Bearer realm="Face Portal"']),
    "X-Request-Id": _text("names the request in the logs", examples=["9f86d081884c7d65"]),
}
# The others come with every answer that names them.
SENT_BY_SOME = {"Location", "RateLimit", "RateLimit-Policy", "Retry-After"}
REQUEST_HEADERS = {
    "If-Match": _text("The ETag of what was read: if it was changed since, nothing is done (412)."),
    "If-None-Match": _text("The ETag of an answer that is there already: 304 if nothing changed."),
    "Idempotency-Key": _text(
        "Any text that names this request. Sent again with it, the request is not done again and gets the "
        "same answer, for 24 hours.",
        minLength=1,
        maxLength=255,
        pattern="^[ -~]+$",
    ),
    "X-Request-Id": _text("A name of your own for the request, of up to 128 characters; else it gets one."),
}


def describe(contract: JSON, traits: Traits) -> JSON:
    """Add headers and media types to a contract that has none; returns it."""
    components = contract["components"]
    components["headers"] = {
        name: {"required": name not in SENT_BY_SOME, **header} for name, header in RESPONSE_HEADERS.items()
    }
    components["parameters"] = {
        name: {"name": name, "in": "header", "required": False, **header}
        for name, header in REQUEST_HEADERS.items()
    }
    for operations in contract["paths"].values():
        for method, operation in operations.items():
            _describe(method, operation, traits)
    return contract


def _describe(method: str, operation: JSON, traits: Traits) -> None:
    name, responses = operation["operationId"], operation["responses"]
    takes = ["X-Request-Id"]
    if method == "post":
        takes.append("Idempotency-Key")
        for status in (400, 409):
            responses.setdefault(str(status), _problem(status))
    elif name in traits.tagged:
        takes.append("If-None-Match" if method == "get" else "If-Match")
        status = 304 if method == "get" else 412
        responses[str(status)] = {"description": "Not Modified"} if method == "get" else _problem(status)
    operation["parameters"] += [{"$ref": f"#/components/parameters/{taken}"} for taken in takes]
    for media_type in traits.files.get(name, ()):
        binary = {"schema": {"type": "string", "contentMediaType": media_type}}
        responses["200"].setdefault("content", {})[media_type] = binary
    operation["responses"] = dict(sorted(responses.items()))
    for code, response in responses.items():
        if code >= "400":
            response["content"] = {PROBLEM_TYPE: response["content"].pop("application/json")}
        response["headers"] = {
            sent: {"$ref": f"#/components/headers/{sent}"}
            for sent in sorted(_sent(method, code, "content" in response and name in traits.tagged))
        }


def _sent(method: str, code: str, is_tagged: bool) -> set[str]:
    sent = {"X-Request-Id", "RateLimit", "RateLimit-Policy"}
    if (is_tagged and code < "300") or code == "304":
        sent.add("ETag")
    if code == "401":
        sent.add("WWW-Authenticate")
    if method == "post" and code in {"201", "202"}:
        sent.add("Location")
    if code in {"429", "503"} or (method == "post" and code == "409"):
        sent.add("Retry-After")
    return sent


def _problem(status: int) -> JSON:
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": phrase_of(status), "content": {"application/json": {"schema": schema}}}
