"""A batch that comes in one form, without a script: everything is stored first, then read and begun."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from typing import IO, Self

from sqlalchemy.orm import Session

from portal.audit.services import Actor
from portal.batches.announcing import AT_ONCE, DroppedFile, announce, announce_all
from portal.batches.guessing import UnclearNames, guess
from portal.batches.manifest import MAX_MANIFEST_BYTES, is_list, read_manifest
from portal.batches.manifest_rows import add_manifest
from portal.batches.models import Batch, KnownPeople
from portal.batches.naming import Grouping, Label, is_system_file, normal_path
from portal.batches.opening import BatchError
from portal.batches.reasons import ItemReason
from portal.batches.receiving import Arrival, receive
from portal.batches.receiving_archives import MAX_ARCHIVE_BYTES, take_archive
from portal.batches.services import start_batch
from portal.chunks import chunks
from portal.http.uploads import CHUNK_BYTES, FormPart
from portal.organizations.models import Organization
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.storage import FileTooLarge, PhotoStore, StoredFile


@dataclass(frozen=True)
class _Staged:
    """A file that is in the store and has no row yet; without a key it was too large."""

    path: str
    key: str = ""
    sha256: str = ""
    size_bytes: int = 0
    head: str = ""
    # How many files of the same path came before it.
    mark: str = ""

    @property
    def dropped(self) -> DroppedFile:
        return DroppedFile(self.path, self.size_bytes, mark=self.mark)

    def arrival(self, item_id: int) -> Arrival:
        if not self.key:
            return Arrival(item_id, None, ItemReason.TOO_LARGE)
        head = self.head.encode("latin-1")
        return Arrival(item_id, StoredFile(self.key, self.sha256, self.size_bytes, head))


class WholeForm:
    """The files of a form, stored as they come; what no batch is begun with is removed again."""

    def __init__(self, organization: Organization, store: PhotoStore) -> None:
        self._organization, self._store = organization, store
        self._temporary = ExitStack()
        # The list of staged files lies on the disk: it may be long.
        self._list = self._temporary.enter_context(io.TextIOWrapper(store.temporary_file(), "utf-8"))
        self._temporary.enter_context(store.arriving())
        self._manifest: IO[bytes] | None = None
        self._archives: list[_Staged] = []
        self._paths: Counter[int] = Counter()
        self._photos = self._left_out = 0
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._temporary:
            if not self._begun:
                for staged in (*self._archives, *self._staged()):
                    if staged.key:
                        self._store.delete(staged.key)

    def storing(self) -> AbstractContextManager[None]:
        """What is taken inside is on the disk when this ends."""
        return self._store.together()

    def take(self, part: FormPart) -> None:
        """Store a file of the form. Raises BatchError for a second manifest, and one that is too large."""
        path = normal_path(part.file_name or "")
        if not path:
            part.skip()  # an input that was left empty
        elif is_system_file(path):
            self._left_out += 1
        elif is_list(path):
            self._take_manifest(part, path)
        elif path.lower().endswith(".zip"):
            archive = self._stage(part, path, MAX_ARCHIVE_BYTES)
            self._archives.append(archive)
            if not archive.size_bytes:
                raise BatchError(f"{path} is empty, or larger than 100 GiB.")
        else:
            staged = self._stage(part, path, MAX_PHOTO_BYTES)
            before = self._paths[hash(path)]
            self._paths[hash(path)] += 1
            json.dump(asdict(replace(staged, mark=str(before) if before else "")), self._list)
            self._list.write("\n")
            self._photos += 1

    def begin(
        self,
        session: Session,
        actor: Actor,
        *,
        grouping: Grouping | None,
        label: Label | None,
        known: KnownPeople,
        source: str,
    ) -> Batch:
        """Make a batch of what was stored. Raises BatchError and ManifestError; there is none then.

        grouping, label: how names become people; None: guessed from the names.
        """
        if not self._photos and not self._archives:
            raise BatchError("Choose photos, or a ZIP of them.")
        if self._manifest is not None:
            for _ in read_manifest(self._rewound()):
                pass  # all of it is read before anything is made of it
        elif self._photos:
            grouping, label = self._decided(grouping, label)
        batch = start_batch(
            session, self._organization, actor, grouping=grouping, label=label, known=known, source=source
        )
        # From here on the files are the batch's, whatever happens.
        self._begun = True
        if self._manifest is not None:
            add_manifest(session, batch, read_manifest(self._rewound()))
        for part in chunks(self._staged(), AT_ONCE):
            announce(session, batch, [staged.dropped for staged in part])
        # Only when all names are known: two files may fit one name of the manifest.
        for part in chunks(self._staged(), AT_ONCE):
            items = announce(session, batch, [staged.dropped for staged in part])
            arrivals = [staged.arrival(item.id) for staged, item in zip(part, items, strict=True)]
            receive(session, batch, arrivals, self._store)
        for staged in self._archives:
            take_archive(session, batch, staged.path, staged.size_bytes, staged.key, self._store)
        announce_all(session, batch, self._left_out)
        return batch

    def _decided(self, grouping: Grouping | None, label: Label | None) -> tuple[Grouping, Label]:
        """How names become people. Raises BatchError where it is unclear: nothing is begun then."""
        try:
            naming = guess((staged.path for staged in self._staged()), grouping, label)
        except UnclearNames as question:
            raise BatchError(str(question)) from question
        return naming.grouping, naming.label

    def _take_manifest(self, part: FormPart, path: str) -> None:
        if self._manifest is not None:
            raise BatchError(f"{path} is a second list. Only one can say who is on which photo.")
        self._manifest = self._temporary.enter_context(self._store.temporary_file())
        while chunk := part.read(CHUNK_BYTES):
            self._manifest.write(chunk)
            if self._manifest.tell() > MAX_MANIFEST_BYTES:
                raise BatchError(f"{path} is larger than 256 MiB. Make several manifests of it.")

    def _stage(self, part: FormPart, path: str, limit_bytes: int) -> _Staged:
        try:
            stored = self._store.receive(self._organization.id, part, limit_bytes)
        except FileTooLarge:
            return _Staged(path)
        return _Staged(path, stored.key, stored.sha256, stored.size_bytes, stored.head.decode("latin-1"))

    def _staged(self) -> Iterator[_Staged]:
        self._list.seek(0)
        for line in self._list:
            yield _Staged(**json.loads(line))

    def _rewound(self) -> IO[bytes]:
        assert self._manifest is not None
        self._manifest.seek(0)
        return self._manifest
