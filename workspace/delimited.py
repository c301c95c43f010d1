"""Delimited text into columns of texts: the quick way where the text is in order, the careful one where it is not.

Both give the same answer. The quick way looks at every byte first (are quotes well-formed, are there blank lines,
how many records must there be?) and hands the rest to Arrow's reader, which refuses ragged rows; whenever anything
is not in order, the text is read again by `workspace.careful`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from workspace.careful import Careful, Line, read_lines
from workspace.layout import Layout
from workspace.records import Dialect
from workspace.unpack import PlainText

BLOCK = 64 << 20
CODED = pa.dictionary(pa.int32(), pa.string())
LF, CR = 10, 13


@dataclass
class Columns:
    """A table as columns of texts, each text kept once (`dictionary`); and an account of every line."""

    columns: list[pa.ChunkedArray]
    rows: int
    header_lines: int = 0
    blank_lines: int = 0
    row_lines: int = 0
    rejected: list[Line] = field(default_factory=list)
    mended: list[Line] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return self.header_lines + self.blank_lines + self.row_lines + len(self.rejected)


def read_delimited(text: PlainText, layout: Layout, table: int = 1, skip_footer: int = 0) -> Columns:
    """All rows of a text."""
    quick = None if skip_footer or table != 1 else _read_quickly(text, layout)
    return quick or _read_carefully(text, layout, table, skip_footer)


# The quick way -----------------------------------------------------------------------------------------------------


def _read_quickly(text: PlainText, layout: Layout) -> Columns | None:
    """The rows of a text that is in order; None when it is not."""
    dialect = layout.dialect
    delimiter = dialect.delimiter or "\x1f"
    simple = len(delimiter.encode()) == 1 and len(dialect.quote.encode()) <= 1 and not dialect.escape
    in_order = not text.undecodable and not text.nuls and text.returns == text.pairs
    if not simple or not in_order or not text.bytes or layout.header_lines != layout.header:
        return None
    order = _order_of(text.path, dialect, delimiter)
    if order is None or (order.blank and layout.width == 1):
        return None
    rows = order.records - order.blank - layout.skip - layout.header
    if rows <= 0 or layout.skip:
        return None
    table = _by_arrow(text.path, layout, delimiter, order.breaks_in_cells)
    if table is None or table.num_rows != rows or _has_surprise(table, layout):
        return None
    lines = text.line_feeds + (text.last != b"\n")
    taken = lines - order.blank - layout.header_lines
    return Columns(table.columns, rows, layout.header_lines, order.blank, taken)


@dataclass
class _Order:
    """What the bytes of a text in order say of it."""

    records: int = 0
    """Line ends outside quotes, blank lines among them."""
    blank: int = 0
    breaks_in_cells: bool = False


def _order_of(path: Path, dialect: Dialect, delimiter: str) -> _Order | None:
    """Count the records of a text; None when its quotes are not well-formed by RFC 4180."""
    codes = np.memmap(path, np.uint8, "r")
    order, quotes_before, last_break = _Order(), 0, -1
    for start in range(0, len(codes), BLOCK):
        block = codes[start : start + BLOCK]
        breaks = np.flatnonzero(block == LF) + start
        quotes = np.flatnonzero(block == ord(dialect.quote)) + start if dialect.quote else breaks[:0]
        if len(quotes):
            if not _well_formed(codes, quotes, quotes_before, dialect, delimiter):
                return None
            inside = (np.searchsorted(quotes, breaks) + quotes_before) % 2 == 1
        else:
            inside = np.full(len(breaks), quotes_before % 2 == 1)
        if inside.any():
            order.breaks_in_cells = True
            breaks = breaks[~inside]
        order.records += len(breaks)
        lengths = np.diff(breaks, prepend=last_break)
        order.blank += int((lengths == 1).sum())
        pairs = breaks[lengths == 2]
        order.blank += int((codes[pairs - 1] == CR).sum()) if len(pairs) else 0
        last_break = int(breaks[-1]) if len(breaks) else last_break
        quotes_before += len(quotes)
    if quotes_before % 2:
        return None
    if last_break != len(codes) - 1:
        order.records += 1
    return order


def _well_formed(codes: np.ndarray, quotes: np.ndarray, before: int, dialect: Dialect, delimiter: str) -> bool:
    """Whether each quote that opens a cell stands at its start, and each that closes one at its end."""
    opening, closing = (quotes[0::2], quotes[1::2]) if before % 2 == 0 else (quotes[1::2], quotes[0::2])
    mark, quote = ord(delimiter), ord(dialect.quote)
    at_start = opening[opening > 0]
    at_end = closing[closing < len(codes) - 1]
    return bool(
        np.isin(codes[at_start - 1], (mark, LF, quote)).all()
        and np.isin(codes[at_end + 1], (mark, LF, CR, quote)).all()
    )


def _by_arrow(path: Path, layout: Layout, delimiter: str, breaks_in_cells: bool) -> pa.Table | None:
    names = [str(i) for i in range(layout.width)]
    quote = layout.dialect.quote
    block = min(16 << 20, max(1 << 20, path.stat().st_size // 4))
    try:
        table = arrow_csv.read_csv(
            pa.memory_map(str(path)),
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=layout.header_lines, block_size=block),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                quote_char=quote or False,
                double_quote=bool(quote),
                newlines_in_values=breaks_in_cells,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, CODED), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        return None  # a row has too many or too few cells
    return table.unify_dictionaries()


def _has_surprise(table: pa.Table, layout: Layout) -> bool:
    """Whether there may be a further table, whose header repeats names, or a line below the table."""
    last = [column[-1].as_py() for column in table.columns]
    if layout.width > 2 and sum(bool(cell.strip()) for cell in last) <= 1:
        return True
    if layout.width < 2 or not layout.names:
        return False
    repeated = 0
    for name, column in zip(layout.names, table.columns, strict=True):
        if name.strip() and column.num_chunks:
            repeated += column.chunk(0).dictionary.index(name).as_py() >= 0
    return repeated >= max(2, 0.75 * layout.width)


# The careful way ---------------------------------------------------------------------------------------------------


def _read_carefully(text: PlainText, layout: Layout, table: int, skip_footer: int) -> Columns:
    end = "\r" if text.returns and not text.line_feeds else "\n"
    with text.path.open(encoding="utf-8", newline=end, errors="replace") as file:
        lines = (line.removesuffix(end) for line in file)
        careful = read_lines(lines, layout, table, text.undecodable, skip_footer)
    return coded(careful, layout.width)


def coded(careful: Careful, width: int) -> Columns:
    """Rows as columns of texts."""
    columns = [pa.array(column, pa.string()) for column in zip(*careful.rows, strict=True)]
    columns = columns or [pa.array([], pa.string())] * width
    return Columns(
        [pa.chunked_array([column.dictionary_encode()]) for column in columns],
        len(careful.rows),
        careful.header_lines,
        careful.blank_lines,
        careful.row_lines,
        careful.rejected,
        careful.mended,
    )
