"""Manifests as spreadsheets of all kinds write them, and those that are refused."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.batches.columns import Column
from portal.batches.list_lines import ManifestError
from portal.batches.manifest import Manifest, ManifestRow, read_manifest
from portal.csv_cells import safe_cell

ANNA = ManifestRow(2, "A-17", "Anna Smith", ("a.jpg",))


def manifest_of(content: str | bytes) -> Manifest:
    return read_manifest(io.BytesIO(content.encode() if isinstance(content, str) else content))


def read_as(manifest: Manifest) -> dict[str, str]:
    """What each column is read as."""
    return {column.header: column.use for column in manifest.columns}


def rows_of(content: str | bytes) -> list[ManifestRow]:
    return list(manifest_of(content))


def refusal_of(content: str | bytes) -> str:
    with pytest.raises(ManifestError) as refusal:
        rows_of(content)
    return str(refusal.value)


class Endless(io.RawIOBase):
    """A header, then rows without end, none of which is there before it is read."""

    def __init__(self, header: bytes, row: bytes) -> None:
        self.given = 0
        self._header = header
        self._rows = row * (1 + 65536 // len(row))

    def read(self, size: int = -1, /) -> bytes:
        part, self._header = self._header or self._rows, b""
        self.given += len(part)
        return part


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last_end", [True, False])
def test_spreadsheets_of_every_country_are_read(bom: bytes, delimiter: str, end: str, last_end: bool) -> None:
    lines = [
        ["external_id", "name", "photo"],
        ["A-17", "Anna Smith", "a.jpg"],
        ["B", "Łukasz Nuñez", "b/ü.jpg"],
    ]
    text = end.join(delimiter.join(line) for line in lines) + (end if last_end else "")
    manifest = manifest_of(bom + text.encode())
    assert manifest.delimiter == delimiter
    assert read_as(manifest) == {"external_id": "external_id", "name": "name", "photo": "photo"}
    assert list(manifest) == [ANNA, ManifestRow(3, "B", "Łukasz Nuñez", ("b/ü.jpg",))]


@pytest.mark.parametrize(
    "header",
    [
        "External ID,Full Name,Photo",
        "externalid,FULLNAME,photos",
        "ID,display-name,file name",
        "person_id,Display Name,Filename",
        "Réference,näme,Path",
        "code,name,picture",
        "ref,name,IMAGE",
        "Number,name,file",
        " external-id , name , photo ",
        '"external_id","name","photo"',
        "ＩＤ,name,photo1",
    ],
)
def test_columns_are_known_by_many_names(header: str) -> None:
    assert rows_of(f"{header}\nA-17,Anna Smith,a.jpg\n") == [ANNA]


def test_columns_may_stand_in_any_order_and_others_are_not_used() -> None:
    manifest = manifest_of(
        "Photo 1,Notes,Name,E-mail,Nickname,Number,Photo 2\na.jpg,new,Anna,x@y,An,17,b.jpg\n"
    )
    assert [column.use for column in manifest.columns] == [
        Column.PHOTO,
        Column.NOT_USED,
        Column.NAME,
        Column.NOT_USED,
        Column.NOT_USED,
        Column.EXTERNAL_ID,
        Column.PHOTO,
    ]
    assert list(manifest) == [ManifestRow(2, "17", "Anna", ("a.jpg", "b.jpg"))]


def test_beside_others_the_columns_that_the_documentation_names_are_meant() -> None:
    manifest = manifest_of("id,external_id,name,full name,photo\n1,2,Anna,Bea,a.jpg\n")
    assert [column.use for column in manifest.columns] == [
        Column.NOT_USED,
        Column.EXTERNAL_ID,
        Column.NOT_USED,
        Column.NAME,
        Column.PHOTO,
    ]
    assert list(manifest) == [ManifestRow(2, "2", "Bea", ("a.jpg",))]


def test_photos_may_go_on_without_a_header_of_their_own() -> None:
    manifest = manifest_of("id,,name,photo,,notes\n1,x,Anna,a.jpg,b.jpg,new,c.jpg,,d.jpg\n")
    assert [column.use for column in manifest.columns] == [
        Column.EXTERNAL_ID,
        Column.NOT_USED,
        Column.NAME,
        Column.PHOTO,
        Column.PHOTO,
        Column.NOT_USED,
    ]
    assert list(manifest) == [ManifestRow(2, "1", "Anna", ("a.jpg", "b.jpg", "c.jpg", "d.jpg"))]


def test_people_who_are_known_need_no_name() -> None:
    assert rows_of("id,photo\nA-17,a.jpg\n") == [ManifestRow(2, "A-17", "", ("a.jpg",))]


def test_rows_are_passed_on_unchecked() -> None:
    assert rows_of("id,name,photo\n,,a.jpg\nB\n,C\nD,,\n") == [
        ManifestRow(2, "", "", ("a.jpg",)),
        ManifestRow(3, "B", "", ()),
        ManifestRow(4, "", "C", ()),
        ManifestRow(5, "D", "", ()),
    ]


@pytest.mark.parametrize("blank", ["\n", "  \n", ",,\n", " , ,,,\n", '"",,\n'])
def test_blank_lines_are_skipped_and_counted(blank: str) -> None:
    header = "" if '"' in blank else blank
    rows = rows_of(f"{header}id,name,photo\n{blank}{blank}A-17,Anna Smith,a.jpg\n{blank}")
    assert rows == [ManifestRow(5 if header else 4, "A-17", "Anna Smith", ("a.jpg",))]


def test_quoted_cells_may_hold_delimiters_quotes_and_lines() -> None:
    rows = rows_of('id,name,photo\r\n1,"Smith, ""An""\r\nna", "a,b.jpg"\r\n2,An "x" na,c.jpg\r\n')
    assert rows == [
        ManifestRow(2, "1", 'Smith, "An"\r\nna', ("a,b.jpg",)),
        ManifestRow(4, "2", 'An "x" na', ("c.jpg",)),
    ]


def test_cells_made_safe_for_spreadsheets_are_what_they_were() -> None:
    assert rows_of("id,name,photo\n'=17,'@nna,'-a.jpg\n'17,O'Brien,-b.jpg\n") == [
        ManifestRow(2, "=17", "@nna", ("-a.jpg",)),
        ManifestRow(3, "'17", "O'Brien", ("-b.jpg",)),
    ]


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [
        ("id;name;photo;remarks, if any", ";"),
        ('"id","name","photo","remarks; if any"', ","),
        ("id\tname\tphoto\tdate, place; time", "\t"),
        ("id,photo;name,photo", ","),
    ],
)
def test_the_delimiter_is_the_one_that_makes_columns(header: str, delimiter: str) -> None:
    assert manifest_of(header + "\n").delimiter == delimiter


CELLS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cf"]), max_size=20)


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=8),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_csv_writer_writes_is_read(
    people: list[tuple[str, str, str, str]], delimiter: str, end: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["external_id", "name", "photo 1", "photo 2"])
    stripped = [tuple(cell.strip() for cell in person) for person in people]
    writer.writerows([safe_cell(cell) for cell in person] for person in stripped)
    read = [(row.external_id, row.name, row.photos) for row in rows_of(file.getvalue())]
    assert read == [
        (external_id, name, tuple(photo for photo in photos if photo))
        for external_id, name, *photos in stripped
        if external_id or name or any(photos)
    ]


@given(st.binary(max_size=200), st.sampled_from([b"", b"id,name,photo\n", b"id;photo\r", b"\xff\xfe"]))
def test_whatever_comes_there_are_rows_or_a_refusal(content: bytes, header: bytes) -> None:
    with suppress(ManifestError):
        for row in manifest_of(header + content):
            assert row.line >= 1
            assert all(row.photos)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\r\n  \n", b",,,\n;;\n"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    assert refusal_of(content).startswith("The manifest is empty. The first line must name the columns")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_utf_16_is_read(encoding: str, end: str) -> None:
    people = [f"A-{number}\tŁukasz {number}\t{number}.jpg" for number in range(3000)]
    manifest = manifest_of(end.join(["id\tname\tphoto", *people]).encode(encoding))
    assert manifest.encoding == "UTF-16"
    rows = list(manifest)
    assert (len(rows), rows[-1].name, rows[-1].photos) == (3000, "Łukasz 2999", ("2999.jpg",))


def test_utf_16_that_is_cut_off_and_utf_32_are_refused_with_what_to_do() -> None:
    assert "CSV UTF-8" in refusal_of("id,photo\nA-17,a.jpg".encode("utf-16")[:-1])
    assert "CSV UTF-8" in refusal_of("id,name,photo\nA-17,Anna,a.jpg\n".encode("utf-32"))


@pytest.mark.parametrize("name", ["Jörg Müller", "Zoë Núñez", "François d’Août", "Åsa Øyen", "João Ângelo"])
def test_the_letters_of_windows_in_western_europe_are_read(name: str) -> None:
    manifest = manifest_of(f"id;name;photo\r\nA-1;Anna;a.jpg\r\nA-2;{name};b.jpg\r\n".encode("cp1252"))
    assert [row.name for row in manifest] == ["Anna", name]
    assert manifest.encoding == "Windows-1252"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Олена Коваль", "cp1251"),
        ("Łukasz Żak", "cp1250"),
        ("Işıl Çağlar", "cp1254"),
        ("محمد علي", "cp1256"),
        ("山田太郎", "shift-jis"),
        ("王小明", "gbk"),
        ("Jörg Müller", "cp850"),
        ("René Duval", "mac-roman"),
    ],
)
def test_letters_of_other_encodings_are_not_guessed(name: str, encoding: str) -> None:
    message = refusal_of(f"id;name;photo\nA-1;Anna;a.jpg\nA-2;{name};b.jpg\n".encode(encoding))
    assert message.startswith("Line 3 is not in UTF-8")
    assert "CSV UTF-8" in message


def test_a_list_in_two_encodings_is_refused() -> None:
    lines = ["id,name,photo\nA-1,Zoë,a.jpg\n".encode(), "A-2,Zoë,b.jpg\n".encode("cp1252")]
    assert refusal_of(b"".join(lines)).startswith("Line 3 is not in UTF-8")


def test_rows_before_the_one_that_cannot_be_read_are_given() -> None:
    rows = iter(manifest_of(b"id,name,photo\nA-17,Anna Smith,a.jpg\nB,\x81,b.jpg\n"))
    assert next(rows) == ANNA
    with pytest.raises(ManifestError, match="Line 3"):
        next(rows)


def test_a_file_without_a_header_is_refused_with_what_was_found() -> None:
    message = refusal_of("\nA-17,Anna Smith,a.jpg\n")
    assert message.startswith("Line 2 already names a photo, so the header is missing.")
    assert "“external ID”" in message
    assert "“photo”" in message


def test_what_was_found_is_told_in_short() -> None:
    assert len(refusal_of(",".join(["x" * 1000] * 60))) < 1000


def test_a_manifest_needs_external_ids() -> None:
    message = refusal_of("name,photo\nAnna,a.jpg\n")
    assert message.startswith("Which column is the external ID? Line 1 names these columns: “name”, “photo”.")


@pytest.mark.parametrize("header", ["external_id,name", "external_id"])
def test_a_manifest_needs_photos(header: str) -> None:
    assert refusal_of(f"{header}\nA-17\n").startswith(
        "Which column names the photo? Line 1 names these columns: “external_id”"
    )


@pytest.mark.parametrize(
    ("header", "words"),
    [("id,name;photo", "commas and semicolons"), ("a;b,c\td", "commas and semicolons and tabs")],
)
def test_a_delimiter_that_cannot_be_told_is_not_guessed(header: str, words: str) -> None:
    assert refusal_of(header).startswith(f"There are {words} in the header")


def test_a_nul_is_refused_with_its_line() -> None:
    assert refusal_of("id,name,photo\nA,Anna,a.jpg\nB,Be\0a,b.jpg\n").startswith(
        "Line 3 contains a character"
    )


def test_a_workbook_is_told_to_be_saved_as_csv() -> None:
    workbook = b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00bJ\x04\xde\n\x00[Content_Types].xml\xa2\x04"
    assert "CSV UTF-8" in refusal_of(workbook)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r\nC,Cy,c.jpg\r\n"])
def test_a_line_that_is_too_long_is_refused_with_its_number(end: str) -> None:
    row = "B,Bea," + "b" * (64 * 1024 - 6)
    header = "id,name,photo\n"
    assert rows_of(f"{header}{row}{end}")[0].photos == ("b" * (64 * 1024 - 6),)
    assert refusal_of(f"{header}{row}b{end}").startswith("Line 2 is longer than 64 KiB")


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    file = Endless(b"id,name,photo\n", b"x")
    with pytest.raises(ManifestError, match="Line 2 is longer"):
        list(read_manifest(file))
    assert file.given < 300_000


@pytest.mark.parametrize("rows_after", [0, 1, 20, 50_000])
def test_a_quote_that_is_not_closed_swallows_nothing(rows_after: int) -> None:
    rows = "C,Cy,c.jpg\n" * rows_after
    message = refusal_of(f'id,name,photo\nA,Anna,a.jpg\nB,"Bea,b.jpg\n{rows}')
    assert message.startswith("In the row that begins in line 3 a quotation mark is opened and not closed")


def test_a_quote_in_the_header_that_is_not_closed_swallows_nothing() -> None:
    assert refusal_of('id,name,"photo\nA,Anna,a.jpg\n').startswith("In the row that begins in line 1 a quot")


def test_two_quotes_that_are_not_closed_make_no_row() -> None:
    message = refusal_of('id,name,photo\nA,"Anna,a.jpg\nB,Bea,b.jpg\nC,"Cy,c.jpg\n')
    assert message.startswith("The row that begins in line 2 has a quotation mark in the wrong place")


def test_a_row_with_more_photos_than_a_person_can_have_is_refused_with_its_line() -> None:
    columns = ",".join(f"photo{number}" for number in range(1, 22))
    most, too_many = (",".join(f"{number}.jpg" for number in range(count)) for count in (20, 21))
    (row,) = rows_of(f"id,name,{columns}\nA,Anna,{most}\n")
    assert len(row.photos) == 20
    words = refusal_of(f"id,name,{columns}\nA,Anna,{most}\nB,Ben,{too_many}\n")
    assert "line 3 names 21 photos" in words
    assert "A person can have 20" in words


def test_rows_are_read_as_they_are_asked_for() -> None:
    file = Endless(b"id,name,photo\n", b"A-17,Anna Smith,a.jpg\n")
    rows = iter(read_manifest(file))
    assert next(rows) == ANNA
    assert file.given < 200_000


def test_memory_does_not_grow_with_the_rows_and_there_is_an_end_to_them() -> None:
    file = Endless(b"id,photo\n", b"A,a\n")
    rows = iter(read_manifest(file))
    for _ in range(100_000):
        next(rows)
    tracemalloc.start()
    try:
        for _ in range(50_000):
            next(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    assert _rest(rows) == (850_000, "1,000,000 rows; the first one too many is in line 1000002")


def _rest(rows: Iterator[ManifestRow]) -> tuple[int, str]:
    count = 0
    try:
        for _ in rows:
            count += 1
    except ManifestError as error:
        return count, str(error).removeprefix("The manifest has more than ").split(".")[0]
    return count, ""


def test_the_csv_module_is_left_as_it_was() -> None:
    limit = csv.field_size_limit()
    rows_of("id,name,photo\nA,Anna,a.jpg\n")
    assert csv.field_size_limit() == limit
