"""The Python client of Face Portal: `Client`, and `AsyncClient` for programs with async."""

from portal_client.aio import AsyncClient
from portal_client.client import Client
from portal_client.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    PortalError,
    PreconditionFailed,
    Refused,
    ServerError,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from portal_client.sending import Retries
from portal_client.uploads import Upload

__all__ = [
    "AsyncClient",
    "Client",
    "Conflict",
    "FieldError",
    "Forbidden",
    "Invalid",
    "NotFound",
    "PortalError",
    "PreconditionFailed",
    "Refused",
    "Retries",
    "ServerError",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "Upload",
]
