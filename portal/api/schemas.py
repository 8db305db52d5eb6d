"""What the models of the API have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from portal.batches.reasons import words_of
from portal.text import is_text

Moment = Annotated[datetime, PlainSerializer(lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))]
Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Binary = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]
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
