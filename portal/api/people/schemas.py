"""What the API takes and answers about people."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from portal.api.photos.schemas import Photo, Photos
from portal.api.schemas import Moment, NextCursor, PageQuery, Since, Strict
from portal.people.models import Person as PersonRow


class PersonInList(BaseModel):
    """An enrolled person."""

    id: int
    external_id: str
    name: str
    created_at: Moment
    updated_at: Moment
    merged_into_id: int | None = Field(
        description="whom they were merged into; only in a list of those who changed"
    )

    @classmethod
    def of(cls, person: PersonRow) -> PersonInList:
        """The person of a row."""
        return cls.model_validate(person, from_attributes=True)


class Person(PersonInList):
    """An enrolled person with all photos."""

    photos: list[Photo]


class People(BaseModel):
    """A page of people."""

    items: list[PersonInList]
    next_cursor: NextCursor


class PeopleQuery(PageQuery):
    """Which people to list."""

    query: str = Field("", max_length=200, description="Each word begins a word of the name or external ID.")
    updated_after: Since | None = Field(
        None, description="Those who changed since then, in the order of their changes."
    )


class PersonFields(Strict):
    """What a person is called."""

    external_id: str = Field(min_length=1, max_length=100)
    name: str = Field(min_length=1, max_length=200)


class PersonForm(PersonFields):
    """A person with photos."""

    photos: Photos


class PersonChange(Strict):
    """What to change of a person; what is left out stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})

    external_id: str | None = Field(None, max_length=100)
    name: str | None = Field(None, max_length=200)
