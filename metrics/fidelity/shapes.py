"""Does the synthetic table look like the real one? Single columns, and pairs of columns."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables
from metrics.detail import ColumnScore, ColumnScores, GroupScore, PairScores
from metrics.registry import metric
from metrics.tools.compare import Stack, compare, plain, total_variations, worst_first
from metrics.tools.encode import Encoded, Side, encoded, equal_edges

SDMETRICS = "SDMetrics 0.32, QualityReport"


class ColumnShape(ColumnScore):
    measure: str


class ColumnShapesDetail(ColumnScores):
    columns: list[ColumnShape]


class PairTrend(GroupScore):
    measure: str
    strength: float | None
    """How strongly the pair is associated in the training rows."""
    synthetic_correlation: float | None
    counted: bool


class PairTrendsDetail(PairScores):
    pairs: list[PairTrend]
    all_pairs: float | None
    """The mean over all pairs, associated or not."""


@metric(
    "Column shapes",
    "fidelity",
    "Does each column, taken alone, have the same distribution as in the real data?",
    0,
    1,
    "high",
    detail=ColumnShapesDetail,
    place=10,
    why="1 means every column has exactly the real distribution.",
    matters=0.005,
    source=SDMETRICS + ", Column Shapes",
)
def column_shapes(tables: Tables) -> Score:
    """Does each column, taken alone, have the same distribution as in the real data?

    Draw the histograms of one column, real and synthetic, one over the other: how much of the area do they share?
    For numbers and dates the complement of the Kolmogorov-Smirnov distance (the largest gap between the two
    cumulative curves), for levels the complement of the total variation distance; missing values left out; then the
    mean over the columns. In [0, 1]. Source: SDMetrics, Column Shapes (equal to it to 1e-6).
    """
    tables_encoded = encoded(tables)
    compared = compare(tables, lambda sides: shapes(tables_encoded, sides))
    columns = [
        ColumnShape(
            column=name,
            measure="total variation" if name in tables_encoded.levels else "Kolmogorov-Smirnov",
            **compared.item(place),
        )
        for place, name in enumerate(tables_encoded.names)
    ]
    score = compared.score
    score.detail = ColumnShapesDetail(columns=worst_first(columns))
    undefined = [column.column for column in columns if column.score is None]
    if undefined:
        note = f"Not counted, since a table has no value in them: {', '.join(undefined)}."
        score.note = f"{score.note} {note}".strip()
    return score


def shapes(tables_encoded: Encoded, sides: list[Side]) -> np.ndarray:
    """One row per side, one number per column: the complement of its distance from train's column."""
    found = np.full((len(sides), len(tables_encoded.names)), np.nan)
    for place, name in enumerate(tables_encoded.names):
        if name in tables_encoded.levels:
            size = len(tables_encoded.levels[name])
            columns = [side.codes[name] for side in (tables_encoded.train, *sides)]
            counts = np.array([np.bincount(codes, minlength=size + 1)[:size] for codes in columns])
            found[:, place] = 1 - total_variations(counts)
        else:
            real = settled(tables_encoded.train.numbers[name])
            found[:, place] = [1 - kolmogorov_smirnov(real, settled(side.numbers[name])) for side in sides]
    return found


def settled(numbers: np.ndarray) -> np.ndarray:
    """The values that are there, sorted, and rounded as SDMetrics does (0.1 + 0.2 is 0.3)."""
    numbers = numbers[~np.isnan(numbers)]
    # Above 100 a float64 has no 14th decimal to round.
    if len(numbers) and np.abs(numbers).max() < 100:
        numbers = numbers.round(14)
    return np.sort(numbers)


def kolmogorov_smirnov(left: np.ndarray, right: np.ndarray) -> float:
    """The largest gap between the cumulative curves of two sorted samples; NaN when one is empty."""
    if not len(left) or not len(right):
        return float("nan")
    grid = np.concatenate([left, right])
    gaps = np.searchsorted(left, grid, "right") / len(left) - np.searchsorted(right, grid, "right") / len(right)
    return float(np.abs(gaps).max())


@metric(
    "Column pair trends",
    "fidelity",
    "Do the columns depend on each other as they do in the real data?",
    0,
    1,
    "high",
    detail=PairTrendsDetail,
    place=20,
    why="1 means every pair of columns is associated exactly as in the real data.",
    source=SDMETRICS + ", Column Pair Trends",
)
def column_pair_trends(tables: Tables) -> Score:
    """Do the columns depend on each other as they do in the real data?

    Husbands are men and pay grows with age: a reader notices at once when a table does not follow.
    Two columns of numbers: 1 - |difference of Pearson's correlations| / 2. Otherwise the complement of the total
    variation distance between the two-way tables, numbers cut into ten equal bins of their own table, missing as a
    level. The mean over the pairs associated in the real data (|correlation| above 0.5, Cramér's V above 0.3);
    over all pairs where none is. In [0, 1]. Source: SDMetrics, Column Pair Trends (equal to it to 1e-6).
    """
    tables_encoded = encoded(tables)
    if len(tables_encoded.names) < 2:
        raise NotMeasurable("There is only one column to compare, and a trend needs two.")
    pairs = list(combinations(tables_encoded.names, 2))
    numeric = np.array([is_numeric(tables_encoded, pair) for pair in pairs])
    strength = real_strength(tables_encoded, pairs)
    associated = np.abs(np.nan_to_num(strength)) > np.where(numeric, 0.5, 0.3)
    counted = associated if associated.any() else np.ones(len(pairs), dtype=bool)
    compared = compare(tables, lambda sides: trends(tables_encoded, sides, pairs), counted.astype(float))
    synthetic_correlations = paired_correlations(tables_encoded, tables_encoded.synthetic, pairs)
    items = [
        PairTrend(
            columns=list(pair),
            measure="correlation" if numeric[place] else "two-way table",
            **compared.item(place),
            strength=plain(strength[place]),
            synthetic_correlation=plain(synthetic_correlations[place]),
            counted=bool(counted[place]),
        )
        for place, pair in enumerate(pairs)
    ]
    score = compared.score
    defined = compared.synthetic[np.isfinite(compared.synthetic)]
    score.detail = PairTrendsDetail(pairs=worst_first(items), all_pairs=plain(float(np.mean(defined))))
    if not associated.any():
        note = "No two columns are strongly associated in the real data, so all pairs are counted."
        score.note = f"{score.note} {note}".strip()
    return score


def is_numeric(tables_encoded: Encoded, pair: tuple[str, str]) -> bool:
    """Whether both columns are numbers or dates."""
    return pair[0] not in tables_encoded.levels and pair[1] not in tables_encoded.levels


def trends(tables_encoded: Encoded, sides: list[Side], pairs: list[tuple[str, str]]) -> np.ndarray:
    """One row per side, one number per pair: how alike the pair's trend is to train's."""
    real = paired_correlations(tables_encoded, tables_encoded.train, pairs)
    found = np.array([1 - np.abs(paired_correlations(tables_encoded, side, pairs) - real) / 2 for side in sides])
    stack = binned(tables_encoded, sides)
    for place, pair in enumerate(pairs):
        if not is_numeric(tables_encoded, pair):
            found[:, place] = 1 - stack.distances(*pair)
    return found


def binned(tables_encoded: Encoded, sides: list[Side]) -> Stack:
    """Train and the sides in codes: levels as they are, numbers in ten equal bins of their own table's range."""
    sizes = {name: len(tables_encoded.levels.get(name, range(11))) + 1 for name in tables_encoded.names}
    return Stack.of(
        tables_encoded,
        sides,
        lambda name, side: side.codes[name] if name in side.codes else ten_bins(side.numbers[name]),
        sizes,
    )


def ten_bins(numbers: np.ndarray) -> np.ndarray:
    """Bin of each value, 1 to 11, as `np.digitize` over `np.histogram_bin_edges` gives it.

    The largest value and missing ones share bin 11: SDMetrics bins so, and its values are to be met.
    """
    return np.digitize(numbers, equal_edges(numbers))


def paired_correlations(tables_encoded: Encoded, side: Side, pairs: list[tuple[str, str]]) -> np.ndarray:
    """Pearson's correlation of each pair; NaN where one of its columns has levels or is constant."""
    place_of = {name: place for place, name in enumerate(tables_encoded.continuous)}
    matrix = correlations(side, tables_encoded.continuous)
    return np.array(
        [matrix[place_of[pair[0]], place_of[pair[1]]] if is_numeric(tables_encoded, pair) else np.nan for pair in pairs]
    )


def correlations(side: Side, names: list[str]) -> np.ndarray:
    """Pearson's correlation of each pair of columns over the rows that have both; NaN where a column is constant."""
    if not names:
        return np.empty((0, 0))
    table = np.column_stack([side.numbers[name] for name in names])
    there = ~np.isnan(table)
    known = there.sum(axis=0)
    centred = np.where(there, table - np.where(there, table, 0).sum(axis=0) / np.maximum(known, 1), 0)
    largest = np.abs(centred).max(axis=0, initial=0)
    centred /= np.where(largest > 0, largest, 1)
    mask = there.astype(float)
    n = mask.T @ mask
    with np.errstate(invalid="ignore", divide="ignore"):
        means = centred.T @ mask / n
        covariance = centred.T @ centred / n - means * means.T
        variance = (centred**2).T @ mask / n - means**2
        matrix = covariance / np.sqrt(variance * variance.T)
    # Below 1e-15 of the squared range a variance is rounding error.
    constant = (largest == 0) | (known == 0)
    undefined = (n < 2) | (variance < 1e-15) | (variance.T < 1e-15) | constant | constant[:, None]
    return np.where(undefined, np.nan, np.clip(matrix, -1, 1))


def real_strength(tables_encoded: Encoded, pairs: list[tuple[str, str]]) -> np.ndarray:
    """How strongly each pair is associated in train: Pearson's correlation, or Cramér's V of the two-way table."""
    stack = binned(tables_encoded, [])
    strength = paired_correlations(tables_encoded, tables_encoded.train, pairs)
    for place, (left, right) in enumerate(pairs):
        if not is_numeric(tables_encoded, (left, right)):
            strength[place] = cramers_v(stack.codes[left], stack.codes[right], stack.sizes[right])
    return strength


def cramers_v(left: np.ndarray, right: np.ndarray, right_size: int) -> float:
    """Association of two columns of codes, 0 to 1; NaN when one of them has a single level."""
    rows, columns = np.bincount(left), np.bincount(right)
    freedom = min(np.count_nonzero(rows), np.count_nonzero(columns)) - 1
    if freedom < 1:
        return float("nan")
    cells, counts = np.unique(left.astype(np.int64) * right_size + right, return_counts=True)
    # chi2 / n = sum of observed² / (row total * column total) - 1, so that empty cells need no memory.
    phi2 = float((counts**2 / (rows[cells // right_size] * columns[cells % right_size])).sum()) - 1
    return float(np.sqrt(max(phi2, 0.0) / freedom))
