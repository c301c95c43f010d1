"""How a delimited text is written, found from its beginning: delimiter, quote, escape, line ends.

Every plausible dialect reads the first lines. The best one gives rows of one width, cells that are clean (a number,
a date, a word; no stray quotes or other delimiters) and columns whose cells are alike. After van den Burg, Nazábal
and Sutton 2019, "Wrangling messy CSV files by detecting row and type patterns", with the likeness of columns added.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from synth.linear import VERBOSE, whole
from workspace.ingest.records import Dialect, Effort, records, requoted

SAMPLE_LINES = 200
SAMPLE_CHARS = 200_000
RESCUED_LINES = 20
"""Lines with misplaced quotes that are tried, of those there are."""
COMMON = (",", ";", "\t", "|", ", ", "; ")
RARE = (" ", ":", "^", "~", "§", "¬", "¦", "||", "::", "\x01", "\x1e", "\x1f", "#", "=", "*")
"""Delimiters that also occur within values: taken only where they part the first line too, and read much better."""

CLEAN = whole(
    r"""
      [+-]?[$€£¥]?\s?[+-]?[0-9][0-9.,' ]*(?:[eE][+-]?[0-9]+)?\s?[%€$£]?      # numbers, money
    | [0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[T ][0-9:.]+(?:\s?[AaPp][Mm])?)?(?:Z|[+-][0-9:]+)?   # dates
    | [0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:\s?[AaPp][Mm])?       # times
    | [^\W_]+                                                                # words
    | [^\s@,;|]+@[^\s@,;|]+\.[a-zA-Z]+                                       # e-mail
    | (?:https?|ftp)://[^\s,;|"]+                                            # addresses
    | [\w.+#*°/()<>=%&:'’-]+(?:[ ][\w.,+#*°/()<>=%&:'’!?-]+)*                # names, codes, sentences
    """,
    VERBOSE,
)
POINTED = whole(r"[+-]?[0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)?")
NUMBER = whole(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
DATE = whole(
    r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}(?:[T ][0-9]{1,2}:[0-9:.]+(?: ?[AaPp][Mm])?(?:Z|[+-][0-9:]+)?)?"
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?"
)


@dataclass(frozen=True)
class Found:
    """A dialect and how well it reads the beginning of the text."""

    dialect: Dialect
    width: int
    score: float


def line_end(text: str) -> str:
    """What ends the lines: a line feed (a carriage return before it belongs to the end), or a carriage return."""
    return "\r" if "\r" in text and "\n" not in text else "\n"


def lines_of(text: str) -> list[str]:
    """The lines of a text, cut at line feeds (or at carriage returns); a last line end begins no further line."""
    lines = text.split(line_end(text))
    if lines and not lines[-1]:
        lines.pop()
    return lines


def sniff(text: str, delimiter: str | None = None, quote: str | None = None, escape: str | None = None) -> Found:
    """The dialect of a text that begins so; what is given is kept."""
    lines = lines_of(text[:SAMPLE_CHARS])[:SAMPLE_LINES]
    if len(text) > SAMPLE_CHARS and len(lines) > 1 and len(lines) < SAMPLE_LINES:
        lines.pop()  # cut in the middle
    best = _alone(lines, quote)
    if delimiter is not None:
        best = Found(best.dialect, 1, -1.0)
    sample, effort = "\n".join(lines), Effort()
    for candidates, advantage in ((COMMON, 1.0), (RARE, 1.25)):
        bar = best.score * advantage
        for mark in (delimiter,) if delimiter else candidates:
            if mark not in sample:
                continue
            for dialect in _dialects(mark, sample, quote, escape):
                found = _tried(
                    lines, dialect, effort, parts_first=delimiter is None and (mark in RARE or len(mark) > 1)
                )
                if found.score > max(best.score, bar) or (delimiter and found.score >= best.score):
                    best = found
        if delimiter:
            break
    if delimiter and best.dialect.delimiter != delimiter:
        return Found(next(iter(_dialects(delimiter, sample, quote, escape))), 1, 0.0)
    return best


def _dialects(mark: str, sample: str, quote: str | None, escape: str | None):
    """The dialects with this delimiter that the text could be in."""
    quotes = [quote] if quote is not None else [q for q in ('"', "'") if _surrounds(q, mark, sample)] or ['"']
    for q in quotes:
        escapes = [escape] if escape is not None else [""]
        if escape is None and q and "\\" + q in sample:
            escapes.append("\\")
        if escape is None and q and "\0" + q in sample:
            escapes.append("\0")
        for e in escapes:
            yield Dialect(mark, q, "" if e == q else e)


def _surrounds(quote: str, mark: str, sample: str) -> bool:
    """Whether some cell is surrounded by this quote; a double one need only open."""
    for line in sample.split("\n"):
        first, opened, _ = (mark + line).partition(mark + quote)
        end = line.removesuffix("\r") + mark
        if opened and (quote == '"' or end.rfind(quote + mark) > len(first)):
            return True
    return False


def _tried(lines: list[str], dialect: Dialect, effort: Effort, parts_first: bool = False) -> Found:
    """How well a dialect reads the lines; with `parts_first` it must part the first line as it does the others."""
    rows, broken, filled = [], [], 0
    for record in records(lines, dialect):
        if not record.text.strip():
            continue
        filled += 1
        if record.cells is None:
            broken.append(record.text)
        else:
            rows.append(record.cells)
    if not rows:
        return Found(dialect, 1, 0.0)
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda w: (widths[w] * (w > 1), w))
    if width == 1:
        return Found(dialect, 1, 0.0)
    if len(broken) > 0.1 * filled:  # quotes are often misplaced here: that alone is not against the dialect
        some = broken[:RESCUED_LINES]
        rescued = [cells for line in some if (cells := requoted(line, dialect, width, effort))]
        rows += [cells for cells in rescued for _ in range(len(broken) // len(some))]
    if parts_first and len(rows[0]) != width and not (width > 3 and len(rows[0]) == width - 1):
        return Found(dialect, 1, 0.0)
    regular = [row for row in rows if len(row) == width]
    if len(regular) < min(2, filled):
        return Found(dialect, 1, 0.0)
    evenness = len(regular) / filled
    clean = sum(_cleanness(cell, dialect) for row in regular for cell in row) / (width * len(regular))
    alike = _likeness(regular[1:] or regular)
    score = evenness**1.5 * (0.1 + 0.9 * clean) ** 2 * (0.4 + 0.6 * alike) * (1 - 0.5 / width)
    return Found(dialect, width, score)


def _alone(lines: list[str], quote: str | None) -> Found:
    """The text as one column."""
    cells = [line.strip() for line in lines if line.strip()]
    if not cells:
        return Found(Dialect("", quote if quote is not None else '"'), 1, 0.0)
    whole = sum(bool(POINTED.fullmatch(c.strip('" ')) or DATE.fullmatch(c.strip('" '))) for c in cells) / len(cells)
    words = sum(0.0 if any(mark in c for mark in ",;\t|") else _cleanness(c.strip('"'), None) for c in cells) / len(
        cells
    )
    return Found(Dialect("", quote if quote is not None else '"'), 1, 0.05 + 0.25 * words**2 + 0.45 * whole**2)


def _cleanness(cell: str, dialect: Dialect | None) -> float:
    return _clean(cell, dialect.delimiter if dialect else "", dialect.quote if dialect else '"')


@lru_cache(maxsize=1 << 15)
def _clean(cell: str, delimiter: str, quote: str) -> float:
    """How much a text looks like one value: 1 a typed one, 0 one in which other delimiters are left."""
    if not cell:
        return 0.9
    if CLEAN.fullmatch(cell):
        # A value with other delimiters in it is less likely one value.
        return 0.75 if delimiter != "," and "," in cell and not NUMBER.fullmatch(cell) else 1.0
    if cell.isspace():
        return 0.7
    stray = sum(cell.count(mark) for mark in (";", "\t", "|") if mark != delimiter)
    stray += 2 * (cell.count('"') if quote == '"' else 0)
    if cell[:1] in (" ", "\t") or cell[-1:] in (" ", "\t"):
        inner = _clean(cell.strip(" \t"), delimiter, quote)
        return 0.9 * inner
    return 0.8 if not stray else max(0.0, 0.6 - 0.2 * stray)


def _likeness(rows: list[list[str]]) -> float:
    """How alike the cells of each column are, from 0 to 1, on average."""
    total = 0.0
    for column in zip(*rows, strict=True):
        sorts = Counter(_sort(cell) for cell in column if cell)
        total += max(sorts.values()) / sum(sorts.values()) if sorts else 0.7
    return total / len(rows[0])


def _sort(cell: str) -> str:
    if NUMBER.fullmatch(cell.strip()):
        return "number"
    if DATE.fullmatch(cell.strip()):
        return "date"
    return "text"


def is_typed(cell: str) -> bool:
    """Whether a cell is a number, a date or a time."""
    cell = cell.strip()
    return bool(cell) and (NUMBER.fullmatch(cell.strip("$€£% ")) is not None or DATE.fullmatch(cell) is not None)
