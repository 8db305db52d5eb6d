"""Forms with files, read piece by piece: each photo goes into the store as it comes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import request

from portal.api.problems import FieldError, Problem
from portal.http.uploads import form_parts, removed_if_refused, shown_name
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.photos.services import Upload
from portal.storage import FileTooLarge, PhotoStore


@dataclass
class Form:
    """What came in a form."""

    fields: dict[str, str] = field(default_factory=dict)
    photos: list[Upload] = field(default_factory=list)


@contextmanager
def received(
    store: PhotoStore, organization: Organization, file_field: str, most: int, fields: Collection[str] = ()
) -> Iterator[Form]:
    """The form of this request: its fields, and at most `most` photos, which are in the store.

    What was stored is removed again if what follows raises. Raises Problem, which names the field or file,
    for what the form may not have, and where no photo came.
    """
    form = Form()
    with removed_if_refused(
        store, form.photos, lambda: _read(form, store, organization, file_field, most, fields)
    ):
        yield form


def _read(
    form: Form,
    store: PhotoStore,
    organization: Organization,
    file_field: str,
    most: int,
    fields: Collection[str],
) -> None:
    for part in form_parts(request):
        if part.file_name is None:
            if part.name not in fields or part.name in form.fields:
                raise _wrong(part.name, f"The field {part.name} is not one of this form, or comes twice.")
            form.fields[part.name] = part.text()
            continue
        if part.name != file_field or len(form.photos) == most:
            raise _wrong(part.name, f"Photos come as {file_field}, {most} at most.")
        name = shown_name(part.file_name)
        try:
            stored = store.receive(organization.id, part, MAX_PHOTO_BYTES)
        except FileTooLarge as error:
            words = f"{name} is larger than {MAX_PHOTO_BYTES // 1024**2} MiB."
            raise Problem(413, words, [FieldError(field=file_field, message=words)]) from error
        form.photos.append(Upload(stored, name))
    if not form.photos:
        raise _wrong(file_field, f"Send at least one photo as {file_field}.")


def _wrong(name: str, words: str) -> Problem:
    return Problem(422, words, [FieldError(field=name, message=words)])
