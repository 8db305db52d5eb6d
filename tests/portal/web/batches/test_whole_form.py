"""Many photos in one form, without a script: taken piece by piece, whole or not at all."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import EnvironBuilder, run_wsgi_app

from portal.batches.models import Batch, BatchArchive
from portal.photos.reasons import MAX_PHOTO_BYTES
from portal.storage import PhotoStore
from tests.make.batches import finish, zipped
from tests.make.photos import picture
from tests.read.batches import all_fates, assert_sound, counted, fates, people
from tests.run.workers import Worker
from tests.visitor import Visitor, file

Files = Callable[[], list[Path]]

AUTO = {"grouping": "auto", "label": "auto", "known": "add"}
MANIFEST = b"external_id,name,photo\nA1,Anna,one.jpg\nB1,Ben,two.jpg\n"


class Naming(TypedDict, total=False):
    """How names become people, as far as it is chosen in the form."""

    grouping: str
    label: str


def send(
    visitor: Visitor,
    *files: tuple[str, bytes],
    manifest: bytes | None = None,
    **fields: Unpack[Naming],
) -> int:
    """Send the form with files in its field for photos; returns the number of the batch."""
    data: dict[str, Any] = {**AUTO, **fields, "photos": [file(content, name) for name, content in files]}
    if manifest is not None:
        data["manifest"] = file(manifest, "list.csv")
    response = visitor.post("/enrol", data)
    assert response.status_code == 302, visitor.page.get_text(" ", strip=True)
    return int(response.location.rsplit("/", 1)[1])


def refused(visitor: Visitor, data: dict[str, Any]) -> str:
    """Send a form that is refused; returns what the page says then."""
    response = visitor.post("/enrol", {**AUTO, **data})
    assert (response.status_code, response.location) == (302, "/enrol")
    visitor.get("/enrol")
    notice = visitor.page.select_one(".notice--warning")
    assert notice is not None
    return " ".join(notice.get_text(" ").split())


def assert_nothing(session: Session, files: Files) -> None:
    """Nothing came of it."""
    session.rollback()
    assert files() == []
    assert session.scalar(select(func.count(Batch.id))) == 0


@pytest.mark.parametrize(
    ("names", "fields", "expected"),
    [
        (("Anna Arendt/1.jpg", "Ben Bauer/1.jpg"), {}, {"Anna Arendt": 1, "Ben Bauer": 1}),
        (("staff/E1.jpg", "staff/E2.jpg"), {}, {"E1": 1, "E2": 1}),
        (("Anna_Arendt.jpg", "Ben_Bauer.jpg"), {}, {"Anna_Arendt": 1, "Ben_Bauer": 1}),
        (("a/E1.jpg", "b/E2.jpg"), {"grouping": "file", "label": "external_id"}, {"E1": 1, "E2": 1}),
        (("a/E1.jpg", "b/E2.jpg"), {"grouping": "file"}, {"E1": 1, "E2": 1}),
        (("a/E1.jpg", "a/E2.jpg"), {"grouping": "folder"}, {"a": 2}),
    ],
    ids=["folders", "files in a folder", "files", "as chosen", "half chosen: files", "half chosen: folders"],
)
def test_names_become_people(
    worker: Worker,
    bob: Visitor,
    session: Session,
    names: tuple[str, str],
    fields: Naming,
    expected: dict[str, int],
) -> None:
    batch = send(bob, *((name, picture(number)) for number, name in enumerate(names)), **fields)
    bob.get(f"/enrol/{batch}")
    assert "You may leave this page." in bob.page.get_text(" ", strip=True)
    finish(worker)
    assert people(session) == expected
    assert counted(bob, batch) == {"attention": 2}
    assert_sound(session, {batch: 2})


def test_what_was_half_chosen_holds_for_a_zip_too(worker: Worker, bob: Visitor, session: Session) -> None:
    content = zipped({"a/E1.jpg": picture(1), "b/E2.jpg": picture(2)})
    batch = send(bob, ("all.zip", content), grouping="file")
    finish(worker)
    assert people(session) == {"E1": 1, "E2": 1}
    assert_sound(session, {batch: 2})


def test_hidden_files_are_left_out_and_counted(worker: Worker, bob: Visitor, session: Session) -> None:
    batch = send(bob, ("photos/A1.jpg", picture(1)), ("A/.DS_Store", b"x"), ("__MACOSX/A/._1.jpg", b"x"))
    finish(worker)
    assert fates(session, batch) == {"photos/A1.jpg": "attention no_face"}
    bob.get(f"/enrol/{batch}")
    assert "Hidden system files that were left out 2" in " ".join(bob.page.get_text(" ").split())
    assert_sound(session, {batch: 1})


@pytest.mark.parametrize("place", ["before", "after", "among the photos", "among the photos, last"])
def test_a_manifest_may_come_before_the_photos_or_after_them(
    worker: Worker, bob: Visitor, session: Session, place: str
) -> None:
    photos = [file(picture(1), "one.jpg"), file(picture(2), "two.jpg"), file(picture(3), "three.jpg")]
    manifest = file(MANIFEST, "list.csv")
    forms: dict[str, dict[str, Any]] = {
        "before": {"manifest": manifest, "photos": photos},
        "after": {"photos": photos, "manifest": manifest},
        "among the photos": {"photos": [manifest, *photos]},
        "among the photos, last": {"photos": [*photos, manifest]},
    }
    response = bob.post("/enrol", {**AUTO, **forms[place]})
    batch = int(response.location.rsplit("/", 1)[1])
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert fates(session, batch) == {
        "one.jpg": "attention no_face",
        "two.jpg": "attention no_face",
        "three.jpg": "attention not_in_manifest",
    }
    assert_sound(session, {batch: 3})


def test_of_two_files_that_fit_one_name_neither_is_enrolled_however_far_apart_they_are(
    worker: Worker, bob: Visitor, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.web.batches.whole_form.AT_ONCE", 3)
    others = [(f"other/{number}.jpg", b"text") for number in range(7)]
    batch = send(
        bob, ("x/one.jpg", picture(1)), *others, ("y/one.jpg", picture(2)), ("two.jpg", picture(3)),
        manifest=MANIFEST,
    )  # fmt: skip
    finish(worker)
    assert people(session) == {"B1": 1}
    found = fates(session, batch)
    assert (found["one.jpg"], found["y/one.jpg"]) == ("attention two_files", "attention two_files")
    assert_sound(session, {batch: 10})


def test_photos_that_the_manifest_names_and_nobody_sent_are_told(
    worker: Worker, bob: Visitor, session: Session
) -> None:
    batch = send(bob, ("one.jpg", picture(1)), manifest=MANIFEST)
    finish(worker)
    assert fates(session, batch)["two.jpg"] == "attention photo_not_found"
    assert_sound(session, {batch: 2})


def test_a_zip_is_unpacked_by_a_worker(worker: Worker, bob: Visitor, session: Session, files: Files) -> None:
    content = zipped({"Anna Arendt/1.jpg": picture(1), "Ben Bauer/1.jpg": picture(2)})
    batch = send(
        bob, ("people.zip", content), ("Carla Conti/1.jpg", picture(3)), ("Dora Dietz/1.jpg", picture(4))
    )
    finish(worker)
    assert people(session) == {"Anna Arendt": 1, "Ben Bauer": 1, "Carla Conti": 1, "Dora Dietz": 1}
    assert not [path for path in files() if path.suffix == ".zip"]
    assert_sound(session, {batch: 4})


def test_each_file_that_is_no_photo_is_told(
    worker: Worker, bob: Visitor, session: Session, files: Files
) -> None:
    large = picture(1) + bytes(MAX_PHOTO_BYTES + 1 - len(picture(1)))
    batch = send(
        bob,
        ("A/text.jpg", b"dear all"),
        ("A/zip.jpg", zipped({"x": b"x"})),
        ("A/jpeg.md", picture(2)),
        ("A/large.jpg", large),
        ("A/exactly.jpg", large[:-1]),
        ("B/empty.jpg", b""),
        ("loose.jpg", picture(5)),
        grouping="folder",
        label="external_id",
    )
    assert fates(session, batch) == {
        "A/text.jpg": "attention not_an_image",
        "A/zip.jpg": "attention not_an_image",
        "A/jpeg.md": "received",
        "A/large.jpg": "attention too_large",
        "A/exactly.jpg": "received",
        "B/empty.jpg": "attention empty",
        "loose.jpg": "attention no_folder",
    }
    assert len(files()) == 2
    finish(worker)
    assert_sound(session, {batch: 7})


@pytest.mark.parametrize("second", ["A/1.jpg", "a/1.JPG"])
def test_two_photos_of_one_name_are_both_accounted_for(
    worker: Worker, bob: Visitor, session: Session, second: str
) -> None:
    named: Naming = {"grouping": "folder", "label": "external_id"}
    batch = send(bob, ("A/1.jpg", picture(1)), (second, picture(2)), **named)
    finish(worker)
    assert [fate for _, fate in all_fates(session, batch)] == ["attention no_face"] * 2
    assert sum(people(session).values()) == 2
    assert_sound(session, {batch: 2})


def test_two_zips_that_look_alike_are_both_unpacked(worker: Worker, bob: Visitor, session: Session) -> None:
    first, second = (zipped({f"{name}/1.jpg": picture(5)}) for name in ("A1", "B1"))
    assert len(first) == len(second)
    batch = send(bob, ("all.zip", first), ("all.zip", second), grouping="folder", label="external_id")
    finish(worker)
    assert people(session) == {"A1": 1, "B1": 1}
    assert_sound(session, {batch: 2})


def test_a_zip_that_is_none_is_told(worker: Worker, bob: Visitor, session: Session, files: Files) -> None:
    batch = send(bob, ("all.zip", picture(1)))
    finish(worker)
    bob.get(f"/enrol/{batch}")
    assert "all.zip can't be used." in bob.page.get_text(" ", strip=True)
    assert files() == []
    assert_sound(session, {batch: 0})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"photos": [(io.BytesIO(b""), "")]}, "Choose photos, or a ZIP of them."),
        ({"manifest": [(MANIFEST, "list.csv")]}, "Choose photos, or a ZIP of them."),
        ({"photos": [(b"x", ".DS_Store")]}, "Choose photos, or a ZIP of them."),
        (
            {"photos": [(picture(1), "a.jpg"), (MANIFEST, "a.csv"), (MANIFEST, "b.csv"), (b"x", "b.jpg")]},
            "b.csv is a second list. Only one can say who is on which photo.",
        ),
        (
            {"photos": [(picture(1), "a.jpg"), (MANIFEST, "a.csv")], "manifest": [(MANIFEST, "b.csv")]},
            "b.csv is a second list.",
        ),
        ({"photos": [(picture(1), "a.jpg"), (b"a,b\n1,2\n", "a.csv")]}, "Which column is the external ID?"),
        (
            {"photos": [(picture(1), "a.jpg")], "manifest": [(MANIFEST + b'C1,"Carl,c.jpg', "a.csv")]},
            "a quotation mark is opened and not closed",
        ),
        ({"photos": [(picture(1), "a.jpg"), (b"", "all.zip")]}, "all.zip is empty, or larger than 100 GiB."),
    ],
    ids=["nothing", "a manifest only", "hidden only", "two manifests", "two manifests in two inputs",
         "no manifest", "a manifest broken at its end", "an empty ZIP"],
)  # fmt: skip
def test_what_is_refused_leaves_nothing(
    bob: Visitor, session: Session, files: Files, data: dict[str, list[tuple[Any, str]]], words: str
) -> None:
    sent = {
        name: [
            (io.BytesIO(content), path) if isinstance(content, bytes) else (content, path)
            for content, path in some
        ]
        for name, some in data.items()
    }
    assert words in refused(bob, sent)
    assert_nothing(session, files)


def test_a_manifest_has_a_largest_size(
    bob: Visitor, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.web.batches.whole_form.MAX_MANIFEST_BYTES", 100_000)
    rows = b"id,name,photo\n" + b"A1,Anna,one.jpg\n" * 10_000
    sent = {"photos": [file(picture(1), "a.jpg"), file(rows, "a.csv"), file(picture(2), "b.jpg")]}
    assert "a.csv is larger than 256 MiB." in refused(bob, sent)
    assert_nothing(session, files)


def test_a_form_without_its_token_leaves_nothing(bob: Visitor, session: Session, files: Files) -> None:
    for token in ("", "made up"):
        photos = [file(picture(1), "A/1.jpg")]
        assert bob.post("/enrol", {**AUTO, "csrf_token": token, "photos": photos}).status_code == 400
    token, photo = bob.token(), ("A/1.jpg", picture(1))
    whole = b"".join(form(token, iter([photo])))
    # Another site's page sends none; one that comes after the files comes too late.
    field = f'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'.encode()
    without = whole.replace(field, b"")
    late = without.replace(b"--x--", field + b"--x--")
    assert len(whole) == len(late) > len(without)
    for body in (without, late):
        assert stream(bob, partial(iter, [body])) == 400
    assert_nothing(session, files)


def test_a_form_that_is_none_leaves_nothing(bob: Visitor, session: Session, files: Files) -> None:
    token = bob.token()
    for kind, body in (
        ("text/plain", b"photos"),
        ("multipart/form-data", b"--x--"),
        ("application/x-www-form-urlencoded", f"csrf_token={token}".encode()),
        ("multipart/form-data; boundary=x", b"no boundary at all"),
    ):
        response = bob._send(bob.client.post, "/enrol", data=body, content_type=kind)
        assert response.status_code == 400, kind
    for known in ("everybody", ""):
        photos = [file(picture(1), "A/1.jpg")]
        assert bob.post("/enrol", {**AUTO, "known": known, "photos": photos}).status_code == 400
    long = {**AUTO, "csrf_token": "x" * 70_000, "photos": [file(picture(1), "A/1.jpg")]}
    assert bob.post("/enrol", long).status_code == 400
    assert_nothing(session, files)


def form(token: str, contents: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """A form in pieces, as a browser sends it."""
    for name, value in {"csrf_token": token, **AUTO, "grouping": "folder", "label": "external_id"}.items():
        yield f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for path, content in contents:
        yield f'--x\r\nContent-Disposition: form-data; name="photos"; filename="{path}"\r\n\r\n'.encode()
        yield from (content[start : start + 65536] for start in range(0, len(content), 65536))
        yield b"\r\n"
    yield b"--x--\r\n"


class Stream(io.RawIOBase):
    """A body that is made while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._rest = self._rest or next((piece for piece in self._pieces if piece), b"")
        given, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)


def stream(visitor: Visitor, body: Callable[[], Iterator[bytes]], told_bytes: int | None = None) -> int:
    """Send a form that nobody ever has in memory as a whole; returns the status of the answer."""
    cookie = visitor.client.get_cookie(visitor.app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    size = sum(map(len, body())) if told_bytes is None else told_bytes
    environ = EnvironBuilder(
        "/enrol",
        method="POST",
        headers=[("Cookie", f"{cookie.key}={cookie.value}")],
        environ_overrides={"REMOTE_ADDR": visitor.client.environ_base["REMOTE_ADDR"]},
    ).get_environ()
    environ["wsgi.input"] = Stream(body())
    environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"] = "multipart/form-data; boundary=x", str(size)
    _, status, _ = Context().run(lambda: run_wsgi_app(visitor.app.wsgi_app, environ, buffered=True))
    return int(status.split()[0])


def test_a_form_that_broke_off_leaves_nothing(bob: Visitor, session: Session, files: Files) -> None:
    token = bob.token()
    photos = [("A/1.jpg", picture(1)), ("A/2.jpg", picture(2) + bytes(200_000))]
    whole = b"".join(form(token, iter(photos)))
    for cut in (300, len(whole) - 150_000, len(whole) - 4):
        assert stream(bob, partial(iter, [whole[:cut]]), len(whole)) == 400
        assert_nothing(session, files)
    assert stream(bob, lambda: iter([whole])) == 302
    session.rollback()
    assert_sound(session, {session.scalars(select(Batch.id)).one(): 2})


@pytest.mark.parametrize("place", ["before", "head", "behind"])
def test_what_is_between_the_parts_of_a_form_has_an_end(
    bob: Visitor, session: Session, files: Files, place: str
) -> None:
    """All of it would have to be in memory."""
    photos = iter([("A/1.jpg", picture(1)), ("A/2.jpg", picture(2))])
    whole = b"".join(form(bob.token(), photos))
    filler = b"x" * (2 * 1024**2)
    start, head, rest = whole.partition(b'Content-Disposition: form-data; name="photos"')
    body = {
        "before": filler + b"\r\n" + whole,
        "head": start + b"X-Filler: " + filler + b"\r\n" + head + rest,
        "behind": whole + filler,
    }[place]
    assert stream(bob, lambda: iter([body[at : at + 65536] for at in range(0, len(body), 65536)])) == 413
    assert_nothing(session, files)
    # A little of it is no harm.
    assert stream(bob, lambda: iter([b"x" * 1000 + b"\r\n" + whole + b"x" * 1000])) == 302


def test_a_form_has_few_fields(bob: Visitor, session: Session, files: Files) -> None:
    def fields(count: int) -> dict[str, Any]:
        more = {f"field {number}": "x" for number in range(count - len(AUTO) - 1)}
        return {**AUTO, **more, "photos": [file(picture(1), "A/1.jpg")]}

    assert bob.post("/enrol", fields(21)).status_code == 400
    assert_nothing(session, files)
    assert bob.post("/enrol", fields(20)).status_code == 302


def test_a_part_without_a_name_is_no_trouble(bob: Visitor, session: Session, files: Files) -> None:
    whole = b"".join(form(bob.token(), iter([("A/1.jpg", picture(1))])))
    nameless = whole.replace(b'name="photos"; ', b"")
    assert len(nameless) < len(whole)
    assert stream(bob, lambda: iter([nameless])) in {302, 400}
    field = b"--x\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n"
    assert stream(bob, lambda: iter([field + whole])) in {302, 400}
    headless = whole.replace(b'Content-Disposition: form-data; name="photos"', b"X-Nothing: 1")
    assert stream(bob, lambda: iter([headless])) == 400


def test_a_full_disk_is_told_on_a_page_and_nothing_is_left(
    bob: Visitor, session: Session, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [file(picture(1), "A/1.jpg"), file(picture(2), "A/2.jpg")]
    receive, received = PhotoStore.receive, []

    def receive_until_it_is_full(*arguments: Any) -> object:
        received.append(arguments)
        if len(received) == 2:
            full.setattr("portal.storage.RESERVE_BYTES", 1 << 62)
        return receive(*arguments)

    with monkeypatch.context() as full:
        full.setattr(PhotoStore, "receive", receive_until_it_is_full)
        assert bob.post("/enrol", {**AUTO, "photos": photos}).status_code == 507
        words = bob.page.get_text(" ", strip=True)
        assert "The portal's disk is full. Nothing was lost" in words
        assert "send it again later" in words
        assert_nothing(session, files)
    send(bob, ("A1.jpg", picture(1)))


def test_memory_does_not_grow_with_the_form(bob: Visitor, session: Session) -> None:
    token, photo = bob.token(), picture(1)
    filler = bytes(1024**2)

    def photos(count: int, mib: int) -> Iterator[bytes]:
        return form(token, ((f"A{n}/1.jpg", photo + filler * mib + bytes([n])) for n in range(count)))

    assert stream(bob, lambda: photos(2, 2)) == 302  # whatever is loaded once is loaded now
    tracemalloc.start()
    try:
        assert stream(bob, lambda: photos(30, 3)) == 302
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One photo of 3 MiB in the test's own hands, and buffers; of 90 MiB.
    assert peak < 14 * 1024**2
    first, second = session.scalars(select(Batch.id).order_by(Batch.id))
    assert_sound(session, {first: 2, second: 30})


def test_who_is_not_signed_in_can_not_send_much(app: Flask, files: Files, session: Session) -> None:
    visitor = Visitor(app)
    data = {"photos": [file(picture(1) + bytes(10**6), "A/1.jpg")]}
    response = visitor.client.post("/enrol", data=data)
    response.request.environ["wsgi.input"].close()
    assert response.status_code in {302, 413}
    assert_nothing(session, files)
    assert session.scalar(select(func.count(BatchArchive.id))) == 0
