"""Forms with files, read piece by piece: each photo goes into the store as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar, get_origin

from flask import request
from pydantic import BaseModel, ValidationError

from portal.api.problems import Problem, invalid
from portal.http.uploads import FormPart, form_parts, removed_if_refused, shown_name
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.photos.services import Upload
from portal.storage import FileTooLarge, PhotoStore

Fields = TypeVar("Fields", bound=BaseModel)

MOST_OF_A_FIELD = 1_000


@dataclass
class Form(Generic[Fields]):
    """What came in a form: its fields, checked, and its photos, which are in the store."""

    fields: Fields
    # By the name of their field, in the order in which they came.
    photos: dict[str, list[Upload]]


@contextmanager
def received(
    store: PhotoStore,
    organization: Organization,
    photos: Mapping[str, int],
    fields: type[Fields],
    *,
    optional: bool = False,
) -> Iterator[Form[Fields]]:
    """The form of this request.

    photos: which fields have photos, and how many each has at most. fields: a model of the others, of which
    only those that are lists may come several times. optional: a field for photos may be empty. What was
    stored is removed again if what follows raises. Raises Problem, which names the field or file, for what
    the form may not have.
    """
    texts: dict[str, list[str]] = {}
    came: dict[str, list[Upload]] = {}
    uploads: list[Upload] = []

    def read() -> None:
        for part in form_parts(request):
            if part.file_name is None:
                _take_text(part, texts, fields)
            else:
                upload = _take_photo(part, came, photos, store, organization)
                uploads.append(upload)

    with removed_if_refused(store, uploads, read):
        for name in () if optional else photos.keys() - came.keys():
            raise Problem.of_field(name, f"Send a photo as {name}.")
        yield Form(checked(fields, texts), came)


def checked(fields: type[Fields], texts: Mapping[str, Sequence[str]]) -> Fields:
    """The fields of a form by their model. Raises Problem, which names them."""
    values = {name: list(given) if _is_list(fields, name) else given[0] for name, given in texts.items()}
    try:
        return fields.model_validate(values)
    except ValidationError as error:
        raise invalid(error) from error


def _take_text(part: FormPart, texts: dict[str, list[str]], fields: type[BaseModel]) -> None:
    if part.name not in fields.model_fields:
        raise Problem.of_field(part.name, f"The field {part.name} is not one of this form.")
    if part.name in texts and not _is_list(fields, part.name):
        raise Problem.of_field(part.name, f"The field {part.name} comes twice.")
    came = texts.setdefault(part.name, [])
    if len(came) == MOST_OF_A_FIELD:
        raise Problem.of_field(part.name, f"The field {part.name} comes more than {MOST_OF_A_FIELD:,} times.")
    came.append(part.text())


def _take_photo(
    part: FormPart,
    came: dict[str, list[Upload]],
    photos: Mapping[str, int],
    store: PhotoStore,
    organization: Organization,
) -> Upload:
    already = came.setdefault(part.name, [])
    if len(already) >= photos.get(part.name, 0):
        wanted = ", ".join(f"{name} ({most} at most)" for name, most in photos.items())
        raise Problem.of_field(part.name, f"Photos come as {wanted}.")
    name = shown_name(part.file_name or "")
    try:
        stored = store.receive(organization.id, part, MAX_PHOTO_BYTES)
    except FileTooLarge as error:
        words = f"{name} is larger than {MAX_PHOTO_BYTES // 1024**2} MiB."
        raise Problem.of_field(part.name, words, 413) from error
    already.append(Upload(stored, name))
    return already[-1]


def _is_list(fields: type[BaseModel], name: str) -> bool:
    return get_origin(fields.model_fields[name].annotation) is list
