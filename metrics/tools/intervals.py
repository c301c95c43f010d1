"""How sure a number is: 95 % intervals, by formula where there is one and by resampling elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from metrics.tools.sampling import randomness

Z = 1.959963984540054
"""Half-width of a 95 % normal interval, in standard deviations."""
Interval = tuple[float, float]


def clip(low: float, high: float, bounds: tuple[float | None, float | None] = (0.0, 1.0)) -> Interval:
    """The interval kept within what the value can be."""
    least, most = bounds
    low = low if least is None else max(low, least)
    high = high if most is None else min(high, most)
    return float(low), float(high)


def around(value: float, deviation: float, bounds: tuple[float | None, float | None] = (0.0, 1.0)) -> Interval:
    """The interval of a value that is normal with this standard deviation."""
    return clip(value - Z * deviation, value + Z * deviation, bounds)


def mean_interval(values: np.ndarray, bounds: tuple[float | None, float | None] = (0.0, 1.0)) -> Interval:
    """The interval of the mean of independent values."""
    deviation = float(np.std(values, ddof=1)) / sqrt(len(values)) if len(values) > 1 else 0.0
    return around(float(np.mean(values)), deviation, bounds)


def share_interval(hits: float, of: int) -> Interval:
    """The interval of a share, `hits` of `of`. Source: Wilson 1927."""
    if not of:
        return 0.0, 1.0
    share, z2 = hits / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    # At no hit and at nothing but hits, middle and half cancel out: what rounding leaves is not a bound.
    return clip(middle - half if hits else 0.0, middle + half if hits < of else 1.0)


def auc_interval(auc: float, positives: int, negatives: int) -> Interval:
    """The interval of an area under the ROC curve. Source: Hanley and McNeil 1982."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)
    return around(auc, sqrt(max(variance, 0.0) / (positives * negatives)))


def resampled(
    measure: Callable[[np.ndarray], float],
    value: float,
    rows: int,
    seed: int,
    *,
    draws: int | None = None,
    limit: int = 2000,
    bounds: tuple[float | None, float | None] = (0.0, 1.0),
) -> Interval:
    """The interval of `value`, which `measure` gave on all `rows` rows; `measure` takes row positions.

    The spread of `draws` bootstrap samples of at most `limit` rows, scaled to the table's size (m out of n
    bootstrap: Bickel, Götze and van Zwet 1997). Only the spread is used, around the value on all rows, because
    resampling doubles the noise that a distance between distributions contains, and so shifts its level. Of few rows
    more samples cost nothing, and 20 tell a spread only to a sixth.
    """
    rng = randomness(seed, "resampled")
    size = min(rows, limit)
    draws = draws or (20 if rows > limit else 60)
    again = np.array([measure(rng.integers(0, rows, size)) for _ in range(draws)])
    again = again[np.isfinite(again)]
    if len(again) < 2:
        return clip(value, value, bounds)
    return around(value, float(np.std(again, ddof=1)) * sqrt(size / rows), bounds)
