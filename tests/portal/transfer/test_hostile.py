"""Exports that were damaged, or made to do harm: refused with what is wrong, and nothing is taken."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from portal.organizations.models import Organization
from portal.organizations.services import create_organization
from portal.people.models import Person
from portal.storage import photo_store
from portal.transfer.opening import ExportError, is_export
from tests.make.exports import export, members, rezipped, take
from tests.make.merges import merge
from tests.make.pairs import add_pair
from tests.make.people import TESTER
from tests.portal.conftest import Enrolled

Files = dict[str, bytes]
Change = Callable[[Files], None]


@pytest.fixture
def elsewhere(session: Session) -> Organization:
    return create_organization(session, TESTER, "Elsewhere")


@pytest.fixture
def sound(
    session: Session, clinic: Organization, anna: Person, anne: Person, enrolled: Enrolled, tmp_path: Path
) -> Path:
    """An export with something of everything."""
    merge(session, anna, anne)
    add_pair(session, enrolled("Ben"), enrolled("Cleo"))
    return export(session, clinic, tmp_path / "sound.zip")


def row(member: str, number: int = 0, **values: object) -> Change:
    """Give a row of a member other values."""

    def change(files: Files) -> None:
        lines = [json.loads(line) for line in files[member].splitlines()]
        lines[number] |= values
        files[member] = "".join(f"{json.dumps(line)}\n" for line in lines).encode()

    return change


def line(member: str, content: bytes, *, counted: bool = True) -> Change:
    """Add a line to a member."""

    def change(files: Files) -> None:
        files[member] += content
        if counted:
            manifest = json.loads(files["manifest.json"])
            manifest["counts"][member] += 1
            files["manifest.json"] = json.dumps(manifest).encode()

    return change


def manifest(**values: object) -> Change:
    def change(files: Files) -> None:
        files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) | values).encode()

    return change


def repeated(member: str) -> Change:
    """The first row of a member once more."""
    return lambda files: line(member, files[member].splitlines(keepends=True)[0])(files)


def template(number: float) -> Change:
    """One number of the first template."""

    def change(files: Files) -> None:
        content = bytearray(files["templates.npy"])
        content[128:132] = struct.pack("<f", number)
        files["templates.npy"] = bytes(content)

    return change


def photo(content: Callable[[bytes], bytes] | None) -> Change:
    """The first photo's file."""

    def change(files: Files) -> None:
        name = next(name for name in files if name.startswith("photos/"))
        if content is None:
            del files[name]
        else:
            files[name] = content(files[name])

    return change


def replaced(member: str, content: bytes) -> Change:
    return lambda files: files.update({member: content})


def removed(member: str) -> Change:
    def change(files: Files) -> None:
        del files[member]

    return change


NPY = b"\x93NUMPY\x01\x00"
HARM: dict[str, tuple[Change, str]] = {
    "NaN": (template(float("nan")), "Template 0 of templates.npy is not of unit length"),
    "no end": (template(float("inf")), "Template 0 of templates.npy is not of unit length"),
    "long template": (template(3.0), "Template 0 of templates.npy is not of unit length"),
    "no npy": (replaced("templates.npy", b"PK" * 100), "does not begin as an NPY file"),
    "npy that asks for code": (
        replaced("templates.npy", NPY + struct.pack("<H", 30) + b"__import__('os').abort()".ljust(30)),
        "header can't be read",
    ),
    "huge npy": (
        replaced(
            "templates.npy",
            NPY
            + struct.pack("<H", 70)
            + b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999, 8)}\n",
        ),
        "templates.npy",
    ),
    "npy of doubles": (
        lambda files: files.update({"templates.npy": files["templates.npy"].replace(b"<f4", b"<f8")}),
        "float32",
    ),
    "short npy": (
        lambda files: files.update({"templates.npy": files["templates.npy"][:-4]}),
        "not as long as it says",
    ),
    "another photo": (photo(lambda content: content[:-1] + b"x"), "is not the photo that it should be"),
    "short photo": (photo(lambda content: content[:-1]), "is not the photo that it should be"),
    "long photo": (photo(lambda content: content + b"x"), "longer than it should be"),
    "missing photo": (photo(None), "is missing in the export"),
    "broken JSON": (line("people.jsonl", b'{"id": 99, \n'), "Line 5 of people.jsonl can't be used"),
    "no JSON object": (line("people.jsonl", b"[]\n"), "Line 5 of people.jsonl can't be used"),
    "deep JSON": (line("people.jsonl", b"[" * 100_000 + b"\n"), "Line 5 of people.jsonl can't be used"),
    "endless line": (line("people.jsonl", b" " * (2 * 1024**2) + b"\n"), "longer than 1 MiB"),
    "cut off line": (line("people.jsonl", b"{}"), "cut off"),
    "a row too many": (
        lambda files: line("pair_events.jsonl", files["pair_events.jsonl"], counted=False)(files),
        "where manifest.json says",
    ),
    "NUL": (row("people.jsonl", name="An\0na"), "Line 1 of people.jsonl can't be used: name"),
    "half a character": (row("photos.jsonl", file_name="\ud800"), "Line 1 of photos.jsonl can't be used"),
    "no name": (row("people.jsonl", name=""), "Line 1 of people.jsonl can't be used: name"),
    "long external id": (row("people.jsonl", external_id="x" * 101), "can't be used: external_id"),
    "spaces in an external id": (row("people.jsonl", external_id=" A1"), "can't be used: external_id"),
    "huge number": (row("people.jsonl", id=2**63), "Line 1 of people.jsonl can't be used: id"),
    "number of nobody": (row("people.jsonl", id=0), "Line 1 of people.jsonl can't be used: id"),
    "text for a number": (row("photos.jsonl", width="12"), "Line 1 of photos.jsonl can't be used: width"),
    "far future": (row("people.jsonl", created_at="9999-12-31T23:59:59Z"), "can't be used: created_at"),
    "no zone": (row("people.jsonl", created_at="2026-01-01T00:00:00"), "can't be used: created_at"),
    "unknown field": (row("people.jsonl", is_admin=True), "people.jsonl can't be used: is_admin"),
    "unknown reason": (row("photos.jsonl", reason="because"), "photos.jsonl can't be used: reason"),
    "path for a SHA-256": (row("photos.jsonl", sha256="../../etc/passwd"), "can't be used: sha256"),
    "person twice": (repeated("people.jsonl"), "people.jsonl has something twice"),
    "external id twice": (row("people.jsonl", 1, external_id="A1"), "people.jsonl has something twice"),
    "photo twice": (repeated("photos.jsonl"), "photos.jsonl has something twice"),
    "face twice": (repeated("faces.jsonl"), "faces.jsonl has something twice"),
    "template twice": (row("faces.jsonl", 1, template=0), "faces.jsonl has something twice"),
    "template that is not there": (row("faces.jsonl", template=10**6), "not in templates.npy"),
    "photo of nobody": (row("photos.jsonl", person=10**6), "is of nobody in the export"),
    "face in no photo": (row("faces.jsonl", 2, photo=10**6), "in no photo of the export"),
    "main face of another": (row("photos.jsonl", main_face=10**6), "the main face of photo"),
    "merged into nobody": (row("people.jsonl", 1, merged_into=10**6), "merged into someone who is not"),
    "merged into themselves": (row("people.jsonl", merged_into=1), "merged into themselves"),
    "alias without a merge": (row("people.jsonl", 2, merged_into=1), "no merge says how"),
    "merge of one": (row("merges.jsonl", survivor=2), "merges.jsonl: merge 1"),
    "pair of one": (row("pairs.jsonl", a=4), "pairs.jsonl: pair 1"),
    "event of no pair": (row("pair_events.jsonl", pair=7), "pair_events.jsonl: pair 7"),
    "score beyond": (row("pairs.jsonl", score=17.5), "pairs.jsonl can't be used: score"),
    "another version": (manifest(version=2), "manifest.json can't be used: version"),
    "threshold beyond": (
        manifest(thresholds={"search": 7, "duplicates": None}),
        "manifest.json can't be used: thresholds.search",
    ),
    "wrong dimension": (
        manifest(face_model={"fingerprint": "0" * 64, "name": "x", "engine": "x", "dimension": 4}),
        "numbers a template",
    ),
    "no left out": (removed("left_out.jsonl"), "left_out.jsonl is missing"),
    "no people": (removed("people.jsonl"), "people.jsonl is missing"),
    "odd left out": (replaced("left_out.jsonl", b"{}\n"), "left_out.jsonl can't be used"),
    "rendition that is a page": (
        lambda files: files.update(
            {next(name for name in files if name.startswith("renditions/")): b"<script>alert(1)</script>"}
        ),
        "is no JPEG",
    ),
}  # fmt: skip


def test_harm_is_refused_and_nothing_is_taken(
    session: Session, sound: Path, elsewhere: Organization, tmp_path: Path
) -> None:
    stored = set(photo_store().keys(1e12))
    answers = {}
    for name, (change, _) in HARM.items():
        files = members(sound)
        change(files)
        try:
            take(session, elsewhere, rezipped(tmp_path / "harm.zip", files))
        except ExportError as error:
            answers[name] = str(error)
        nothing(session, elsewhere)
    assert {name: said for name, (_, said) in HARM.items() if said not in answers.get(name, "")} == {}
    assert set(photo_store().keys(1e12)) == stored


def nothing(session: Session, organization: Organization) -> None:
    session.rollback()
    people = select(func.count()).where(Person.organization_id == organization.id)
    assert session.scalar(people) == 0


@pytest.mark.parametrize("member", ["people.jsonl", "audit.csv", "templates.npy"])
def test_changed_member_is_found_by_its_sha256(
    session: Session, sound: Path, elsewhere: Organization, tmp_path: Path, member: str
) -> None:
    files = members(sound)
    files[member] += b"\n" if member == "audit.csv" else b" \n"
    with pytest.raises(ExportError, match=member):
        take(session, elsewhere, rezipped(tmp_path / "harm.zip", files, sound=False))
    nothing(session, elsewhere)


def test_zip_bomb_is_refused_without_being_unpacked(
    session: Session, sound: Path, elsewhere: Organization, tmp_path: Path
) -> None:
    files = members(sound)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as archive:
        for name, content in files.items():
            if name == "people.jsonl":
                with archive.open(zipfile.ZipInfo(name), "w") as target:
                    target.write(content)
            elif name.startswith("photos/"):
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, bytes(100 * 1024**2))
            else:
                archive.writestr(name, content)
    with pytest.raises(ExportError, match="is packed, or longer than it should be"):
        take(session, elsewhere, tmp_path / "bomb.zip")
    nothing(session, elsewhere)


def test_two_members_of_one_name_are_refused(
    session: Session, sound: Path, elsewhere: Organization, tmp_path: Path
) -> None:
    content = io.BytesIO(sound.read_bytes())
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(content, "a") as archive:
        archive.writestr("people.jsonl", b"")
    (tmp_path / "two.zip").write_bytes(content.getvalue())
    with pytest.raises(ExportError, match=r"two members 'people\.jsonl'"):
        take(session, elsewhere, tmp_path / "two.zip")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_export_that_is_cut_off_is_refused(
    session: Session, sound: Path, elsewhere: Organization, tmp_path: Path, part: float
) -> None:
    content = sound.read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[: int(len(content) * part)])
    assert not is_export(tmp_path / "cut.zip")
    with pytest.raises(ExportError, match="can't be opened"):
        take(session, elsewhere, tmp_path / "cut.zip")


def test_any_damaged_byte_is_found_or_harmless(
    session: Session, sound: Path, elsewhere: Organization, tmp_path: Path
) -> None:
    content = bytearray(sound.read_bytes())
    for at in range(0, len(content), len(content) // 60):
        damaged = content.copy()
        damaged[at] ^= 0xFF
        (tmp_path / "damaged.zip").write_bytes(damaged)
        try:
            take(session, elsewhere, tmp_path / "damaged.zip")
        except ExportError:
            continue
        # Bytes such as a member's date, which nobody reads: what was taken is what is in it.
        session.rollback()
        names = set(session.scalars(select(Person.external_id).where(Person.organization_id == elsewhere.id)))
        assert names == {"A1", "B1", "Ben", "Cleo"}


def test_export_without_one_of_its_members_is_no_zip_of_photos(sound: Path, tmp_path: Path) -> None:
    files = members(sound)
    del files["people.jsonl"]
    assert is_export(sound)
    assert is_export(rezipped(tmp_path / "without.zip", files))
