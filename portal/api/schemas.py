"""What the models of the API have in common."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from portal.batches.reasons import words_of
from portal.installation.models import FaceModel as FaceModelRow
from portal.text import is_text

# RFC 3339, 5.6. Pydantic takes more than that: numbers, days.
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def in_full(text: object) -> object:
    """A moment as it was written. Raises ValueError if day, time or zone are left out."""
    if not isinstance(text, str) or not RFC_3339.fullmatch(text):
        raise ValueError("a moment is like 2026-01-31T12:00:00Z; write a + in a query as %2B")
    return text


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError outside of the years 1 to 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("there is no such moment in UTC") from error


Moment = Annotated[datetime, PlainSerializer(lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))]
Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Binary = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]
Since = Annotated[AwareDatetime, BeforeValidator(in_full), AfterValidator(in_utc)]
NextCursor = Annotated[str | None, Field(description="for the next page; null on the last one")]
Wait = Annotated[float, Field(ge=0, le=60, description="Seconds to wait for the work to be done.")]


class Strict(BaseModel):
    """A query or a body of which nothing is passed over in silence."""

    model_config = ConfigDict(extra="forbid")


def _storable(text: str) -> str:
    if not is_text(text):
        raise ValueError("This text contains a character that can't be stored.")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class NoFields(Strict):
    """No field at all beside the files."""


class NoQuery(Strict):
    """No parameter at all: what is sent nevertheless is refused, not passed over."""


class CursorQuery(Strict):
    """Where a page begins."""

    cursor: str | None = None


class PageQuery(CursorQuery):
    """Where a page begins, and how long it is."""

    limit: int = Field(50, ge=1, le=200)


class WaitQuery(Strict):
    """How long to wait for the work."""

    wait: Wait = 0


def message_of(reason: str | None) -> str | None:
    """Why something failed and what to do, in words."""
    return " ".join(words_of(reason)) if reason else None


class Quality(BaseModel):
    """How well a face can be recognised."""

    word: str = Field(examples=["good"])
    reasons: list[str] = Field(examples=[[]])


class FaceModel(BaseModel):
    """What made the templates: those of two face models can't be compared."""

    name: str
    fingerprint: str = Field(description="SHA-256 over the SHA-256 of its files")
    dimension: int = Field(description="how many float32 numbers a template has")

    @classmethod
    def of(cls, model: FaceModelRow) -> FaceModel:
        """The face model of a row."""
        return cls.model_validate(model, from_attributes=True)
