"""Coverage and adherence: what the synthetic table leaves out and what it invents."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from metrics.base import Score, Tables
from metrics.detail import ColumnScore, ColumnScores, GroupScore, PairScores
from metrics.registry import metric
from metrics.tools.compare import Compared, compare, plain, worst_first
from metrics.tools.encode import Encoded, Side, encoded
from metrics.tools.sampling import randomness

MOST_PAIRS = 500


class CoverageDetail(ColumnScores):
    columns: list[ColumnScore]


class MissingShares(GroupScore):
    real_share: float | None
    synthetic_share: float | None


class MissingnessDetail(ColumnScores, PairScores):
    columns: list[MissingShares]
    pairs: list[MissingShares]


@metric(
    "Coverage",
    "fidelity",
    "Does every level and the whole range of every column occur?",
    0,
    1,
    "high",
    detail=CoverageDetail,
    place=60,
    why="1 means that no level and no part of a range is left out; real samples leave out rare ones too.",
    matters=0.1,
    source="SDMetrics, CategoryCoverage and RangeCoverage",
)
def coverage(tables: Tables) -> Score:
    """Does every level and the whole range of every column occur?

    After mode collapse a generator gives only the common cases: no widowers, nobody above 70. Levels: the share of
    train's levels that occur. Numbers and dates: the share of train's range, smallest to largest, that lies between
    the smallest and the largest. The mean over the columns. In [0, 1].
    """
    tables_encoded = encoded(tables)
    compared = compare(tables, lambda sides: np.array([covered(tables_encoded, side) for side in sides]))
    return with_columns(compared, tables_encoded)


def covered(tables_encoded: Encoded, side: Side) -> np.ndarray:
    """Of each column the share of train's levels or range that the side covers."""
    found = []
    for name in tables_encoded.names:
        if name in tables_encoded.levels:
            missing = len(tables_encoded.levels[name])
            real = np.setdiff1d(tables_encoded.train.codes[name], missing)
            here = np.setdiff1d(side.codes[name], missing)
            found.append(len(np.intersect1d(real, here)) / len(real) if len(real) else np.nan)
        else:
            found.append(range_covered(present(tables_encoded.train.numbers[name]), present(side.numbers[name])))
    return np.array(found)


def present(numbers: np.ndarray) -> np.ndarray:
    return numbers[~np.isnan(numbers)]


def range_covered(real: np.ndarray, other: np.ndarray) -> float:
    """The share of the real range between the other's extremes; NaN where the real one is constant or empty."""
    if not len(real) or real.min() == real.max() or not len(other):
        return float("nan")
    width = real.max() - real.min()
    left_out = max((other.min() - real.min()) / width, 0) + max((real.max() - other.max()) / width, 0)
    return max(1 - left_out, 0.0)


@metric(
    "Boundary adherence",
    "fidelity",
    "Does every value lie within what occurs in the real data?",
    0,
    1,
    "high",
    detail=CoverageDetail,
    place=70,
    why="1 means no age of 200 and no level that does not exist; held-out real rows have a few new values too.",
    matters=0.005,
    source="SDMetrics, BoundaryAdherence and CategoryAdherence",
)
def boundary_adherence(tables: Tables) -> Score:
    """Does every value lie within what occurs in the real data?

    The share of values that are one of train's levels, or between train's smallest and largest number; a missing
    value counts as within where train has missing ones. The mean over the columns. In [0, 1].
    """
    tables_encoded = encoded(tables)
    compared = compare(tables, lambda sides: np.array([within(tables_encoded, side) for side in sides]))
    return with_columns(compared, tables_encoded)


def within(tables_encoded: Encoded, side: Side) -> np.ndarray:
    """Of each column the share of the side's values that lie within what occurs in train."""
    found = []
    for name in tables_encoded.names:
        if name in tables_encoded.levels:
            occurs = np.bincount(tables_encoded.train.codes[name], minlength=len(tables_encoded.levels[name]) + 1) > 0
            found.append(occurs[side.codes[name]].mean())
        else:
            real, values = tables_encoded.train.numbers[name], side.numbers[name]
            known = present(real)
            if len(known) < len(real):
                values = present(values)
            inside = (values >= known.min()) & (values <= known.max()) if len(known) else np.isnan(values)
            found.append(inside.mean() if len(values) else np.nan)
    return np.array(found)


@metric(
    "Missing values",
    "fidelity",
    "Are values missing as often, and missing together, as in the real data?",
    0,
    1,
    "high",
    detail=MissingnessDetail,
    place=50,
    why="1 means every column, and every two columns together, lack exactly as many values.",
    matters=0.005,
    source="SDMetrics, MissingValueSimilarity; pairs added",
)
def missingness(tables: Tables) -> Score:
    """Are values missing as often, and missing together, as in the real data?

    Two questions skipped by the same people leave a pattern that a model can use and a generator can lose. For
    every column that lacks values in either table 1 - |difference of the missing shares|, for every two of them the
    same of the share of rows that lack both; the mean of the two means. In [0, 1].
    """
    tables_encoded = encoded(tables)
    lacking = [
        name
        for name in tables_encoded.names
        if missing(tables_encoded, tables_encoded.train, name).any()
        or missing(tables_encoded, tables_encoded.synthetic, name).any()
    ]
    if not lacking:
        reference = None if tables_encoded.holdout is None else 1.0
        return Score(value=1.0, reference=reference, ci=(1.0, 1.0), note="Neither table lacks any value.")
    pairs = list(combinations(lacking, 2))
    if len(pairs) > MOST_PAIRS:
        chosen = randomness(tables.seed, "pairs").choice(len(pairs), MOST_PAIRS, replace=False)
        pairs = [pairs[place] for place in np.sort(chosen)]
    real = missing_shares(tables_encoded, tables_encoded.train, lacking, pairs)

    def measure(sides: list[Side]) -> np.ndarray:
        return np.array([1 - np.abs(missing_shares(tables_encoded, side, lacking, pairs) - real) for side in sides])

    weights = np.repeat([1 / len(lacking), 1 / max(len(pairs), 1)], [len(lacking), len(pairs)])
    compared = compare(tables, measure, weights)
    synthetic = missing_shares(tables_encoded, tables_encoded.synthetic, lacking, pairs)
    items = [
        MissingShares(
            columns=list(group),
            **compared.item(place),
            real_share=plain(real[place]),
            synthetic_share=plain(synthetic[place]),
        )
        for place, group in enumerate([*[(name,) for name in lacking], *pairs])
    ]
    score = compared.score
    columns, both = items[: len(lacking)], items[len(lacking) :]
    score.detail = MissingnessDetail(columns=worst_first(columns), pairs=worst_first(both))
    return score


def missing(tables_encoded: Encoded, side: Side, name: str) -> np.ndarray:
    """Which rows lack a value in a column."""
    if name in tables_encoded.levels:
        return side.codes[name] == len(tables_encoded.levels[name])
    return np.isnan(side.numbers[name])


def missing_shares(tables_encoded: Encoded, side: Side, names: list[str], pairs: list[tuple[str, str]]) -> np.ndarray:
    """The share of rows that lack each column, then the share that lack both of each pair."""
    lacks = np.column_stack([missing(tables_encoded, side, name) for name in names]).astype(np.float64)
    both = lacks.T @ lacks / side.rows
    place_of = {name: place for place, name in enumerate(names)}
    return np.array([*np.diag(both), *(both[place_of[left], place_of[right]] for left, right in pairs)])


def with_columns(compared: Compared, tables_encoded: Encoded) -> Score:
    """The score with its columns as detail, worst first."""
    items = [ColumnScore(column=name, **compared.item(place)) for place, name in enumerate(tables_encoded.names)]
    compared.score.detail = CoverageDetail(columns=worst_first(items))
    return compared.score
