"""Comparison with the training rows, of synthetic and of held-out rows: shared by the fidelity metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TypeVar

import numpy as np

from metrics.base import NotMeasurable, Score, Tables, once
from metrics.detail import ColumnScore, GroupScore
from metrics.tools.encode import Encoded, Side, encoded
from metrics.tools.intervals import around
from metrics.tools.sampling import randomness, sample_rows

DRAW_ROWS = 2000
WIDE = 30
"""Tables with more columns have so many pairs that fewer samples of them must do."""


@dataclass(frozen=True)
class Sides:
    """The tables compared with train: synthetic, holdout if there is one, and samples of both for the intervals."""

    all: list[Side]
    names: list[str]
    """What the first of them are; the others are subsets of synthetic as large as the holdout, then draws."""
    subsets: int
    draws_of_each: int

    def rows(self, which: int) -> int:
        return self.all[which].rows

    def draws(self, which: int) -> slice:
        """Where the draws from the first (0) or second (1) table are."""
        start = len(self.names) + self.subsets + which * self.draws_of_each
        return slice(start, start + self.draws_of_each)


@once
def sides_of(tables: Tables) -> Sides:
    """The tables to compare with train, and the samples of them from which the intervals come."""
    tables_encoded = encoded(tables)
    synthetic, holdout = tables_encoded.synthetic, tables_encoded.holdout
    subset_count, draw_count = (4, 20) if len(tables_encoded.names) <= WIDE else (2, 8)
    rng = randomness(tables.seed, "intervals")
    firsts = {"synthetic": synthetic} | ({"holdout": holdout} if holdout else {})
    subsets = [
        synthetic.take(sample_rows(synthetic.rows, holdout.rows, tables.seed, f"subset {place}"))
        for place in range(subset_count)
        if holdout and holdout.rows < synthetic.rows
    ]
    draws = [
        side.take(rng.integers(0, side.rows, min(side.rows, DRAW_ROWS)))
        for side in firsts.values()
        for _ in range(draw_count)
    ]
    return Sides([*firsts.values(), *subsets, *draws], list(firsts), len(subsets), draw_count)


@dataclass(frozen=True)
class Compared:
    """A measurement of many items (columns, pairs) on the synthetic rows and on the holdout rows."""

    score: Score
    synthetic: np.ndarray
    """One number per item; NaN where an item has none."""
    holdout: np.ndarray | None

    def item(self, place: int) -> dict[str, float | None]:
        """The numbers of one item, for the detail of the score: fields of `ColumnScore` and of `GroupScore`."""
        reference = None if self.holdout is None else plain(self.holdout[place])
        return {"score": plain(self.synthetic[place]), "reference": reference}


def compare(
    tables: Tables,
    measure: Callable[[list[Side]], np.ndarray],
    weights: np.ndarray | None = None,
    bounds: tuple[float | None, float | None] = (0.0, 1.0),
) -> Compared:
    """Measure how near the synthetic rows are to train, and how near the holdout rows are.

    `measure` takes sides to compare with train and gives a row of numbers for each; the value of a side is their
    mean, weighted by `weights` (default: equally; weight 0 leaves an item out). All sides go in together, so that
    what concerns train alone is computed once. The interval is the spread of bootstrap draws of at most 2,000 rows,
    scaled to the size of the table (m out of n bootstrap: Bickel, Götze and van Zwet 1997), around the value on all
    rows: resampling doubles the noise that a distance between distributions contains, and so shifts its level.
    Raises NotMeasurable when no item has a number.
    """
    sides = sides_of(tables)
    found = measure(sides.all)
    weights = np.ones(found.shape[1]) if weights is None else weights
    there = np.isfinite(found) & (weights > 0)
    if not there[0].any():
        raise NotMeasurable(
            "Nothing can be compared: the columns concerned are empty or constant in one of the tables."
        )
    with np.errstate(invalid="ignore"):
        means = (np.where(there, found, 0) @ weights) / (there @ weights)

    def interval(which: int) -> tuple[float, float]:
        spread = means[sides.draws(which)]
        spread = spread[np.isfinite(spread)]
        deviation = float(np.std(spread, ddof=1)) if len(spread) > 1 else 0.0
        return around(float(means[which]), deviation * min(1.0, DRAW_ROWS / sides.rows(which)) ** 0.5, bounds)

    has_reference = len(sides.names) > 1 and np.isfinite(means[1])
    # A small subset may lack every value of the columns compared.
    subsets = means[len(sides.names) : len(sides.names) + sides.subsets]
    subsets = subsets[np.isfinite(subsets)]
    score = Score(
        value=float(means[0]),
        ci=interval(0),
        reference=float(means[1]) if has_reference else None,
        reference_ci=interval(1) if has_reference else None,
        at_holdout_size=float(np.mean(subsets)) if len(subsets) and has_reference else None,
        note="" if len(sides.names) > 1 else NO_HOLDOUT,
    )
    return Compared(score, found[0], found[1] if len(sides.names) > 1 else None)


Scored = TypeVar("Scored", bound=ColumnScore | GroupScore)
NO_HOLDOUT = "No rows were held out, so there is no benchmark to compare with."


def plain(value: float | None, digits: int = 6) -> float | None:
    """A number for JSON: rounded, None for NaN."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def worst_first(items: list[Scored]) -> list[Scored]:
    """Items by score, lowest first, those without a score last."""
    return sorted(items, key=lambda item: (item.score is None, item.score))


@dataclass(frozen=True)
class Stack:
    """Train and the sides compared with it, one below the other and all in codes, so that they are counted at once."""

    owner: np.ndarray
    """Which table each row belongs to; 0 is train."""
    tables: int
    codes: dict[str, np.ndarray]
    sizes: dict[str, int]
    """How many codes a column can have."""

    @classmethod
    def of(
        cls,
        tables_encoded: Encoded,
        sides: list[Side],
        cut: Callable[[str, Side], np.ndarray],
        sizes: dict[str, int],
    ) -> Stack:
        """All columns as codes; `cut(name, side)` gives them."""
        everyone = [tables_encoded.train, *sides]
        owner = np.repeat(np.arange(len(everyone), dtype=np.int32), [side.rows for side in everyone])
        codes = {
            name: np.concatenate([cut(name, side) for side in everyone]).astype(np.int32)
            for name in tables_encoded.names
        }
        return cls(owner, len(everyone), codes, sizes)

    def counts(self, *names: str) -> np.ndarray:
        """Tables x cells: how many rows of each lie in each cell of the cross table of these columns."""
        size = prod(self.sizes[name] for name in names)
        if size * self.tables > 4 * len(self.owner) + 100_000:
            # A cross table of two columns with 20,000 levels is mostly empty: only the cells that occur.
            occurring, cells = np.unique(self._keys(np.int64(0), names), return_inverse=True)
            size = len(occurring)
            keys = self.owner.astype(np.int64) * size + cells
        else:
            # In 32 bits, which is twice as quick: there are fewer cells than that.
            keys = self._keys(self.owner, names)
        return np.bincount(keys, minlength=self.tables * size).reshape(self.tables, size)

    def _keys(self, first: np.ndarray | np.int64, names: tuple[str, ...]) -> np.ndarray:
        """One number per row for its codes in these columns, of the type of `first`, which counts foremost."""
        keys = first
        for name in names:
            keys = keys * first.dtype.type(self.sizes[name]) + self.codes[name]
        return keys

    def distances(self, *names: str) -> np.ndarray:
        """Total variation distance of each side from train over the cross table of these columns."""
        return total_variations(self.counts(*names))


def total_variations(counts: np.ndarray) -> np.ndarray:
    """Half the summed difference of each row's shares from the first row's; NaN where a row counts nothing."""
    totals = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        shares = counts / totals
    return np.abs(shares[1:] - shares[0]).sum(axis=1) / 2
