"""The last digits that a column's numbers end in: prices in .99, charges in multiples of .05, weights in tens."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

MODULI = (10, 100, 1000)
FEWEST = 5
"""Rows in which an ending must occur."""
COVERED = 0.98
"""Share of the rows that the endings must have, all together."""
LOOSER = 1.3
"""So many times the share of endings of the tightest may the others have."""
NARROW = 0.002
"""Numbers are moved to an ending drawn by its share when that moves them by less than this of their spread."""


class Endings(BaseModel):
    """Few of the possible last digits, and how often each occurs."""

    model_config = ConfigDict(extra="forbid")

    decimals: int
    modulus: int
    """Numbers are counted in units of the last decimal; an ending is the rest of a division by this."""
    rests: list[int]
    shares: list[float]

    @classmethod
    def learn(cls, numbers: np.ndarray, decimals: int) -> Self | None:
        """The endings of numbers with at most so many decimals; None when they end in anything."""
        units = np.round(np.abs(numbers) * 10.0**decimals)
        if len(units) < 10 * FEWEST or not (units < 2**53).all():
            return None
        units = units.astype(np.int64)
        found: list[Self] = []
        for modulus in MODULI:
            if units.max() < 3 * modulus:
                continue
            counts = np.bincount(units % modulus, minlength=modulus)
            kept = np.flatnonzero(counts >= FEWEST)
            few = len(kept) <= modulus // 2 and len(units) >= 2 * FEWEST * len(kept)
            # Where zeros at the end are left out, a number with so many decimals ends in no zero.
            few |= modulus == 10 and len(kept) == 9 and not counts[0] and len(units) >= 20 * FEWEST
            if few and counts[kept].sum() >= COVERED * len(units):
                shares = counts[kept] / counts[kept].sum()
                found.append(cls(decimals=decimals, modulus=modulus, rests=kept.tolist(), shares=shares.tolist()))
        # The fewest digits that say nearly as much: multiples of 0.05 need one, prices in .99 two.
        tightest = min((len(one.rests) / one.modulus for one in found), default=1.0)
        return next((one for one in found if len(one.rests) / one.modulus <= LOOSER * tightest), None)

    def apply(
        self, numbers: np.ndarray, reach: tuple[float, float], rng: np.random.Generator | None = None
    ) -> np.ndarray:
        """The numbers, none of them missing, with such an ending, within the reach.

        With `rng` the endings are drawn by their shares where that changes the numbers little; else each number
        gets the nearest ending.
        """
        scale = 10.0**self.decimals
        units, signs = np.abs(numbers) * scale, np.where(numbers < 0, -1.0, 1.0)
        rests = np.asarray(self.rests)
        if rng is not None and self.modulus < NARROW * scale * (reach[1] - reach[0]):
            rest = rng.choice(rests, len(units), p=self.shares)
            ended = np.round((units - rest) / self.modulus) * self.modulus + rest
        else:
            whole = np.floor(units / self.modulus) * self.modulus
            around = np.concatenate([rests - self.modulus, rests, rests + self.modulus])
            place = np.searchsorted(around, units - whole)
            below, above = around[np.maximum(place - 1, 0)], around[np.minimum(place, len(around) - 1)]
            up, down = above - (units - whole), units - whole - below
            # Half of those in the middle go up: a model draws many there.
            odd = np.floor((whole + below) / max(1, self.modulus // len(rests))) % 2 == 1
            ended = whole + np.where((up < down) | ((up == down) & odd), above, below)
        ended = np.where(ended < 0, ended + self.modulus, ended) * signs / scale
        step = self.modulus / scale
        ended = np.where(ended < reach[0], ended + step, ended)
        ended = np.where(ended > reach[1], ended - step, ended)
        return np.clip(ended, *reach)
