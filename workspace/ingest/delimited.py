"""Delimited text into columns of texts: the quick way where the text is in order, the careful one where it is not.

Both give the same answer. The quick way looks at every byte first (are quotes well-formed, are there blank lines,
how many records must there be?) and hands the rest to Arrow's reader, which refuses ragged rows; whenever anything
is not in order, the text is read again by `workspace.ingest.lenient`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from workspace.ingest.layout import Layout
from workspace.ingest.lenient import BEFORE, BELOW, LONGEST_LINE, Careful, Line, Repair, opens_table, read_lines
from workspace.ingest.limits import USUAL, Limits
from workspace.ingest.records import Dialect, Record
from workspace.ingest.repair import LEARNED_ROWS
from workspace.ingest.unpack import PlainText

BLOCK = 4 << 20
"""Bytes that Arrow reads at a time: larger blocks take up to twice the time, joining smaller ones costs more."""
THREADS_FROM = 64 << 20
"""Smaller texts are read by one thread: on a busy machine a second one doubled the processor time (0.2 to 0.4 s)."""
NO_DELIMITER = "\x1f"
"""Stands for the delimiter where there is one column, since Arrow needs one."""
MOST_RAGGED = 2_000
"""With more ragged rows than this the text is read line by line."""
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
    repeated_headers: list[int] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return self.header_lines + self.blank_lines + self.row_lines + len(self.rejected)


def read_delimited(
    text: PlainText,
    layout: Layout,
    order: RowOrder | None = None,
    table: int | None = None,
    skip_footer: int | None = None,
    limits: Limits = USUAL,
) -> Columns:
    """All rows of a text; `order` has seen it whole. Raises ReadError when there are too many."""
    if order and order.well_formed:
        limits.check(order.records - layout.skip - layout.header - order.blank, layout.width)
    quick = _read_quickly(text, layout, order) if order and not skip_footer else None
    return quick or _read_carefully(text, layout, table, skip_footer, limits)


# The quick way -----------------------------------------------------------------------------------------------------


def _read_quickly(text: PlainText, layout: Layout, order: RowOrder) -> Columns | None:
    """The rows of a text that is in order but for a few ragged ones; None when it is not."""
    in_order = order.well_formed and not text.undecodable and not text.has_nuls and text.returns == text.pairs
    before, quote = _lines_before(text.path, layout.skip), layout.dialect.quote or '"'
    blank_after = order.blank - before.count("")
    rows = order.records - layout.skip - layout.header - blank_after
    if not in_order or rows <= 0 or layout.header_lines != layout.header or any(quote in line for line in before):
        return None
    if blank_after and layout.width == 1:
        return None
    table, ragged = _by_arrow(text.path, layout, order) or (None, [])
    if table is None or table.num_rows + len(ragged) != rows or not table.num_rows or _has_surprise(table, layout):
        return None
    if ragged and (blank_after or order.breaks_in_cells or any(opens_table(record, layout) for record in ragged)):
        return None
    taken = order.lines - order.blank - layout.header_lines - (len(before) - before.count(""))
    columns = Columns(table.columns, rows, layout.header_lines, order.blank, taken)
    columns.rejected = [Line(i, BEFORE) for i, line in enumerate(before, 1) if line]
    if ragged:
        _mend(columns, ragged, layout)
    return columns


def _lines_before(path: Path, count: int) -> list[str]:
    """The lines before the table, blank ones empty."""
    with path.open(encoding="utf-8", newline="\n", errors="replace") as file:
        return [line.strip("\r\n") for line in islice(file, count)]


def _mend(columns: Columns, ragged: list[Record], layout: Layout) -> None:
    """Put the ragged rows that can be set right where they belong; the others are rejected."""
    rows = columns.rows - len(ragged)
    step = max(1, rows // LEARNED_ROWS)
    learned = zip(*(column.take(np.arange(0, rows, step)).to_pylist() for column in columns.columns), strict=True)
    repair = Repair(layout, list(map(list, learned)))
    first = layout.skip + layout.header_lines + 1
    end = first + columns.rows - 1
    while ragged and ragged[-1].line == end and repair.is_short(ragged[-1]):
        columns.rejected.append(Line(ragged.pop().line, BELOW))
        end -= 1
    places, mended = [], []
    for before, record in enumerate(ragged):
        cells, said = repair.judge(record)
        (columns.rejected if cells is None else columns.mended).append(Line(record.line, said))
        if cells is not None:
            places.append(record.line - first - before)
            mended.append(cells)
    columns.rejected.sort(key=lambda line: line.number)
    columns.rows = rows + len(mended)
    columns.row_lines = columns.rows
    if mended:
        columns.columns = [
            _inserted(column, places, cells)
            for column, cells in zip(columns.columns, zip(*mended, strict=True), strict=True)
        ]


def _inserted(column: pa.ChunkedArray, places: list[int], cells: tuple[str, ...]) -> pa.ChunkedArray:
    """The column with cells put in before the rows at `places`."""
    texts = column.chunk(0).dictionary
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks])
    fresh = pa.array(sorted(set(cells) - set(texts.filter(pc.is_in(texts, pa.array(cells))).to_pylist())), pa.string())
    texts = pa.concat_arrays([texts, fresh])
    new = pc.index_in(pa.array(cells, pa.string()), texts).to_numpy()
    codes = np.insert(codes, places, new).astype(np.int32)
    return pa.chunked_array([pa.DictionaryArray.from_arrays(codes, texts)])


class RowOrder:
    """Looks at every byte of a UTF-8 text, chunk by chunk: are the quotes well-formed, how many records are there?"""

    def __init__(self, dialect: Dialect):
        self.delimiter = dialect.delimiter or NO_DELIMITER
        self.quote = ord(dialect.quote) if len(dialect.quote.encode()) == 1 else -1
        simple = len(self.delimiter.encode()) == 1 and len(dialect.quote.encode()) <= 1 and not dialect.escape
        self.well_formed = simple
        """False as soon as anything is not as the quick way needs it."""
        self.lines = 0
        self.records = 0
        """Line ends outside quotes, blank lines among them."""
        self.blank = 0
        self._quotes = 0
        self._seen = 0
        self._last_break = -1
        self._last = b"\n"
        if simple:
            self._before, self._after = np.zeros(256, bool), np.zeros(256, bool)
            self._before[[ord(self.delimiter), LF, self.quote]] = True
            self._after[[ord(self.delimiter), LF, CR, self.quote]] = True

    @property
    def breaks_in_cells(self) -> bool:
        return self.lines > self.records

    def see(self, chunk: bytes) -> None:
        """Look at the next bytes."""
        if not self.well_formed or not chunk:
            return
        codes = np.frombuffer(self._last + chunk, np.uint8)  # a chunk's first byte is codes[1]
        breaks = np.flatnonzero(codes[1:] == LF) + 1
        self.lines += len(breaks)
        quotes = np.flatnonzero(codes[1:] == self.quote) + 1 if self.quote >= 0 else breaks[:0]
        if self._quotes % 2 == 0 and self._quotes and self._last[0] == self.quote:
            self.well_formed = bool(self._after[codes[1]])
        if len(quotes):
            self._see_quotes(codes, quotes)
            breaks = breaks[(np.searchsorted(quotes, breaks) + self._quotes) % 2 == 0]
            self._quotes += len(quotes)
        elif self._quotes % 2:
            breaks = breaks[:0]
        if len(breaks):
            self.records += len(breaks)
            places = breaks + self._seen
            lengths = np.diff(places, prepend=self._last_break)
            if lengths.min() <= 2:
                self.blank += int((lengths == 1).sum() + (codes[breaks[lengths == 2] - 1] == CR).sum())
            self._last_break = int(places[-1])
        self._seen += len(chunk)
        self._last = chunk[-1:]

    def _see_quotes(self, codes: np.ndarray, quotes: np.ndarray) -> None:
        """Whether each quote that opens a cell stands at its start, and each that closes one at its end."""
        opening, closing = quotes[self._quotes % 2 :: 2], quotes[1 - self._quotes % 2 :: 2]
        closing = closing[closing < len(codes) - 1]  # the next chunk tells of the last
        at_start, at_end = self._before[codes[opening - 1]], self._after[codes[closing + 1]]
        self.well_formed = self.well_formed and bool(at_start.all() and at_end.all())

    def end(self) -> None:
        """There is no more."""
        self.well_formed = self.well_formed and self._quotes % 2 == 0
        if self._last != b"\n":
            self.lines += 1
            self.records += 1


def _by_arrow(path: Path, layout: Layout, order: RowOrder) -> tuple[pa.Table, list[Record]] | None:
    """The rows as Arrow reads them, and those with too many or too few cells; None if there are too many of these."""
    ragged: list[Record] = []

    def set_aside(row: arrow_csv.InvalidRow) -> str:
        line = row.text.removesuffix("\r")
        if row.number is None or len(ragged) == MOST_RAGGED or len(line) > LONGEST_LINE:
            return "error"
        ragged.append(Record(row.number, line, layout.dialect.split(line)))
        return "skip"

    names = [str(i) for i in range(layout.width)]
    quote = layout.dialect.quote
    # With several threads Arrow does not say on which line a ragged row stands.
    for threads in (True, False) if path.stat().st_size >= THREADS_FROM else (False,):
        ragged.clear()
        try:
            table = arrow_csv.read_csv(
                pa.memory_map(str(path)),
                read_options=arrow_csv.ReadOptions(
                    column_names=names,
                    skip_rows=layout.skip + layout.header_lines,
                    block_size=BLOCK,
                    use_threads=threads,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=order.delimiter,
                    quote_char=quote or False,
                    double_quote=bool(quote),
                    newlines_in_values=order.breaks_in_cells,
                    invalid_row_handler=set_aside,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, CODED), strings_can_be_null=False, check_utf8=False
                ),
            )
        except pa.ArrowInvalid:
            continue
        return table.unify_dictionaries(), ragged
    return None


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


def _read_carefully(
    text: PlainText, layout: Layout, table: int | None, skip_footer: int | None, limits: Limits
) -> Columns:
    end = "\n" if text.has_line_feeds or not text.returns else "\r"
    with text.path.open(encoding="utf-8", newline=end, errors="replace") as file:
        lines = (line.removesuffix(end) for line in file)
        lines = limits.counted(lines, layout.width)
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
        careful.repeated_headers,
    )
