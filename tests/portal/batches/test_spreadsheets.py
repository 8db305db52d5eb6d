"""Lists in spreadsheets: what is read of them, and what a hostile one can't do."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date

import pytest
from openpyxl import Workbook

from portal.batches import spreadsheets
from portal.batches.list_lines import ManifestError
from portal.batches.manifest import ManifestRow, UnclearColumns, read_manifest

HEADER = ("external_id", "name", "photo")
ODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">
<office:body><office:spreadsheet>
<table:table table:name="Staff">%s</table:table>
</office:spreadsheet></office:body>
</office:document-content>"""


def xlsx(*sheets: Sequence[Sequence[object]], hidden: int = -1) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"Sheet {number}")
        sheet.sheet_state = "hidden" if number == hidden else "visible"
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def ods(*rows: tuple[str, ...]) -> bytes:
    cells = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("content.xml", ODS % cells)
        file.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest xmlns:manifest='
            '"urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
    return content.getvalue()


def rows_of(content: bytes) -> list[ManifestRow]:
    return list(read_manifest(io.BytesIO(content)))


def refusal_of(content: bytes) -> str:
    with pytest.raises(ManifestError) as refusal:
        rows_of(content)
    return str(refusal.value)


def test_cells_are_read_as_they_are_shown() -> None:
    content = xlsx([(), HEADER, (1001, "Anna", "a.jpg"), (), ("00123", " Bo ", "b.jpg", "", "c.jpg")])
    assert rows_of(content) == [
        ManifestRow(3, "1001", "Anna", ("a.jpg",)),
        ManifestRow(5, "00123", "Bo", ("b.jpg", "c.jpg")),
    ]


def test_numbers_of_too_many_digits_and_dates_are_held_up() -> None:
    rows = rows_of(xlsx([HEADER, (12345678901234567890, "Anna", "a.jpg"), (date(2026, 3, 1), "Bo", "b.jpg")]))
    assert ["digits are lost" in rows[0].problem, "for a date" in rows[1].problem] == [True, True]


def test_errors_are_no_names() -> None:
    (row,) = rows_of(xlsx([HEADER, ("A-1", "#N/A", "a.jpg")]))
    assert row.name == ""


def test_open_document_is_read() -> None:
    content = ods(HEADER, ("A-1", "Łukasz Ærø", "a.jpg"))
    assert rows_of(content) == [ManifestRow(2, "A-1", "Łukasz Ærø", ("a.jpg",))]


def test_hidden_and_other_sheets_are_passed_over() -> None:
    people = [HEADER, ("A-1", "Anna", "a.jpg")]
    old = [HEADER, ("X-1", "Old", "x.jpg")]
    assert [row.name for row in rows_of(xlsx(old, people, [("Notes",)], hidden=0))] == ["Anna"]


def test_which_of_several_sheets_is_meant_is_not_guessed() -> None:
    people = [HEADER, ("A-1", "Anna", "a.jpg")]
    assert "several sheets" in refusal_of(xlsx(people, people))
    assert "“Sheet 0”, “Sheet 1”" in refusal_of(xlsx(people, people))
    assert "is empty" in refusal_of(xlsx([]))


def test_columns_that_are_not_clear_are_asked() -> None:
    with pytest.raises(UnclearColumns) as asked:
        rows_of(xlsx([("Number", "ID", "Photo"), (1, "KX-7", "a.jpg")]))
    assert asked.value.columns[1].samples == ("KX-7",)


@pytest.mark.parametrize("cut", [10, 1000, -200])
def test_damaged_ones_are_refused_with_what_to_do(cut: int) -> None:
    message = refusal_of(xlsx([HEADER, ("A-1", "Anna", "a.jpg")])[:cut])
    assert "can't be read" in message
    assert "CSV UTF-8" in message


def test_one_that_claims_thousands_of_millions_of_cells_is_refused() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(HEADER)
    sheet["XFD1048576"] = "x"
    content = io.BytesIO()
    book.save(content)
    assert "too large" in refusal_of(content.getvalue())


def test_one_that_unpacks_to_more_than_its_limits_is_refused() -> None:
    content = xlsx([HEADER, ("A-1", "Anna", "a.jpg")])
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as packed,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for name in packed.namelist():
            part = packed.read(name)
            if name == "xl/worksheets/sheet1.xml":
                filler = b'<row><c t="inlineStr"><is><t>' + b"x" * 30_000 + b"</t></is></c></row>"
                part = part.replace(b"</sheetData>", filler * 10_000 + b"</sheetData>")
            file.writestr(name, part)
    assert len(bomb.getvalue()) < 2 * 1024**2
    assert "too large" in refusal_of(bomb.getvalue())


def test_one_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_SPREADSHEET_BYTES", 1024)
    assert "larger than" in refusal_of(xlsx([HEADER]))
