"""Polishing: of a larger pool of drawn rows, those that together look most like the training table.

How rows look together are shares: of each column's bins, and of the bins of each two columns. Beginning with rows of
the pool taken at random, rows are exchanged for others of the pool as long as that brings these shares closer to the
training table's. A share is close enough within a standard error of what fresh rows would show: closer would follow
these training rows and not the people they stand for (of a pool half training rows, half fresh ones, 55 % of those kept
would be training rows; so it is 51 %). Rows are never made nor altered here, so rules that they keep stay kept.
The idea is that of the winner of the MOSTLY AI Prize 2025.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from synth.columns.association import associations
from synth.columns.encoders import CategoryEncoder
from synth.columns.numeric import as_floats
from synth.schema import Column, Schema

PART = 50_000
"""Rows kept at once, at most."""
FEW = 10
"""Training rows that a bin holds, at least; cells of two columns with fewer are one. No figure is about fewer people."""
FINE = 100
"""Bins of a column of numbers by itself."""
SCALES = (2, 4, 8, 16, 32)
"""Into so many parts a column of numbers is cut too."""
COARSE = np.array([0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98])
"""Where a column is cut when it is looked at beside another."""
MOST_PAIRS = 500
BEND = 3.0
"""From so many standard errors beyond noise on, what a share is off counts as it is and no longer by its square: where a pool lacks
some kind of row, the other shares are not given up for it."""
SWEEPS = 20
BLOCKS, LARGEST = 25, 4_000
"""Parts of the pool that are looked at one after another, and most rows of one."""
STILL = 0.002
"""Sweeps end when one exchanges less than this share of the rows."""


class Bins:
    """A column cut into bins: numbers at `cuts`, or levels. The last bin is of missing values."""

    def __init__(self, cuts: np.ndarray | None, levels: CategoryEncoder | None):
        self.cuts, self.levels = cuts, levels

    @classmethod
    def learn(cls, values: pd.Series, column: Column) -> Self:
        if column.kind in ("category", "boolean"):
            return cls(None, CategoryEncoder.counted(values, column, FEW))
        amounts = as_floats(values)
        amounts = np.sort(amounts[~np.isnan(amounts)])
        count = max(min(FINE, len(amounts) // FEW), 1)
        distinct, ends = np.unique(amounts), amounts[np.arange(1, count) * len(amounts) // count]
        after = np.unique(np.concatenate([np.searchsorted(distinct, ends, side) for side in ("left", "right")]))
        after = after[(after > 0) & (after < len(distinct))]
        # Between two values, so that no real one is kept; a value of many rows lies between cuts of its own.
        return cls((distinct[after - 1] + distinct[after]) / 2, None)

    @classmethod
    def of_json(cls, state: dict[str, Any]) -> Self:
        if "cuts" in state:
            return cls(np.array(state["cuts"]), None)
        return cls(None, CategoryEncoder(np.array(state["names"], str), state["rare"]))

    def to_json(self) -> dict[str, Any]:
        if self.levels is None:
            return {"cuts": self.cuts.tolist()}
        return {"names": self.levels.names.tolist(), "rare": self.levels.rest}

    def __len__(self) -> int:
        return (len(self.cuts) + 1 if self.levels is None else len(self.levels)) + 1

    def places(self, values: pd.Series) -> np.ndarray:
        """The bin of each value."""
        if self.levels is not None:
            return self.levels.encode(values) % len(self)
        amounts = as_floats(values)
        return np.where(np.isnan(amounts), len(self) - 1, np.searchsorted(self.cuts, amounts, "right"))

    def merged(self, counts: np.ndarray) -> np.ndarray:
        """For each bin its place among a dozen, 0 that of missing values; `counts` are the training rows in each."""
        counts = counts[:-1]
        if self.levels is None:
            place = np.searchsorted(COARSE, (np.cumsum(counts) - counts / 2) / max(counts.sum(), 1))
        else:
            place = np.minimum(np.argsort(np.argsort(-counts, kind="stable")), len(COARSE))
        return np.append(1 + np.unique(place, return_inverse=True)[1], 0)

    def groups(self, counts: np.ndarray) -> Iterator[np.ndarray]:
        """Coarser and coarser views of a column of numbers, each the group of every bin.

        Each of a hundred bins may be a little off and all of them in one direction; of two halves that is a lot.
        """
        yield np.arange(len(self))
        known = counts[:-1]
        for parts in SCALES if self.levels is None else ():
            place = (np.cumsum(known) - known / 2) * parts // max(known.sum(), 1)
            yield np.append(place.astype(int), parts)


class Margin(NamedTuple):
    """One column or two: the cell that a row lies in, and each cell's share of the training rows."""

    columns: list[int]
    cell_of: np.ndarray
    """Of a bin, or a pair of merged bins. Cell 0 is of all those that few training rows have."""
    shares: np.ndarray

    @classmethod
    def learn(cls, columns: list[int], codes: np.ndarray, group_of: np.ndarray) -> Self:
        """From the training rows' bins, and the group that each bin is in."""
        counts = np.bincount(group_of[codes], minlength=group_of.max() + 1)
        there = counts >= FEW
        shares = np.append(counts[~there].sum(), counts[there]) / len(codes)
        return cls(columns, np.where(there, np.cumsum(there), 0)[group_of], shares)


class Polish:
    """What the training table's rows look like together."""

    def __init__(
        self, names: list[str], bins: list[Bins], merged: list[np.ndarray], margins: list[Margin], rows_seen: int
    ):
        self.names, self.bins, self.merged, self.margins, self.rows_seen = names, bins, merged, margins, rows_seen
        """`merged`: for each column, the place of its bins among the fewer that pairs are made of."""

    @classmethod
    def learn(cls, table: pd.DataFrame, schema: Schema) -> Self:
        """From the columns of `schema` in the training table."""
        bins = [Bins.learn(table[column.name], column) for column in schema]
        fine = [one.places(table[column.name]) for one, column in zip(bins, schema, strict=True)]
        counts = [np.bincount(places, minlength=len(one)) for one, places in zip(bins, fine, strict=True)]
        merged = [one.merged(count) for one, count in zip(bins, counts, strict=True)]
        polish = cls(schema.names, bins, merged, [], len(table))
        pairs = list(combinations(range(len(bins)), 2))
        if len(pairs) > MOST_PAIRS:
            said = associations([of[places[:4000]] for of, places in zip(merged, fine, strict=True)])
            pairs = sorted(sorted(pairs, key=lambda pair: -said[pair])[:MOST_PAIRS])
        for place, (one, count) in enumerate(zip(bins, counts, strict=True)):
            polish.margins += [Margin.learn([place], fine[place], group_of) for group_of in one.groups(count)]
        for pair in map(list, pairs):
            codes, most = polish._codes(pair, fine)
            polish.margins.append(Margin.learn(pair, codes, np.arange(most)))
        return polish

    def _codes(self, columns: list[int], fine: list[np.ndarray]) -> tuple[np.ndarray, int]:
        """The bin, or the pair of merged bins, that each row lies in, and how many there are."""
        if len(columns) == 1:
            return fine[columns[0]], len(self.bins[columns[0]])
        left, right = (self.merged[place][fine[place]] for place in columns)
        width = self.merged[columns[1]].max() + 1
        return left * width + right, (self.merged[columns[0]].max() + 1) * width

    def keep(self, pool: pd.DataFrame, rows: int, rng: np.random.Generator) -> np.ndarray:
        """Positions of the `rows` rows of `pool` to be kept."""
        fine = [one.places(pool[name]) for one, name in zip(self.bins, self.names, strict=True)]
        cells = np.empty((len(pool), len(self.margins)), np.uint16)
        for place, margin in enumerate(self.margins):
            cells[:, place] = margin.cell_of[self._codes(margin.columns, fine)[0]]
        kept = np.zeros(len(pool), bool)
        kept[rng.permutation(len(pool))[:rows]] = True
        _Exchange(self.margins, cells, kept, self.rows_seen).run(rng)
        return np.flatnonzero(kept)

    def save(self, file: Path) -> None:
        about = {
            "rows_seen": self.rows_seen,
            "columns": [
                {"name": name, "bins": bins.to_json(), "merged": merged.tolist()}
                for name, bins, merged in zip(self.names, self.bins, self.merged, strict=True)
            ],
            "margins": [[margin.columns, margin.cell_of.tolist(), margin.shares.tolist()] for margin in self.margins],
        }
        file.write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        about = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            [column["name"] for column in about["columns"]],
            [Bins.of_json(column["bins"]) for column in about["columns"]],
            [np.array(column["merged"]) for column in about["columns"]],
            [Margin(columns, np.array(cell_of), np.array(shares)) for columns, cell_of, shares in about["margins"]],
            about["rows_seen"],
        )


class _Exchange:
    """Kept rows are exchanged for others of the pool as long as the shares come closer to those wanted."""

    def __init__(self, margins: list[Margin], cells: np.ndarray, kept: np.ndarray, rows_seen: int):
        self.cells, self.kept = cells, kept
        sizes = np.array([len(margin.shares) for margin in margins])
        self.starts = np.cumsum(sizes) - sizes
        shares = np.concatenate([margin.shares for margin in margins])
        rows = kept.sum()
        self.wanted = shares * rows
        # Of fresh rows, and of the training rows that the shares are those of.
        self.error = np.sqrt(np.maximum(self.wanted * (1 - shares) * (1 + rows / rows_seen), 1.0))
        self.counts = self._counted(np.flatnonzero(kept))

    def _counted(self, rows: np.ndarray) -> np.ndarray:
        """How many of the rows lie in each cell of all margins."""
        return np.bincount((self.cells[rows] + self.starts).ravel(), minlength=len(self.wanted))

    def _off(self, counts: np.ndarray) -> tuple[float, np.ndarray]:
        """How far the counts are off in all, and how much worse one more row in each cell makes it."""
        off = counts - self.wanted
        off = np.sign(off) * np.maximum(np.abs(off) - self.error, 0)
        bend = BEND * self.error
        far = np.hypot(off, bend)
        return float((far - bend).sum()), off / far

    def run(self, rng: np.random.Generator) -> None:
        off, worse = self._off(self.counts)
        share = 0.1
        for _ in range(SWEEPS):
            before, exchanged = off, 0
            blocks = max(BLOCKS, -(-len(self.kept) // LARGEST))
            for block in np.array_split(rng.permutation(len(self.kept)), blocks):
                leaving, coming = self._candidates(block, worse, share)
                while len(leaving):
                    counts = self.counts + self._counted(coming) - self._counted(leaving)
                    now, worse_now = self._off(counts)
                    if now < off:
                        self.counts, off, worse = counts, now, worse_now
                        self.kept[leaving], self.kept[coming] = False, True
                        exchanged += len(leaving)
                        break
                    leaving, coming = leaving[: len(leaving) // 2], coming[: len(coming) // 2]
            if exchanged < STILL * self.kept.sum():
                break
            if off > 0.97 * before:
                share /= 2

    def _candidates(self, block: np.ndarray, worse: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the block that had better leave, and as many that had better come, the most urgent first."""
        burden = worse[self.cells[block] + self.starts].sum(axis=1)
        is_kept = self.kept[block]
        order = np.argsort(burden, kind="stable")
        leaving, coming = order[is_kept[order]][::-1], order[~is_kept[order]]
        pairs = min(len(leaving), len(coming))
        gains = burden[leaving[:pairs]] > burden[coming[:pairs]]
        pairs = min(int(gains.sum()), max(int(share * pairs), 1))
        return block[leaving[:pairs]], block[coming[:pairs]]
