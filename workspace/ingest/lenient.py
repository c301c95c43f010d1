"""Every line of a delimited text read with care, or named with the reason why not.

The quick way (`workspace.ingest.delimited`) reads texts that are in order; this one reads all others, line by line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workspace.ingest.layout import Layout
from workspace.ingest.records import Record, records
from workspace.ingest.repair import OTHER_DELIMITERS, Mender, split_quoted
from workspace.ingest.sniff import is_typed

LONGEST_LINE = 16 << 20
BEFORE, BELOW = "comes before the table", "comes after the table"
MOST_MENDED = 500
"""Ragged rows that are looked into; where there are more, a rule is missing that looking longer does not find."""
MARKS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space", ", ": "comma-and-space"}


@dataclass
class Line:
    """A line, by its number in the file from 1, and what is to be said about it."""

    number: int
    reason: str


@dataclass
class Careful:
    """All rows of a text, and an account of every line."""

    rows: list[list[str]] = field(default_factory=list)
    rejected: list[Line] = field(default_factory=list)
    """One entry for each line that is no part of a row."""
    mended: list[Line] = field(default_factory=list)
    """Rows that were set right; they are among `rows`."""
    repeated_headers: list[int] = field(default_factory=list)
    """Lines on which the header stands again, rows of the same table below it."""
    header_lines: int = 0
    blank_lines: int = 0
    row_lines: int = 0
    """Lines that the rows take; more than there are rows when cells hold line ends."""

    @property
    def lines(self) -> int:
        return self.header_lines + self.blank_lines + self.row_lines + len(self.rejected)


@dataclass
class _Place:
    """A record that waits to be mended, and the row it would stand before."""

    record: Record
    row: int


def read_lines(
    lines: Iterable[str],
    layout: Layout,
    table: int | None = None,
    undecodable: Iterable[int] = (),
    skip_footer: int | None = None,
) -> Careful:
    """Read all lines.

    `table`: 1 ends with the first table of the text, 0 goes on below every header like the first one's; None goes on
    below a header that is the first one over again, as when files were joined.
    `skip_footer` rows are left out at the end; None: those that do not look like rows.
    """
    found = records(lines, layout.dialect, layout.width)
    return read_records(found, layout, table, undecodable, skip_footer)


def read_records(
    found: Iterable[Record],
    layout: Layout,
    table: int | None = None,
    undecodable: Iterable[int] = (),
    skip_footer: int | None = None,
) -> Careful:
    """As `read_lines`, from records whose cells are known."""
    reading = _Reading(layout, table, set(undecodable), skip_footer)
    for record in found:
        reading.take(record)
    return reading.done()


class _Reading:
    def __init__(self, layout: Layout, table: int | None, undecodable: set[int], skip_footer: int | None):
        self.layout, self.table, self.undecodable, self.skip_footer = layout, table, undecodable, skip_footer
        self.careful = Careful()
        self.found: list[tuple[list[str], int, int]] = []
        """Rows in order: cells, first line, lines."""
        self.waiting: list[_Place] = []
        self.headers_left = layout.header
        self.second_line = 0

    def take(self, record: Record) -> None:
        careful, layout = self.careful, self.layout
        if record.line <= layout.skip:
            if record.text.strip():
                self._reject(record, BEFORE)
            else:
                careful.blank_lines += record.lines
            return
        if not record.text.strip() and (layout.width > 1 or layout.dialect.delimiter or self.headers_left):
            careful.blank_lines += record.lines
            return
        if self.headers_left:
            self.headers_left -= 1
            careful.header_lines += record.lines
            return
        if self.found and opens_table(record, layout):
            if self.table == 0 or (self.table is None and record.cells == layout.names):
                careful.header_lines += record.lines
                self.careful.repeated_headers.append(record.line)
                return
            self.second_line = record.line
            self._reject(record, f"a further table begins here; the first one ends on line {record.line - 1}")
            return
        if self.second_line:
            self._reject(record, f"belongs to the table that begins on line {self.second_line}")
            return
        if self.undecodable and any(n in self.undecodable for n in range(record.line, record.line + record.lines)):
            self._reject(record, "holds bytes that are not in the file's encoding")
        elif len(record.text) > LONGEST_LINE:
            self._reject(record, f"is {len(record.text) / 1e6:.0f} MB long; a line may be {LONGEST_LINE >> 20} MB")
        elif record.cells is not None and len(record.cells) == layout.width:
            self.found.append((record.cells, record.line, record.lines))
            if record.flaw:
                careful.mended.append(Line(record.line, record.flaw))
        else:
            self.waiting.append(_Place(record, len(self.found)))

    def _reject(self, record: Record, reason: str) -> None:
        self.careful.rejected.extend(Line(record.line + i, reason) for i in range(record.lines))

    def done(self) -> Careful:
        careful = self.careful
        self._mend()
        self._cut_footer()
        careful.rows = [cells for cells, _, _ in self.found]
        careful.row_lines = sum(lines for _, _, lines in self.found)
        careful.rejected.sort(key=lambda line: line.number)
        careful.mended.sort(key=lambda line: line.number)
        return careful

    def _mend(self) -> None:
        """Set right the rows that can be; the others are rejected."""
        if not self.waiting:
            return
        repair = Repair(self.layout, [cells for cells, _, _ in self.found])
        while self.waiting and self.waiting[-1].row == len(self.found) and repair.is_short(self.waiting[-1].record):
            self._reject(self.waiting.pop().record, BELOW)
        merged, after = [], 0
        for place in self.waiting:
            merged.extend(self.found[after : place.row])
            after = place.row
            cells, said = repair.judge(place.record)
            if cells is None:
                self._reject(place.record, said)
            else:
                merged.append((cells, place.record.line, place.record.lines))
                self.careful.mended.append(Line(place.record.line, said))
        self.found = merged + self.found[after:]

    def _cut_footer(self) -> None:
        """Reject what stands below the table: lines almost empty where rows are well filled, at the very end."""
        if self.skip_footer is not None:
            for _, line, lines in self.found[len(self.found) - self.skip_footer :]:
                self._reject(Record(line, "", None, lines), BELOW)
            del self.found[len(self.found) - self.skip_footer :]
            return
        filled = sorted(sum(bool(c.strip()) for c in cells) for cells, _, _ in self.found)
        if len(filled) < 5 or filled[len(filled) // 10] < max(3, 0.5 * self.layout.width):
            return
        while self.found:
            cells, line, lines = self.found[-1]
            if sum(bool(c.strip()) for c in cells) > 1:
                return
            self.found.pop()
            self._reject(Record(line, "", None, lines), BELOW)


# Records that are no rows as they stand ----------------------------------------------------------------------------


def opens_table(record: Record, layout: Layout) -> bool:
    """Whether a record below the first row is the header of a further table: it repeats names of the first one."""
    names = [name.strip() for name in layout.names]
    if not record.cells or len(names) < 2:
        return False
    cells = [cell.strip() for cell in record.cells]
    if any(map(is_typed, cells)):
        return False
    shared = sum(a == b != "" for a, b in zip(cells, names, strict=False))
    return shared >= 2 and shared >= 0.75 * max(min(len(names), len(cells)), 2)


class Repair:
    """Sets right what the rows in order leave no doubt about, and says why not of the rest."""

    def __init__(self, layout: Layout, rows: list[list[str]]):
        self.width, self.own = layout.width, layout.dialect.delimiter
        self.mender = Mender(rows)
        self.left = MOST_MENDED

    def judge(self, record: Record) -> tuple[list[str] | None, str]:
        """The row, and what was wrong with it; or None, and why it is none."""
        counted = f"{_cells(len(record.cells or []))} where {self.width} were expected"
        if record.cells is not None:
            cells = record.cells
            laid = self._laid(record, cells)
            if laid is None and self.width > len(cells) >= max(2, self.width / 2) and self.mender.fits(cells):
                laid = cells + [""] * (self.width - len(cells))
            if laid is not None:
                return laid, counted
        for other in OTHER_DELIMITERS if self.left else ():
            if other != self.own and record.text.count(other) >= self.width - 1:
                cells, quoted = split_quoted(record.text, other)
                laid = self.mender.mend(cells, other, quoted)
                if laid is not None:
                    return laid, f"separated by {MARKS[other]} instead of {MARKS.get(self.own, self.own)}"
        return None, record.flaw if record.cells is None else counted

    def _laid(self, record: Record, cells: list[str]) -> list[str] | None:
        if not self.left:
            return None
        self.left -= 1
        _, quoted = split_quoted(record.text, self.own) if self.own else ([], [])
        return self.mender.mend(cells, self.own, quoted if len(quoted) == len(cells) else None)

    def is_short(self, record: Record) -> bool:
        return record.cells is not None and len(record.cells) < self.width


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
