"""Lines of a delimited text into rows of cells, without losing a line: what no rule can read is handed back.

The rules, from the strict to the forgiving: a line that is well-formed by RFC 4180 is taken as it stands; a quoted
cell may go on over further lines when the whole is well-formed; else quotes that close nothing are taken for plain
characters, if that gives exactly as many cells as the table has columns (`requoted`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

csv.field_size_limit(1 << 30)  # the module's own limit of 128 KB is no rule of the format

JOINED_LINES, JOINED_CHARS = 2_000, 1 << 20
"""Limits of a quoted cell that goes on over further lines."""
REQUOTED_CHARS = 20_000
"""Longer lines are not searched for misplaced quotes."""


@dataclass(frozen=True)
class Dialect:
    """What separates and surrounds the cells of a delimited text."""

    delimiter: str = ","
    quote: str = '"'
    """Empty: nothing surrounds a cell."""
    escape: str = ""
    """Stands before a quote within a cell; empty: the quote is doubled."""

    def split(self, record: str) -> list[str] | None:
        """The cells of a well-formed record; None when it is not. Raises Unfinished when a quote is open."""
        if (not self.quote or self.quote not in record) and (not self.escape or self.escape not in record):
            return record.split(self.delimiter) if self.delimiter else [record]
        if self.escape or len(self.delimiter) != 1:
            return self._split_by_pattern(record)
        # The csv module ends a record at a line end outside quotes; the caller has done that already.
        try:
            rows = list(csv.reader([record], delimiter=self.delimiter, quotechar=self.quote, strict=True))
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise Unfinished from error
            return None
        return rows[0] if len(rows) == 1 else None

    def _split_by_pattern(self, record: str) -> list[str] | None:
        """As the csv module does, for what it does not know or does less strictly."""
        cell, place, cells = self._cell, 0, []
        while match := cell.match(record, place):
            cells.append(self.plain(match[1]) if match[1] is not None else self._unescaped(match[2]))
            place = match.end()
            if place == len(record):
                return cells
            place += len(self.delimiter)
        if self._open.match(record, place):
            raise Unfinished
        return None

    def plain(self, quoted: str) -> str:
        """What stands between two quotes, as it is meant."""
        return self._unescaped(quoted.replace(self.quote * 2, self.quote))

    def _unescaped(self, cell: str) -> str:
        """The cell without the escapes; one before a character that needs none is part of the text."""
        if not self.escape or self.escape not in cell:
            return cell
        special = {self.quote, self.escape, self.delimiter, "\n"}
        return re.sub(
            re.escape(self.escape) + "(.)", lambda m: m[1] if m[1] in special else m[0], cell, flags=re.DOTALL
        )

    @cached_property
    def _inside(self) -> str:
        q, e = re.escape(self.quote), re.escape(self.escape)
        return f"(?:[^{q}{e}]|{q}{q}|{e}.)*" if self.escape else f"(?:[^{q}]|{q}{q})*"

    @cached_property
    def _cell(self) -> re.Pattern:
        """One cell, quoted (1) or plain (2), up to a delimiter or the end."""
        q, e = re.escape(self.quote), re.escape(self.escape)
        end = f"(?={re.escape(self.delimiter)}|$)" if self.delimiter else "$"
        plain = f"(?:(?!{re.escape(self.delimiter)})[^{e}]|{e}.)*" if self.escape else ".*?"
        quoted = f"{q}({self._inside}){q}{end}" if self.quote else "(?!)()"
        return re.compile(f"(?:{quoted}|{f'(?!{q})' if q else ''}({plain}){end})", re.DOTALL)

    @cached_property
    def _open(self) -> re.Pattern:
        """A quote that is opened and not closed."""
        return re.compile(f"{re.escape(self.quote)}{self._inside}$" if self.quote else "(?!)", re.DOTALL)


class Unfinished(Exception):
    """A quote was opened and not closed: the record may go on."""


@dataclass
class Record:
    """One record: where it stands, what its lines say, and its cells if they could be told apart."""

    line: int
    """Number of its first line in the file, from 1."""
    text: str
    cells: list[str] | None
    lines: int = 1
    flaw: str = ""
    """Why it has no cells, or how they were found."""


def records(lines: Iterable[str], dialect: Dialect, width: int | None = None, first: int = 1) -> Iterator[Record]:
    """The records of a text, from its lines without line feeds.

    With `width`, lines whose quotes are misplaced are read if that gives so many cells.
    """
    waiting: list[str] = []
    source = iter(lines)
    number = first - 1

    def next_line() -> str | None:
        return waiting.pop() if waiting else next(source, None)

    while (raw := next_line()) is not None:
        number += 1
        line = raw.removesuffix("\r")
        try:
            cells = dialect.split(line)
            if cells is not None:
                yield Record(number, line, cells)
                continue
        except Unfinished:
            taken = _joined(raw, next_line, dialect, width)
            if taken.cells is not None:
                taken.line = number
                number += taken.lines - 1
                yield taken
                continue
            waiting.extend(reversed(taken.text.split("\n")[1:]))
        cells = requoted(line, dialect, width) if width else None
        flaw = "quotes are in unexpected places" if cells else "its quotes do not close"
        yield Record(number, line, cells, flaw=flaw)


def _joined(line: str, next_line: Callable[[], str | None], dialect: Dialect, width: int | None) -> Record:
    """The record that begins with `line` and goes on over further lines; without cells when that leads nowhere."""
    text, lines = [line], 1
    length = len(line)
    while lines < JOINED_LINES and length < JOINED_CHARS and (further := next_line()) is not None:
        text.append(further)
        lines += 1
        length += len(further) + 1
        if dialect.quote not in further:
            continue
        joined = "\n".join(text).removesuffix("\r")
        try:
            cells = dialect.split(joined)
        except Unfinished:
            continue
        good = cells is not None and (width is None or len(cells) == width)
        return Record(0, joined, cells if good else None, lines)
    return Record(0, "\n".join(text), None, lines)


# Quotes that stand where none belong -------------------------------------------------------------------------------

PLAIN, STRAY, OPENING, INNER, CUTTING = 0.0, 1.0, 3.0, 1.0, 6.0
"""What a cell costs: without quotes; with some in the middle; with one at its start that closes nothing; quoted,
for each single quote inside; quoted, for each place inside that looks like the border of two cells."""


def requoted(line: str, dialect: Dialect, width: int) -> list[str] | None:
    """The cells of a line some of whose quotes are misplaced, if there are exactly `width`; the likeliest of all ways.

    Chooses which delimiters part cells (the others belong to quoted cells) by dynamic programming.
    """
    quote, delimiter = dialect.quote, dialect.delimiter
    if not delimiter:
        return [line]
    if not quote or len(line) > REQUOTED_CHARS:
        return None
    borders = [match.start() for match in re.finditer(re.escape(delimiter), line)]
    if len(borders) + 1 < width or len(borders) > 400:
        return None
    starts = [0, *(border + len(delimiter) for border in borders)]
    ends = [*borders, len(line)]
    pieces = len(starts)
    read = _Cells(line, dialect)
    closing = [k + 1 for k, end in enumerate(ends) if line.endswith(quote, 0, end)]
    # best[k] after `cells` cells: the least cost of reading the pieces before k, and where the last cell began.
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for cells in range(1, width + 1):
        row: dict[int, tuple[float, int]] = {}
        for begin, (cost, _) in best[-1].items():
            last = pieces - (width - cells)
            opens = line.startswith(quote, starts[begin])
            for end in (begin + 1, *(k for k in closing if begin + 1 < k <= last and opens)):
                own = read.cost(starts[begin], ends[end - 1], end - begin - 1) if end <= last else None
                if own is None:
                    continue
                if end not in row or cost + own < row[end][0]:
                    row[end] = (cost + own, begin)
        best.append(row)
    if pieces not in best[width]:
        return None
    found, end = [], pieces
    for cells in range(width, 0, -1):
        begin = best[cells][end][1]
        found.append(read.text(starts[begin], ends[end - 1]))
        end = begin
    return found[::-1]


class _Cells:
    """Costs and texts of the parts of one line, taken as cells."""

    def __init__(self, line: str, dialect: Dialect):
        self.line, self.dialect = line, dialect
        self.costs: dict[tuple[int, int], float | None] = {}
        quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
        self.border = re.compile(f"(?<!{quote}){quote}{delimiter}{quote}(?!{quote})")

    def cost(self, start: int, end: int, delimiters: int) -> float | None:
        """What it costs to take this part as one cell; None: it cannot be one."""
        if (start, end) not in self.costs:
            self.costs[start, end] = self._cost(start, end, delimiters)
        return self.costs[start, end]

    def _cost(self, start: int, end: int, delimiters: int) -> float | None:
        cell, quote = self.line[start:end], self.dialect.quote
        quotes = cell.count(quote)
        if not quotes:
            return PLAIN if not delimiters else None
        if quotes >= 2 and cell.startswith(quote) and cell.endswith(quote):
            inner = cell[1:-1]
            single = inner.count(quote) - 2 * inner.count(quote * 2)
            return single * INNER + len(self.border.findall(cell)) * CUTTING
        if delimiters:
            return None
        return OPENING if cell.startswith(quote) else STRAY

    def text(self, start: int, end: int) -> str:
        cell, quote = self.line[start:end], self.dialect.quote
        if len(cell) >= 2 and cell.startswith(quote) and cell.endswith(quote):
            return self.dialect.plain(cell[1:-1])
        return cell
