"""Where a table stands in a delimited text: what comes before it, its header, its width, what comes after."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from synth.linear import whole
from synth.schema.texts import MISSING_WORDS
from workspace.ingest.limits import USUAL, Limits
from workspace.ingest.records import Dialect, Record, records, requoted
from workspace.ingest.repair import OTHER_DELIMITERS, split_quoted
from workspace.ingest.sniff import COMMON, SAMPLE_CHARS, is_typed, lines_of, sniff

SEARCHED = 60
"""Lines among which the header is looked for."""
YEAR = whole(r"\d{4}")
BODY = 100
"""Rows that a header is compared with."""


@dataclass(frozen=True)
class Layout:
    """How a delimited text is to be read."""

    dialect: Dialect
    width: int
    skip: int = 0
    """Lines before the header, or before the first row."""
    header: int = 1
    """Records of the header; 0: there is none."""
    names: list[str] = field(default_factory=list)
    """The columns' names as the header has them; empty without a header."""
    header_lines: int = 1
    """Lines that the header takes."""


def layout_of(
    text: str,
    *,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    skip: int | None = None,
    header: int | None = None,
    limits: Limits = USUAL,
) -> Layout:
    """The layout of a text that begins so; what is given is kept. Raises ReadError when it is too wide."""
    lines = lines_of(text)[skip or 0 :]
    _check_first_lines(lines, delimiter, limits)
    found = sniff("\n".join(lines), delimiter, quote, escape)
    limits.check_columns(found.width, cut=len(text) > SAMPLE_CHARS)
    width = found.width if found.width > 1 else None
    seen = list(records(lines[: SEARCHED + BODY], found.dialect, width, first=1 + (skip or 0)))
    return layout_of_records(seen, found.dialect, found.width, skip, header, limits)


def _check_first_lines(lines: list[str], delimiter: str | None, limits: Limits) -> None:
    """Refuse a text that is too wide however it is read, before each way is tried."""
    first = [line for line in lines[:SEARCHED] if line.strip("\r")][:2]
    for mark in (delimiter,) if delimiter else COMMON:
        cells = [line.count(mark) + 1 for line in first if '"' not in line and "'" not in line]
        if cells and len(cells) == len(first) and min(cells) > limits.columns:
            limits.check_columns(min(cells), cut=len(lines) == 1)


def layout_of_records(
    seen: list[Record],
    dialect: Dialect,
    width: int,
    skip: int | None = None,
    header: int | None = None,
    limits: Limits = USUAL,
) -> Layout:
    """As `layout_of`, from the first records."""
    start = _start(seen, dialect, width) if skip is None and width > 1 else _first_filled(seen)
    if start == len(seen):
        return Layout(dialect, width, skip or 0, 0, [], 0)
    filled = [(r, r.cells) for r in seen[start:] if r.cells is not None and r.text.strip()]
    if not filled:
        return Layout(dialect, width, skip or 0, 0, [], 0)
    rows, body = [record for record, _ in filled], [cells for _, cells in filled]
    count = min(header, len(rows)) if header is not None else _header_rows(body, width)
    if not count and header is None and skip is None and width > 1:
        found = _header_otherwise_parted(seen[:start], body[:BODY], width)
        if found:
            return Layout(dialect, width, found[0].line - 1, 1, found[1], seen[start].line - found[0].line)
    limits.check_columns(max(map(len, body[:count]), default=width))
    names, width = _names(body[:count], width, body[count : count + BODY])
    first = seen[start].line
    header_lines = rows[count - 1].line + rows[count - 1].lines - first if count else 0
    return Layout(dialect, width, first - 1, count, names, header_lines)


def _first_filled(seen: list[Record]) -> int:
    return next((i for i, record in enumerate(seen) if record.text.strip()), len(seen))


def _start(seen: list[Record], dialect: Dialect, width: int) -> int:
    """Where the table begins: the first record as wide as the table, and as filled as its rows.

    A header may be a cell short (R writes none above row names) or have cells in surplus.
    """
    wide = [r.cells for r in seen if r.cells is not None and len(r.cells) == width]
    if not wide:
        return _first_filled(seen)
    filled = sorted(sum(bool(cell.strip()) for cell in cells) for cells in wide)
    usual = filled[len(filled) // 2]
    for i, record in enumerate(seen[:SEARCHED]):
        cells = record.cells
        if not record.text.strip():
            continue
        if cells is None:
            cells = requoted(record.text, dialect, width)
        if cells is None:
            continue
        end = next((end for end in range(len(cells), width, -1) if cells[end - 1].strip()), min(width, len(cells)))
        cells = cells[:end]
        full = sum(bool(cell.strip()) for cell in cells)
        near = _is_header_like(cells) and full >= 0.9 * len(cells) and abs(len(cells) - width) <= max(1, width // 4)
        if len(cells) == width and full >= min(usual, max(2, usual * 0.5), width):
            return i
        if near and len(cells) > 1 and _names_what_follows(seen, i, width):
            return i
    return _first_filled(seen)


def _names_what_follows(seen: list[Record], i: int, width: int) -> bool:
    """Whether rows as wide as the table follow that have no header of their own."""
    following = [r for r in seen[i + 1 : i + 1 + BODY] if r.text.strip()]
    wide = [r.cells for r in following if r.cells is not None and len(r.cells) == width]
    if not wide or (sum(r.cells in wide[:6] for r in following[:6]) <= 3 and len(wide) < len(following) / 2):
        return False
    return following[0].cells != wide[0] or not _is_header(wide[0], wide[1:])


def _header_otherwise_parted(
    before: list[Record], body: list[list[str]], width: int
) -> tuple[Record, list[str]] | None:
    """The line right above the rows, if under another delimiter it names them."""
    above = next((record for record in reversed(before) if record.text.strip()), None)
    if above is None:
        return None
    for delimiter in OTHER_DELIMITERS:
        cells, _ = split_quoted(above.text, delimiter)
        if len(cells) == width and all(cells) and _is_header_like(cells) and _is_header(cells, body):
            return above, cells
    return None


# The header --------------------------------------------------------------------------------------------------------


def _is_header_like(cells: list[str]) -> bool:
    return not any(is_typed(cell) for cell in cells) and len(set(cells)) == len(cells)


def _header_rows(rows: list[list[str]], width: int) -> int:
    """How many of the first rows are header."""
    if not rows:
        return 0
    if not _is_header(rows[0], [row for row in rows[1 : 1 + BODY] if len(row) == width]):
        return 0
    count = 1
    while count < min(5, len(rows) - 1) and _goes_on(
        rows[:count], rows[count], rows[count + 1 : count + 1 + BODY], width
    ):
        count += 1
    return count


def _is_header(first: list[str], body: list[list[str]]) -> bool:
    """Whether a row names the columns: it is unlike what stands below it, if that does not just repeat it."""
    body = [row for row in body if row != first]
    if not body:
        return not any(is_typed(cell) for cell in first)
    if len(first) == len(body[0]) - 1:
        first = ["", *first]
    points = 0.0
    for cell, column in zip(first, zip(*body, strict=True), strict=False):
        values = [value for value in column if value.strip() and value.strip().lower() not in MISSING_WORDS]
        cell = cell.strip()
        if not values or not cell:
            continue
        typed = sum(map(is_typed, values)) / len(values)
        if typed > 0.8:
            points += -1.0 if is_typed(cell) else 0.0 if cell.lower() in MISSING_WORDS else 1.0
        elif typed < 0.2:
            points += _unlike(cell, values)
    if points < 0 and _are_years(first, body):
        return True
    filled = [cell for cell in first if cell.strip()]
    if points == 0:
        return bool(filled) and not any(map(is_typed, filled)) and len(set(filled)) == len(filled)
    return points > 0


def _unlike(cell: str, values: list[str]) -> float:
    """Evidence from a column of texts that its first cell is a name."""
    if is_typed(cell):
        return -0.5
    if cell in values:
        return -1.0 if len(set(values)) < len(values) else -0.5
    if len(values) < 3:
        return 0.0
    lengths = {len(value) for value in values}
    if len(lengths) == 1 and len(cell) not in lengths:
        return 0.5
    repeated = len(set(values)) <= 0.5 * len(values)
    return 0.3 if repeated else 0.0


def _are_years(first: list[str], body: list[list[str]]) -> bool:
    """Whether the numbers of a first row are years, one after another, over columns that hold something else."""
    years = [int(cell) for cell in first if YEAR.fullmatch(cell.strip())]
    if len(years) < 3 or len(years) < 0.5 * len(first) or len({b - a for a, b in pairwise(years)}) != 1:
        return False
    below = [cell.strip() for row in body for cell in row if cell.strip().isdecimal()]
    return not below or sum(bool(YEAR.fullmatch(c)) and 1800 <= int(c) <= 2100 for c in below) < 0.5 * len(below)


def _goes_on(header: list[list[str]], row: list[str], body: list[list[str]], width: int) -> bool:
    """Whether the header takes this row too: the row says again what the header says, or names units."""
    if len(row) != len(header[0]):
        return False
    if row == header[0]:
        return True
    body = [r for r in body if len(r) == width]
    if len(body) < 3 or any(is_typed(cell) for cell in row):
        return False
    typed = [
        i
        for i, column in enumerate(zip(*body, strict=True))
        if (values := [v for v in column if v.strip()]) and sum(map(is_typed, values)) > 0.9 * len(values)
    ]
    named = [i for i in typed if row[i].strip() and row[i].strip().lower() not in MISSING_WORDS]
    return len(named) >= 2 and len(named) >= 0.5 * len(typed)


def _names(header: list[list[str]], width: int, body: list[list[str]]) -> tuple[list[str], int]:
    """The columns' names, and how many there are."""
    if not header:
        return [], width
    widest = Counter(len(row) for row in body).most_common(1)[0][0] if body else width
    names = [" ".join(part for part in parts if part.strip()) for parts in zip(*_even(header), strict=True)]
    if len(names) == widest - 1:
        return ["", *names], widest
    blank = [place for place, name in enumerate(names) if not name.strip()]
    surplus = set(blank[len(blank) - min(len(blank), max(0, len(names) - widest)) :])
    names = [name for place, name in enumerate(names) if place not in surplus]
    return names + [""] * (widest - len(names)), max(widest, len(names))


def _even(rows: list[list[str]]) -> list[list[str]]:
    width = max(map(len, rows))
    return [row + [""] * (width - len(row)) for row in rows]


def unique_names(names: list[str]) -> tuple[list[str], list[str]]:
    """The names made to differ, blank ones replaced, and a sentence for each that changed."""
    taken = {name for name in names if name.strip()}
    found, notes, seen = [], [], set()
    next_number: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        fresh = name
        if not name.strip():
            fresh = _free(f"column{place}", taken, next_number)
            notes.append(f"Column {place} has no name; it is called {fresh}.")
        elif name in seen:
            fresh = _free(name, taken, next_number, numbered=True)
            notes.append(f"The name {name!r} occurs twice; column {place} is called {fresh!r}.")
        taken.add(fresh)
        seen.add(fresh)
        found.append(fresh)
    return found, notes


def _free(name: str, taken: set[str], next_number: dict[str, int], numbered: bool = False) -> str:
    """The name, or the first of it with a number from 2 on that is not taken; `next_number` remembers how far."""
    if not numbered and name not in taken:
        return name
    number = next_number.get(name, 2)
    while f"{name}_{number}" in taken:
        number += 1
    next_number[name] = number + 1
    return f"{name}_{number}"
