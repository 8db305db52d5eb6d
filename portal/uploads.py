"""Photos of a form: streamed into the store one by one, all or none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from werkzeug.datastructures import FileStorage

from portal.enrolment.reasons import MAX_PHOTO_BYTES
from portal.enrolment.services import PhotoError, Upload
from portal.organizations.models import Organization
from portal.storage import FileTooLarge, PhotoStore


@contextmanager
def stored_uploads(
    store: PhotoStore, organization: Organization, files: Sequence[FileStorage]
) -> Iterator[list[Upload]]:
    """The files of a form, in the store under their own names; removed again if what follows raises.

    An input that was left empty counts for nothing. Raises PhotoError, which names the file, for a photo
    of more than MAX_PHOTO_BYTES.
    """
    uploads: list[Upload] = []
    try:
        for file in files:
            if not file.filename:
                continue
            name = _shown_name(file.filename)
            try:
                stored = store.receive(organization.id, file.stream, MAX_PHOTO_BYTES)
            except FileTooLarge as error:
                raise PhotoError(
                    f"{name} is larger than {MAX_PHOTO_BYTES // 1024**2} MiB. Nothing was saved: "
                    "leave it out or save a smaller copy, and send the form again."
                ) from error
            uploads.append(Upload(stored, name))
        yield uploads
    except ValueError:
        # Refused, so nothing is written. After any other error it may be; what is nobody's is found later.
        for upload in uploads:
            store.delete(upload.file.key)
        raise


def _shown_name(file_name: str) -> str:
    """The name of a file without folders, and without characters that nobody sees."""
    plain = "".join(character for character in file_name if unicodedata.category(character)[0] != "C")
    return PurePath(plain.replace("\\", "/")).name or "photo"
