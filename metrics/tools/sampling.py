"""Randomness with a purpose: the same seed gives the same draws, and different purposes independent ones."""

from __future__ import annotations

import numpy as np


def randomness(seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for each purpose.

    With one generator for two tables, row 7 of the synthetic table would be drawn exactly when row 7 of train is,
    and where row 7 was made from row 7 the copies would find their originals too often.
    """
    return np.random.default_rng([seed, *purpose.encode()])


def sample_rows(rows: int, limit: int, seed: int, purpose: str) -> np.ndarray:
    """Positions of `limit` of `rows` rows drawn without repetition, in order; all of them when there are no more."""
    if rows <= limit:
        return np.arange(rows)
    return np.sort(randomness(seed, purpose).choice(rows, limit, replace=False))
