"""The photo store: whole files or none, each where it belongs, and nothing outside of it."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path

import pytest

from portal.storage import HEAD_BYTES, FileTooLarge, PhotoStore, StoreFull


@pytest.fixture
def store(tmp_path: Path) -> PhotoStore:
    return PhotoStore(tmp_path / "photos")


def files(store: PhotoStore) -> list[str]:
    return sorted(str(path.relative_to(store.folder)) for path in store.folder.rglob("*") if path.is_file())


def age(store: PhotoStore, name: str) -> None:
    """Let a file have been there for two hours."""
    moment = time.time() - 7200
    os.utime(store.folder / name, (moment, moment))


def test_a_photo_comes_back_as_it_went(store: PhotoStore) -> None:
    content = os.urandom(3_000_000)
    stored = store.receive(7, io.BytesIO(content), len(content))
    assert (stored.sha256, stored.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert store.read(stored.key) == content
    assert files(store) == [stored.key]
    assert stored.key.startswith("7/")


@pytest.mark.parametrize("first", [1, 2, 7, HEAD_BYTES, 5000])
def test_the_beginning_of_a_file_is_known_however_small_its_pieces_are(store: PhotoStore, first: int) -> None:
    content = os.urandom(3 * HEAD_BYTES)
    pieces = iter((content[:first], content[first : first + 2], content[first + 2 :]))

    class Piecemeal:
        def read(self, size: int = -1, /) -> bytes:
            return next((piece for piece in pieces if piece), b"")

    stored = store.receive(7, Piecemeal(), len(content))
    assert stored.head == content[:HEAD_BYTES]
    assert store.read(stored.key) == content


def test_the_same_photo_twice_is_two_files_so_that_each_row_deletes_its_own(store: PhotoStore) -> None:
    first, second = (store.receive(7, io.BytesIO(b"photo"), 100) for _ in range(2))
    store.delete(first.key)
    assert store.read(second.key) == b"photo"


@pytest.mark.parametrize("size", [101, 5_000_000])
def test_nothing_is_left_of_a_photo_that_is_too_large(store: PhotoStore, size: int) -> None:
    with pytest.raises(FileTooLarge):
        store.receive(7, io.BytesIO(bytes(size)), 100)
    assert files(store) == []


def test_nothing_is_left_of_an_upload_that_is_cut_off(store: PhotoStore) -> None:
    class CutOff(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionResetError
            return super().read(10)

    with pytest.raises(ConnectionResetError):
        store.receive(7, CutOff(bytes(100)), 1000)
    assert files(store) == []


def test_a_photo_is_deleted_with_everything_made_from_it(store: PhotoStore) -> None:
    key = store.receive(7, io.BytesIO(b"photo"), 100).key
    store.write(key, "preview", b"first")
    store.write(key, "preview", b"second")
    store.write(key, "thumbnail", b"small")
    store.write(key, "converted", b"whole")
    assert store.read(key, "preview") == b"second"
    for _ in range(2):  # what is gone already is fine
        store.delete(key)
        assert files(store) == []
    with pytest.raises(FileNotFoundError):
        store.read(key)


@pytest.mark.parametrize(
    "key",
    [
        "../outside",
        "/etc/passwd",
        "7/ab/../../../outside",
        "7/ab/" + "a" * 64,
        "incoming/" + "0" * 32,
        "7/ab/" + "a" * 64 + "-01234567/../../../outside",
        "7/ab/" + "a" * 64 + "-01234567\n",
        "",
    ],
)
def test_no_key_leads_out_of_the_store(store: PhotoStore, tmp_path: Path, key: str) -> None:
    store.receive(7, io.BytesIO(b"photo"), 100)
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    for act in (store.read, store.delete):
        with pytest.raises(ValueError, match="is not the key of a stored photo"):
            act(key)
    with pytest.raises(ValueError, match="is not the key of a stored photo"):
        store.write(key, "preview", b"overwritten")
    assert outside.read_bytes() == b"precious"


def test_the_folders_are_nobody_elses_to_read(store: PhotoStore) -> None:
    key = store.receive(7, io.BytesIO(b"photo"), 100).key
    for folder in (store.folder / "incoming", (store.folder / key).parent):
        assert folder.stat().st_mode & 0o077 == 0


def test_old_photos_are_listed_whatever_is_left_of_them(store: PhotoStore) -> None:
    old, half, new = (store.receive(7, io.BytesIO(b"photo"), 100).key for _ in range(3))
    store.write(old, "preview", b"preview")
    store.write(half, "preview", b"preview")
    for name in (old, f"{old}.preview", f"{half}.preview"):
        age(store, name)
    (store.folder / half).unlink()
    assert set(store.keys(older_than=time.time() - 3600)) == {old, half}
    assert set(store.keys(older_than=time.time() + 3600)) == {old, half, new}


def test_uploads_that_broke_off_long_ago_are_thrown_away(store: PhotoStore) -> None:
    kept = store.receive(7, io.BytesIO(b"photo"), 100).key
    for name in ("old", "new"):
        (store.folder / "incoming" / name).write_bytes(b"half a photo")
    age(store, "incoming/old")
    age(store, kept)
    store.forget_cut_off_uploads(older_than=time.time() - 3600)
    assert files(store) == sorted([kept, "incoming/new"])


def test_while_something_arrives_the_store_is_not_quiet(store: PhotoStore) -> None:
    def is_quiet() -> bool:
        with store.nothing_arriving() as quiet:
            return quiet

    assert is_quiet()
    with store.arriving():
        with store.arriving():
            assert not is_quiet()
        # Another process has a store of its own.
        with PhotoStore(store.folder).nothing_arriving() as quiet:
            assert not quiet
    assert is_quiet()


def test_what_broke_off_arrives_no_more(store: PhotoStore) -> None:
    with pytest.raises(ConnectionResetError), store.arriving():
        raise ConnectionResetError
    with store.nothing_arriving() as quiet:
        assert quiet


def test_young_archives_are_not_listed(store: PhotoStore) -> None:
    for number in (1, 2):
        store.append_to_archive(number, 0, io.BytesIO(b"zip"), 100)
    age(store, "archives/1.zip")
    assert store.archives(older_than=time.time() - 3600) == [1]
    assert sorted(store.archives(older_than=time.time() + 3600)) == [1, 2]


def test_a_full_disk_takes_nothing_and_keeps_what_there_is(
    store: PhotoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.receive(7, io.BytesIO(b"photo"), 100).key
    store.append_to_archive(1, 0, io.BytesIO(b"half"), 100)
    before = files(store)
    with monkeypatch.context() as full:
        full.setattr("portal.storage.RESERVE_BYTES", 1 << 62)
        with pytest.raises(StoreFull):
            store.receive(7, io.BytesIO(b"another"), 100)
        with pytest.raises(StoreFull):
            store.append_to_archive(1, 4, io.BytesIO(b" a zip"), 100)
        assert files(store) == before
        assert store.read(key) == b"photo"
        # What workers make of photos that are there is still written.
        store.write(key, "thumbnail", b"small")
    assert store.append_to_archive(1, 4, io.BytesIO(b" a zip"), 100) == 10


def test_a_temporary_file_is_gone_when_it_is_closed(store: PhotoStore) -> None:
    with store.temporary_file() as file:
        file.write(b"a manifest")
        file.seek(0)
        assert file.read() == b"a manifest"
    assert files(store) == []
