"""Excel and OpenDocument sheets as columns of texts."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path, PurePosixPath

from python_calamine import (
    CalamineError,
    CalamineSheet,
    PasswordError,
    SheetMetadata,
    SheetTypeEnum,
    SheetVisibleEnum,
    WorksheetNotFound,
    XmlError,
    ZipError,
    load_workbook,
)

from synth.linear import within
from workspace.ingest.delimited import coded
from workspace.ingest.layout import BODY, SEARCHED, layout_of_records, unique_names
from workspace.ingest.lenient import read_records
from workspace.ingest.limits import USUAL, Limits
from workspace.ingest.options import PREVIEW_ROWS, ReadOptions, Texts
from workspace.ingest.records import Dialect, Record
from workspace.ingest.unpack import CHUNK, MAX_BYTES, MAX_RATIO, OLE, RATIO_FLOOR, ReadError, size

MAX_CELLS = 300_000_000
"""The rectangle that a sheet's cells span; far outlying cells would make it fill the memory."""
CELL = within(r'<c r="([A-Z]{1,3})(\d{1,7})"')
BROKEN = "This Excel file is damaged and cannot be opened. Save it again from Excel, or as CSV, and upload that."


def read_excel(path: Path, options: ReadOptions, head_only: bool = False, limits: Limits = USUAL) -> Texts:
    """The texts of a sheet: the one chosen, else the first that holds anything. Raises ReadError."""
    _refuse_bombs(path)
    try:
        with load_workbook(str(path)) as book:
            names = [sheet.name for sheet in book.sheets_metadata if _is_shown(sheet)] or book.sheet_names
            if options.sheet is not None and options.sheet not in book.sheet_names:
                raise ReadError(f"There is no sheet {options.sheet!r}. Choose one of {', '.join(map(repr, names))}.")
            for name in [options.sheet] if options.sheet is not None else names:
                sheet = book.get_sheet_by_name(name)
                if sheet.height:
                    return _texts(sheet, names, options, head_only, limits)
    except PasswordError as error:
        raise ReadError(
            "This Excel file is locked with a password. Save it without one and upload it again."
        ) from error
    except (CalamineError, ZipError, XmlError, WorksheetNotFound, OSError) as error:
        raise ReadError(BROKEN) from error
    raise ReadError("This Excel file holds no table: its sheets are empty. Choose a file with a header and rows.")


def _is_shown(sheet: SheetMetadata) -> bool:
    return sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible


def _texts(sheet: CalamineSheet, names: list[str], options: ReadOptions, head_only: bool, limits: Limits) -> Texts:
    first, left = sheet.start or (0, 0)
    rows: Iterable[list] = sheet.iter_rows()
    if head_only:
        rows = islice(rows, first + SEARCHED + BODY + 4 * PREVIEW_ROWS)
    written = []
    for row in rows:
        cells = [_text(cell) for cell in row]
        limits.check(len(written), _width(cells) - next((i for i, cell in enumerate(cells) if cell), 0))
        written.append(cells)
    width = max(map(_width, written), default=0)
    left = min((next(i for i, cell in enumerate(cells) if cell) for cells in written if any(cells)), default=left)
    found = [Record(number, "".join(cells), cells[left:width]) for number, cells in enumerate(written, 1)]
    width -= left
    layout = layout_of_records(
        found[: first + SEARCHED + BODY], Dialect(), width, options.skip_rows, options.header, limits
    )
    careful = read_records(found, layout, options.table, (), options.skip_footer)
    if head_only:
        del careful.rows[PREVIEW_ROWS:]
    columns = coded(careful, layout.width)
    headers, notes = unique_names(layout.names or [""] * layout.width)
    decided = options.model_copy(update={"sheet": sheet.name, "header": layout.header, "skip_rows": layout.skip})
    said = f"header in row {layout.skip + 1}" if layout.header else "no header"
    summary = f"Excel, sheet {sheet.name!r}, {said}"
    return Texts(headers, columns, decided, summary, notes if layout.header else [], columns.lines, names)


def _width(cells: list[str]) -> int:
    return next((i for i in range(len(cells), 0, -1) if cells[i - 1]), 0)


def _text(cell: object) -> str:
    """A cell as Excel would save it to a CSV, but with dates in ISO order and numbers in full."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d" if cell.time() == time() else "%Y-%m-%d %H:%M:%S")
    if isinstance(cell, timedelta):
        seconds = int(cell.total_seconds())
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(cell, date | time):
        return cell.isoformat()
    return "" if cell is None else str(cell)


# What no workbook does ---------------------------------------------------------------------------------------------


def _refuse_bombs(path: Path) -> None:
    """Raise ReadError for an archive that is no workbook, unpacks without end, or spans an absurd rectangle."""
    with path.open("rb") as file:
        if file.read(len(OLE)) == OLE:
            return  # the old binary format is not packed
    limit = min(MAX_BYTES, max(RATIO_FLOOR, MAX_RATIO * path.stat().st_size))
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = {member.filename for member in members}
            if not names & {"[Content_Types].xml", "mimetype"}:
                raise ReadError("This is a ZIP archive, not a table. Unpack it and upload the table inside.")
            if sum(member.file_size for member in members) > limit:
                raise _bomb(path, limit)
            unpacked = 0
            for member in members:
                unpacked += _look_through(archive, member, limit - unpacked, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ReadError(BROKEN) from error


def _bomb(path: Path, limit: int) -> ReadError:
    return ReadError(
        f"This Excel file of {size(path.stat().st_size)} unpacks to more than {size(limit)}, which no workbook of its "
        f"size does. Open it, look at it, and save the sheet as CSV."
    )


def _look_through(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int, path: Path) -> int:
    """The true size of a member, which its directory entry may hide."""
    name = PurePosixPath(member.filename)
    is_sheet = name.parent == PurePosixPath("xl/worksheets") and name.suffix == ".xml"
    unpacked, rows, columns, tail = 0, 0, 0, b""
    with archive.open(member) as stream:
        while chunk := stream.read(CHUNK):
            unpacked += len(chunk)
            if unpacked > limit:
                raise _bomb(path, limit)
            if is_sheet:
                for column, row in CELL.findall((tail + chunk).decode("latin-1")):
                    rows, columns = max(rows, int(row)), max(columns, _column_number(column))
                tail = chunk[-32:]
    if rows * columns > MAX_CELLS:
        raise ReadError(
            f"A sheet of this Excel file spans {rows:,} rows and {columns:,} columns, mostly empty. Delete the far "
            f"outlying cells, or save the table as CSV."
        )
    return unpacked


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number
