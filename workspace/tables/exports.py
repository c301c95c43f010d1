"""A kept table as a file to take away: CSV, Parquet, JSON lines or Excel, in constant memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from synth.errors import Invalid
from synth.schema import Column, Schema
from synth.spreadsheets import BEGINS, HARMLESS, defused, is_formula
from workspace.tables.duckdb_file import About, about, literal, opened, quoted, text_of
from workspace.tables.formats import FORMATS

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet


EXCEL_ROWS, EXCEL_COLUMNS, EXCEL_TEXT = 1_048_576, 16_384, 32_767


def export(file: Path, schema: Schema, format: str, path: Path, *, spreadsheet_safe: bool = False) -> Path:
    """Write the columns of `schema` to `path`, values as the upload had them; returns the path.

    `spreadsheet_safe` puts an apostrophe before cells and headers of a CSV file that a spreadsheet would run as formulas;
    the texts of an Excel file are texts anyway. Raises
    Invalid for an unknown format and for a table that Excel cannot hold.
    """
    if format not in FORMATS:
        raise Invalid(f"Tables are exported as {', '.join(FORMATS)}; {format!r} is none of them.")
    said = about(file)
    path = Path(path)
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        if format == "xlsx":
            _excel(file, schema, said, unfinished)
        else:
            _copy(file, schema, said, format, unfinished, spreadsheet_safe)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _copy(file: Path, schema: Schema, said: About, format: str, path: Path, spreadsheet_safe: bool) -> None:
    if format == "csv":
        exprs = [_csv_text(c, said, spreadsheet_safe, alone=len(schema) == 1) for c in schema]
        how = "FORMAT csv, HEADER true, DELIMITER ',', QUOTE '\"', ESCAPE '\"'"
    else:
        plain = _plain_numbers(file, schema, said)
        exprs = [_typed(c, said, format, plain) for c in schema]
        how = "FORMAT parquet, COMPRESSION zstd" if format == "parquet" else "FORMAT json, ARRAY false"
    names = [str(defused(c.name)) if spreadsheet_safe and format == "csv" else c.name for c in schema]
    selected = ", ".join(f"{expr} AS {quoted(name)}" for expr, name in zip(exprs, names, strict=True))
    with opened(file) as connection:
        connection.execute(f"COPY (SELECT {selected} FROM data) TO {literal(str(path))} ({how})")


def _text(column: Column, said: About, null: str | None = None) -> str:
    return text_of(said.schema[column.name], column.name in said.as_text, null)


def _csv_text(column: Column, said: About, spreadsheet_safe: bool, alone: bool) -> str:
    text = _text(column, said)
    if spreadsheet_safe and _may_be_formulas(column, said):
        text = f"CASE WHEN {_is_formula(text)} THEN '''' || {text} ELSE {text} END"
    # An empty text would be written as two quotes; the only column of a table needs them, or the row is a blank line.
    return text if alone else f"nullif({text}, '')"


def _may_be_formulas(column: Column, said: About) -> bool:
    return column.kind not in ("number", "integer") or column.name in said.as_text


def _is_formula(text: str) -> str:
    """SQL for whether a spreadsheet would run a text."""
    return f"(regexp_matches({text}, {literal(BEGINS)}) AND NOT regexp_full_match({text}, {literal(HARMLESS)}))"


def formula_cells(file: Path, schema: Schema) -> int:
    """How many cells and headers of a table as CSV a spreadsheet would run as formulas."""
    said = about(file)
    texts = [_text(column, said) for column in schema if _may_be_formulas(column, said)]
    headers = sum(map(is_formula, schema.names))
    if not texts:
        return headers
    asked = " + ".join(f"count(*) FILTER (WHERE {_is_formula(text)})" for text in texts)
    with opened(file) as connection:
        counted = connection.execute(f"SELECT {asked} FROM data").fetchone()
    return headers + (counted[0] if counted else 0)


def _plain_numbers(file: Path, schema: Schema, said: About) -> frozenset[str]:
    """The columns written in several forms whose every cell is a plain number all the same, such as 1.5 and 1.25."""
    mixed = [c for c in schema if c.mixed and c.name in said.as_text and c.kind in ("number", "integer")]
    if not mixed:
        return frozenset()
    tests = ", ".join(
        f"coalesce(bool_and(try_cast(nullif({_text(c, said)}, '') AS DOUBLE) IS NOT NULL "
        f"OR {_text(c, said)} = ''), true)"
        for c in mixed
    )
    with opened(file) as connection:
        found = connection.sql(f"SELECT {tests} FROM data").fetchall()[0]
    return frozenset(column.name for column, plain in zip(mixed, found, strict=True) if plain)


def _typed(column: Column, said: About, format: str, plain: frozenset[str]) -> str:
    """SQL for the value with a type of its own, where the file keeps one; else for its text."""
    kept = said.schema[column.name]
    if column.name in plain:
        return f"try_cast(nullif({_text(column, said)}, '') AS DOUBLE)"
    if column.name in said.as_text or kept.kind != column.kind or (column.kind == "datetime" and format != "parquet"):
        return f"nullif({_text(column, said, null='')}, '')"
    name = quoted(column.name)
    if column.kind == "category":
        return f"{name}::VARCHAR"
    if (
        column.kind == "datetime"
        and column.format
        and not any(code in column.format for code in ("%H", "%I", "%s", "%-H", "%-I"))
    ):
        return f"{name}::DATE"
    return name


def _excel(file: Path, schema: Schema, said: About, path: Path) -> None:
    import xlsxwriter

    if len(schema) > EXCEL_COLUMNS:
        raise Invalid(f"Excel holds {EXCEL_COLUMNS:,} columns; the table has {len(schema):,}. Take it as CSV.")
    plain = _plain_numbers(file, schema, said)
    selected = ", ".join(f'{_typed(c, said, "xlsx", plain)} AS "{i}"' for i, c in enumerate(schema))
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "nan_inf_to_errors": True})
    try:
        sheet, line = _sheet(book, schema), 1
        with opened(file) as connection:
            for batch in connection.sql(f"SELECT {selected} FROM data").to_arrow_reader(10_000):
                for row in zip(*(_cells(column) for column in batch.columns), strict=True):
                    if line == EXCEL_ROWS:  # the rest goes to a further sheet
                        sheet, line = _sheet(book, schema), 1
                    for place, cell in enumerate(row):
                        _cell(sheet, line, place, cell)
                    line += 1
    finally:
        book.close()


def _cells(column: pa.Array) -> list:
    return column.to_pylist()


def _sheet(book: Workbook, schema: Schema) -> Worksheet:
    sheet = book.add_worksheet()
    for place, column in enumerate(schema):
        sheet.write_string(0, place, column.name[:EXCEL_TEXT])
    return sheet


def _cell(sheet: Worksheet, line: int, place: int, cell: object) -> None:
    """Write one cell as what it is: a text never becomes a formula, a link or a number."""
    if isinstance(cell, bool):
        sheet.write_boolean(line, place, cell)
    elif isinstance(cell, int | float) and abs(cell) < 2**53:
        sheet.write_number(line, place, cell)
    elif cell is not None:
        sheet.write_string(line, place, str(cell)[:EXCEL_TEXT])
