"""Lines of a delimited text into rows of cells, without losing a line: what no rule can read is handed back.

The rules, from the strict to the forgiving: a line that is well-formed by RFC 4180 is taken as it stands; a quoted
cell may go on over further lines when the whole is well-formed; else quotes that close nothing are taken for plain
characters, if that gives exactly as many cells as the table has columns (`requoted`).
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from synth.linear import DOTALL, At, at, escape, within

csv.field_size_limit(1 << 30)  # the module's own limit of 128 KB is no rule of the format

JOINED_LINES, JOINED_CHARS = 2_000, 1 << 20
"""Limits of a quoted cell that goes on over further lines."""
REQUOTED_CHARS = 20_000
"""Longer lines are not searched for misplaced quotes."""
MOST_PIECES = 401
"""Nor are lines that delimiters part into more pieces."""
STEPS_PER_CHARACTER = 20
"""What a line adds to the steps that may be spent: one of ten quoted cells takes eight for each of its characters."""


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
        parts, place = [], 0
        while (found := cell.find(self.escape, place)) >= 0 and (after := found + len(self.escape)) < len(cell):
            parts += cell[place:found], "" if cell[after] in special else self.escape, cell[after]
            place = after + 1
        return "".join([*parts, cell[place:]])

    @cached_property
    def _inside(self) -> str:
        q, e = escape(self.quote), escape(self.escape)
        return f"(?:[^{q}{e}]|{q}{q}|{e}.)*" if self.escape else f"(?:[^{q}]|{q}{q})*"

    @cached_property
    def _cell(self) -> At:
        """One cell, quoted (1) or plain (2), up to a delimiter or the end."""
        q, e = escape(self.quote), escape(self.escape)
        end = f"(?={escape(self.delimiter)}|$)" if self.delimiter else "$"
        plain = f"(?:(?!{escape(self.delimiter)})[^{e}]|{e}.)*" if self.escape else ".*?"
        quoted = f"{q}({self._inside}){q}{end}" if self.quote else "(?!)()"
        return at(f"(?:{quoted}|{f'(?!{q})' if q else ''}({plain}){end})", DOTALL)

    @cached_property
    def _open(self) -> At:
        """A quote that is opened and not closed."""
        return at(f"{escape(self.quote)}{self._inside}$" if self.quote else "(?!)", DOTALL)


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


class Effort:
    """How many steps may still be spent on what no simple rule reads, so that no file takes longer than it is long."""

    def __init__(self, steps: int = 2_000_000):
        self.left = steps

    def spend(self, steps: int) -> bool:
        """Whether so many steps are left; they are then gone."""
        if steps > self.left:
            return False
        self.left -= steps
        return True


def records(lines: Iterable[str], dialect: Dialect, width: int | None = None, first: int = 1) -> Iterator[Record]:
    """The records of a text, from its lines without line feeds.

    With `width`, lines whose quotes are misplaced are read if that gives so many cells.
    """
    ahead, effort = _Ahead(lines, dialect), Effort()
    number = first - 1
    while (raw := ahead.take()) is not None:
        number += 1
        line = raw.removesuffix("\r")
        try:
            cells = dialect.split(line)
            if cells is not None:
                yield Record(number, line, cells)
                continue
        except Unfinished:
            joined = ahead.joined(raw, width)
            if joined is not None:
                joined.line = number
                number += joined.lines - 1
                yield joined
                continue
        cells = requoted(line, dialect, width, effort) if width else None
        flaw = "quotes are in unexpected places" if cells else "its quotes do not close"
        yield Record(number, line, cells, flaw=flaw)


class _Ahead:
    """The lines that come, and what those do that were looked at to see where a quoted cell ends.

    Each line is looked at once, however many quotes before it are open: where a quoted cell goes on into a line, the
    line alone decides whether the cell, or another, is still open at its end.
    """

    def __init__(self, lines: Iterable[str], dialect: Dialect):
        self.source, self.dialect = iter(lines), dialect
        self.waiting: deque[str] = deque()
        self.new_cells: deque[int] = deque()
        """For each waiting line that leaves a quote open, the cells that begin in it. All but the last one do."""
        self.length = self.begun = 0
        """Characters and new cells of the lines that leave a quote open."""
        self.closing: int | None = None
        """New cells of the last waiting line, if a record may end there."""

    def take(self) -> str | None:
        """The next line."""
        if not self.waiting:
            return next(self.source, None)
        line = self.waiting.popleft()
        if self.new_cells:
            self.length -= len(line) + 1
            self.begun -= self.new_cells.popleft()
        return line

    def joined(self, line: str, width: int | None) -> Record | None:
        """The record that begins with `line`, which leaves a quote open; None when its further lines lead nowhere."""
        while len(self.new_cells) == len(self.waiting):
            if len(self.waiting) + 1 >= JOINED_LINES or len(line) + self.length >= JOINED_CHARS:
                return None
            if (further := next(self.source, None)) is None:
                return None
            self._see(further)
        lines = len(self.waiting) + 1
        if self.closing is None or (width is not None and self._begun(line) + self.begun + self.closing != width):
            return None
        text = "\n".join([line, *self.waiting]).removesuffix("\r")
        cells = self.dialect.split(text)
        if cells is None:
            return None
        self.waiting.clear()
        self.new_cells.clear()
        self.length = self.begun = 0
        return Record(0, text, cells, lines)

    def _see(self, line: str) -> None:
        """Look at a further line, into which a quoted cell goes on."""
        quote = self.dialect.quote
        self.waiting.append(line)
        if quote in line:
            try:
                cells = self.dialect.split(quote + line.removesuffix("\r"))
                self.closing = None if cells is None else len(cells) - 1
                return
            except Unfinished:
                begun = self._begun(quote + line) - 1
        else:
            begun = 0
        self.length += len(line) + 1
        self.begun += begun
        self.new_cells.append(begun)

    def _begun(self, line: str) -> int:
        """Cells that begin in a line that leaves a quote open."""
        try:
            return len(self.dialect.split(line + self.dialect.quote) or [])
        except Unfinished:
            return 0


# Quotes that stand where none belong -------------------------------------------------------------------------------

PLAIN, STRAY, OPENING, INNER, CUTTING = 0.0, 1.0, 3.0, 1.0, 6.0
"""What a cell costs: without quotes; with some in the middle; with one at its start that closes nothing; quoted,
for each single quote inside; quoted, for each place inside that looks like the border of two cells."""


def requoted(line: str, dialect: Dialect, width: int, effort: Effort | None = None) -> list[str] | None:
    """The cells of a line some of whose quotes are misplaced, if there are exactly `width`; the likeliest of all ways.

    Chooses which delimiters part cells (the others belong to quoted cells) by dynamic programming. None also when that
    would take more steps than `effort` has left, to which a line adds some by its length.
    """
    quote, delimiter = dialect.quote, dialect.delimiter
    if not delimiter:
        return [line]
    if not quote or len(line) > REQUOTED_CHARS:
        return None
    pieces = line.count(delimiter) + 1
    if not width <= pieces <= MOST_PIECES:
        return None
    starts, ends = _places(line, delimiter)
    read = _Cells(line, dialect)
    opening = [line.startswith(quote, start) for start in starts]
    closing = [k + 1 for k, end in enumerate(ends) if line.endswith(quote, 0, end)]
    surplus = pieces - width
    pairs = sum(opening) * min(len(closing), surplus)
    effort = effort or Effort()
    effort.left += STEPS_PER_CHARACTER * len(line)
    if not effort.spend(width * (surplus + 1) * (1 + min(len(closing), surplus)) + pairs * len(line) // 500):
        return None
    # best[k] after `cells` cells: the least cost of reading the pieces before k, and where the last cell began.
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for cells in range(1, width + 1):
        row: dict[int, tuple[float, int]] = {}
        for begin, (cost, _) in best[-1].items():
            last = pieces - (width - cells)
            further = closing[bisect_right(closing, begin + 1) : bisect_right(closing, last)] if opening[begin] else []
            for end in (begin + 1, *further):
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


def _places(line: str, delimiter: str) -> tuple[list[int], list[int]]:
    """Where the pieces between the delimiters start and end."""
    starts, ends = [], []
    place = 0
    for piece in line.split(delimiter):
        starts.append(place)
        ends.append(place + len(piece))
        place += len(piece) + len(delimiter)
    return starts, ends


class _Cells:
    """Costs and texts of the parts of one line, taken as cells."""

    def __init__(self, line: str, dialect: Dialect):
        self.line, self.dialect = line, dialect
        self.costs: dict[tuple[int, int], float | None] = {}
        quote, delimiter = escape(dialect.quote), escape(dialect.delimiter)
        self.border = within(f"(?<!{quote}){quote}{delimiter}{quote}(?!{quote})")

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
