"""How much a file may hold, and the sentence that refuses more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

from synth.errors import Invalid
from workspace.settings import Settings

T = TypeVar("T")


class ReadError(Invalid):
    """A file that cannot be read; the message is for the person who uploaded it."""


def _default(name: str) -> int:
    return Settings.model_fields[name].default


@dataclass(frozen=True)
class Limits:
    """What a table may have at most. It is asked before the work as far as a file tells, and while it is done."""

    columns: int = _default("max_columns")
    rows: int = _default("max_rows")
    cells: int = _default("max_cells")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.max_columns, settings.max_rows, settings.max_cells)

    def check_columns(self, columns: int, *, cut: bool = False) -> None:
        """Raise ReadError for a table with too many columns; with `cut` there may be more of them than were seen."""
        if columns > self.columns:
            raise ReadError(
                f"This table has {'at least ' if cut else ''}{columns:,} columns; at most {self.columns:,} are taken. "
                f"Leave some out, or raise UNDERSTUDY_MAX_COLUMNS."
            )

    def check(self, rows: int, columns: int) -> None:
        """Raise ReadError for a table with too many columns, rows or cells."""
        self.check_columns(columns)
        if rows > self.rows:
            raise ReadError(f"This table has more than {self.rows:,} rows. Split it, or raise UNDERSTUDY_MAX_ROWS.")
        self.check_cells(rows * columns)

    def check_cells(self, cells: int) -> None:
        """Raise ReadError for a table with too many cells."""
        if cells > self.cells:
            raise ReadError(f"This table has more than {self.cells:,} cells. Split it, or raise UNDERSTUDY_MAX_CELLS.")

    def counted(self, rows: Iterable[T], columns: int) -> Iterator[T]:
        """The rows of a table so wide, as long as there are not too many."""
        most = min(self.rows, self.cells // max(columns, 1))
        for number, row in enumerate(rows, 1):
            if number > most:
                self.check(number, columns)
            yield row


USUAL = Limits()
"""The limits of one who chose none."""
