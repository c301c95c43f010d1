"""How close are drawn rows to real ones, asked after every few steps of a training.

The losses of a GAN say nothing about its tables; this does. Columns are cut into few bins, and the drawn rows'
one- and two-column shares compared with those of a validation slice that training did not see. All pairs of columns
come out of one matrix product, so a probe costs a few per cent of an epoch.
"""

from __future__ import annotations

import numpy as np

from synth.generators.neural.mode_encoder import Code, Modes

BINS = 10
MOST_COLUMNS = 60
"""Beyond this many columns, a fixed draw of them is watched."""


class Probe:
    """Compares drawn rows with the validation slice: 1 when all shares agree, 0 when none overlap.

    `quality` is the mean of column shapes and column pair trends, each 1 - total variation distance.
    """

    def __init__(self, modes: Modes, validation: Code, seed: int):
        self.modes = modes
        blocks = len(modes.widths)
        rng = np.random.default_rng([seed, 2])
        self.columns = np.sort(rng.permutation(blocks)[:MOST_COLUMNS])
        amounts = modes.amounts(validation)
        self.cuts = [_cuts(column) for column in amounts.T]
        # A level beyond the most frequent ones counts as one of the others.
        self.kept = {
            place: np.bincount(validation.levels[:, place], minlength=modes.widths[place]).argsort(kind="stable")[::-1]
            for place in range(modes.numbers, blocks)
        }
        self.widths = np.array(
            [
                len(self.cuts[place]) + 2 if place < modes.numbers else min(modes.widths[place], 2 * BINS)
                for place in self.columns
            ]
        )
        self.starts = np.concatenate([[0], self.widths.cumsum()[:-1]]).astype(int)
        self.real = self._shares(validation)

    def quality(self, drawn: Code) -> float:
        apart = np.abs(self._shares(drawn) - self.real) / 2
        apart = np.add.reduceat(np.add.reduceat(apart, self.starts, axis=0), self.starts, axis=1)
        single = np.diagonal(apart)
        if len(single) == 1:
            return float(1 - single[0])
        pairs = apart[np.triu_indices(len(single), 1)]
        return float(1 - (single.mean() + pairs.mean()) / 2)

    def _shares(self, code: Code) -> np.ndarray:
        """Share of the rows in each bin of each column (diagonal) and of each pair of columns."""
        amounts = self.modes.amounts(code)
        lit = np.zeros((len(code), self.widths.sum()), dtype=np.float32)
        rows = np.arange(len(code))
        for place, start, width in zip(self.columns, self.starts, self.widths, strict=True):
            if place < self.modes.numbers:
                column = amounts[:, place]
                bins = np.searchsorted(self.cuts[place], column, side="right")
                bins = np.where(np.isnan(column), width - 1, bins)
            else:
                rank = np.empty(self.modes.widths[place], dtype=int)
                rank[self.kept[place]] = np.arange(len(rank))
                bins = np.minimum(rank[code.levels[:, place]], width - 1)
            lit[rows, start + bins] = 1
        return lit.T @ lit / len(code)


def _cuts(amounts: np.ndarray) -> np.ndarray:
    """Borders of about equally full bins, none of them on a value.

    A value of many rows, such as 0, gets a bin to itself with room on both sides, since what a network draws lies
    near it and is rounded to it later.
    """
    known = amounts[~np.isnan(amounts)]
    hair = known.std() * 1e-4 if len(known) else 0.0
    if not hair:
        return np.empty(0)
    values, counts = np.unique((known / hair).round() * hair, return_counts=True)  # coding costs the last digits
    below = counts.cumsum() / counts.sum()
    above = np.searchsorted(below, np.linspace(0, 1, BINS + 1)[1:-1])
    heavy = np.flatnonzero(counts > counts.sum() / BINS)
    borders = np.unique(np.concatenate([above, heavy, heavy - 1]))
    borders = borders[(borders >= 0) & (borders < len(values) - 1)]
    return (values[borders] + values[borders + 1]) / 2
