"""Rows with too many or too few cells, set right where the other rows leave no doubt how.

A delimiter too many leaves an empty cell, one too few runs two cells together, an unquoted one in a text cuts it in
two, and now and then a line is written with another delimiter. The columns' other cells say what fits where: the
cheapest way to lay the cells of a ragged row over the columns is found by dynamic programming, and taken only when
every cell then looks like its column's others. Nothing is made up and nothing but empty cells is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, pairwise

from synth.linear import DOTALL, At, at, escape, whole, within
from workspace.ingest.records import Effort
from workspace.ingest.sniff import is_typed

Key = tuple[int, str | None]
"""A cell that is laid next, and what is left of one that was parted."""
Laid = tuple[float, list[str]]
"""Cells laid over columns, and what that costs."""

LEARNED_ROWS = 2_000
LONGEST_PARTED = 2_000
"""Longer cells are not parted in two."""
STEPS = 8_000_000
"""Ways that are looked at for all rows of a file together: a row of 28 cells for 30 columns takes 20,000."""
LONGEST = 400
"""Cells beyond so many are not laid out: the row belongs to another table."""
OTHER_DELIMITERS = (",", ";", "\t", "|", " ")
LETTER, DIGIT, QUOTES = within(r"[^\W\d_]"), within(r"\d"), within('"+')
AMOUNT = whole(r"([^\w\s]?)[\d.,]*\d[^\w\s]?", most=1_000)
DROP, FILL, JOIN, PART, QUOTE_PART = 2.0, 2.0, 4.0, 6.0, 1.0
"""Costs of leaving out an empty cell, adding one, joining two cells, parting one, and parting one at a
quote (in nats, as the fits are)."""


def _shape(cell: str) -> str:
    """A cell with every digit as 0, every letter as a or A: what codes, times and prices have in common."""
    return LETTER.sub(lambda m: "A" if m[0].isupper() else "a", DIGIT.sub("0", cell[:40]))


def _outline(cell: str) -> str:
    """The shape with runs drawn together: `03:15` and `3:155` have the same."""
    return "".join(letter for letter, _ in groupby(_shape(cell).replace("A", "a")))


def _sort(cell: str) -> str:
    """What a cell begins like; numbers of one currency are of one sort, however long."""
    number = AMOUNT.fullmatch(cell)
    return f"number {number[1]}" if number else _outline(cell[:1])


class Fit:
    """How well a cell fits a column, learned from the rows that are in order."""

    def __init__(self, cells: list[str]):
        self.rows = len(cells)
        self.empty = sum(not cell for cell in cells)
        filled = [cell for cell in cells if cell]
        self.values = Counter(filled)
        self.shapes, self.outlines = Counter(map(_shape, filled)), Counter(map(_outline, filled))
        self.sorts = Counter(map(_sort, filled))
        lengths = [math.log(len(cell)) for cell in filled] or [0.0]
        self.length = sum(lengths) / len(lengths)
        self.spread = max(0.25, math.sqrt(sum((x - self.length) ** 2 for x in lengths) / len(lengths)))
        self.known: dict[str, float] = {}
        self.is_typed = sum(map(is_typed, filled)) > 0.8 * len(filled) if filled else False
        self.limit = max((self.cost(cell) for cell in set(filled[:200])), default=0.0) + 3.0

    def cost(self, cell: str) -> float:
        """Minus the logarithm of how likely such a cell is in this column."""
        if cell not in self.known:
            self.known[cell] = self._cost(cell)
        return self.known[cell]

    def _cost(self, cell: str) -> float:
        if not cell:
            return -math.log((self.empty + 0.1) / (self.rows + 1))
        filled = self.rows - self.empty + 1
        alike = (
            0.3 * self.values[cell]
            + 0.4 * self.shapes[_shape(cell)]
            + 0.2 * self.outlines[_outline(cell)]
            + 0.1 * self.sorts[_sort(cell)]
        ) / filled
        off = 0.0 if _sort(cell).startswith("number") else (math.log(len(cell)) - self.length) / self.spread
        return -math.log(alike + 1e-4) + 0.5 * min(off * off, 16.0) - math.log(filled / (self.rows + 1))

    def allows(self, cell: str) -> bool:
        """Whether a cell looks like the others of the column."""
        return self.cost(cell) <= self.limit if cell else self.empty > 0


class Mender:
    """Lays ragged rows over the columns that the rows in order have shown."""

    def __init__(self, rows: list[list[str]]):
        learned = rows[:: max(1, len(rows) // LEARNED_ROWS)]
        self.columns = [Fit([row[i] for row in learned]) for i in range(len(rows[0]))] if rows else []
        self.effort = Effort(STEPS)

    def mend(self, cells: list[str], delimiter: str, quoted: list[bool] | None = None) -> list[str] | None:
        """The row with one cell for each column, or None when no way to lay it out is beyond doubt."""
        if not self.columns or not 1 < len(cells) <= min(LONGEST, 4 * len(self.columns) + 8):
            return None
        quoted = quoted or [False] * len(cells)
        laid = self._laid(cells, delimiter, quoted)
        if laid is None or not all(fit.allows(cell) for fit, cell in zip(self.columns, laid, strict=True)):
            return None
        return laid

    def fits(self, cells: list[str]) -> bool:
        """Whether the cells look like those of the first columns, one each."""
        return all(fit.allows(cell) for fit, cell in zip(self.columns, cells, strict=False))

    def _laid(self, cells: list[str], delimiter: str, quoted: list[bool]) -> list[str] | None:
        """The cheapest way to lay the cells over the columns; None too when that would take too many steps."""
        count, width = len(cells), len(self.columns)
        slack = abs(count - width) + 2
        # best[i, rest]: the cells before i are laid over the columns so far; of cell i, parted, `rest` is left.
        best: dict[Key, Laid] = {(0, None): (0.0, [])}
        for column, fit in enumerate(self.columns):
            best = self._with_drops(best, cells)
            lengths = [len(cells[i]) for i, rest in best if rest is None and i < count < width]
            partings = sum(2 * length + length * length // 50 for length in lengths if length <= LONGEST_PARTED)
            if not self.effort.spend(len(best) * (1 + max(0, count - width) + column // 20) + partings):
                return None
            further: dict[Key, Laid] = {}

            def offer(key: Key, cost: float, laid: list[str], further: dict[Key, Laid] = further) -> None:
                if key not in further or cost < further[key][0]:
                    further[key] = (cost, laid)

            for (i, rest), (cost, laid) in best.items():
                if rest is None and abs(i - column) > slack + count - width and count <= width:
                    continue
                offer((i, rest), cost + FILL + fit.cost(""), [*laid, ""])
                if rest is not None:
                    offer((i + 1, None), cost + fit.cost(rest), [*laid, rest])
                    continue
                joined = ""
                for end in range(i, min(count, i + max(1, count - width + 1))):
                    joined = cells[end] if end == i else joined + delimiter + cells[end]
                    if end > i and (quoted[end] or quoted[i] or fit.is_typed):
                        break
                    offer(
                        (end + 1, None),
                        cost + JOIN * min(end - i, 1) + 0.2 * (end - i) + fit.cost(joined),
                        [*laid, joined],
                    )
                if i < count and count < width:
                    for front, back, price in _partings(cells[i]):
                        offer((i, back), cost + price + fit.cost(front), [*laid, front])
            best = further
        best = self._with_drops(best, cells)
        return best.get((count, None), (math.inf, None))[1]

    def _with_drops(self, best: dict, cells: list[str]) -> dict:
        """The ways so far, and those that leave out empty cells next."""
        best = dict(best)
        for i in range(len(cells)):
            if not cells[i] and (i, None) in best:
                cost, laid = best[i, None]
                if (i + 1, None) not in best or cost + DROP < best[i + 1, None][0]:
                    best[i + 1, None] = (cost + DROP, laid)
        return best


def _partings(cell: str) -> Iterator[tuple[str, str, float]]:
    """The ways to part a cell in two, and what each costs: little where a quote was closed or opened."""
    if len(cell) > LONGEST_PARTED:
        return
    for match in QUOTES.finditer(cell[1:-1]):
        yield cell[: match.start() + 1], cell[match.end() + 1 :], QUOTE_PART
    for place, (before, after) in enumerate(pairwise(cell), 1):
        if '"' not in (before, after) and (len(cell) <= 40 or not (before.isalnum() and after.isalnum())):
            yield cell[:place], cell[place:], PART


@lru_cache
def _quoted_or_not(delimiter: str) -> At:
    """One cell: quoted (1), or up to the delimiter (2)."""
    return at(rf'"((?:[^"]|"")*)"(?={escape(delimiter)}|$)|((?:(?!{escape(delimiter)}).)*)', DOTALL)


def split_quoted(text: str, delimiter: str) -> tuple[list[str], list[bool]]:
    """The cells of a line under a delimiter, and which of them are quoted; quotes that close nothing are plain."""
    pattern, cells, quoted, place = _quoted_or_not(delimiter), [], [], 0
    while place <= len(text) and (match := pattern.match(text, place)):
        cells.append(match[1].replace('""', '"') if match[1] is not None else match[2])
        quoted.append(match[1] is not None)
        place = match.end() + len(delimiter)
    return cells, quoted
