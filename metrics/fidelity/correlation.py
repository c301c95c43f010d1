"""How strongly columns go together, numbers and levels alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables
from metrics.detail import GroupScore, PairScores
from metrics.fidelity.marginals import level_bins
from metrics.fidelity.shapes import correlations
from metrics.registry import metric
from metrics.tools.compare import compare, plain
from metrics.tools.encode import Encoded, Side, encoded

MEASURES = ("Pearson's correlation", "correlation ratio", "Cramér's V")
"""How the association of two columns is measured, by how many of them have levels."""
BLOCK = 8192
"""Rows whose levels are spread over columns at once, so that many levels need little memory."""


class PairAssociation(GroupScore):
    measure: str
    real: float | None
    synthetic: float | None


class AssociationsDetail(PairScores):
    pairs: list[PairAssociation]


@metric(
    "Correlation difference",
    "fidelity",
    "How far are the associations between columns from those in the real data?",
    0,
    2,
    "low",
    detail=AssociationsDetail,
    place=40,
    why="0 means that every two columns go together exactly as strongly as in the real data.",
    matters=0.01,
    source="Nowok, Raab and Dibben 2016 (synthpop) compare correlations so; correlation ratio: Pearson 1905",
)
def correlation_difference(tables: Tables) -> Score:
    """How far are the associations between columns from those in the real data?

    Unlike the trends, which compare two-way tables cell by cell, this asks only how strongly two columns go
    together, and keeps the sign. Two columns of numbers: Pearson's correlation, -1 to 1. Numbers and levels: the
    correlation ratio, 0 to 1. Two columns of levels: Cramér's V over the ten commonest levels, 0 to 1. The mean
    absolute difference between synthetic and train over all pairs. In [0, 2], 0 is best.
    """
    tables_encoded = encoded(tables)
    if len(tables_encoded.names) < 2:
        raise NotMeasurable("There is only one column to compare, and an association needs two.")
    upper = np.triu_indices(len(tables_encoded.names), 1)
    real = associations(tables_encoded, tables_encoded.train)[upper]
    synthetic = associations(tables_encoded, tables_encoded.synthetic)[upper]

    def measure(sides: list[Side]) -> np.ndarray:
        return np.array([np.abs(associations(tables_encoded, side)[upper] - real) for side in sides])

    compared = compare(tables, measure, bounds=(0, 2))
    items = [
        PairAssociation(
            columns=list(pair),
            measure=MEASURES[sum(name in tables_encoded.levels for name in pair)],
            **compared.item(place),
            real=plain(real[place]),
            synthetic=plain(synthetic[place]),
        )
        for place, pair in enumerate(combinations(tables_encoded.names, 2))
    ]
    score = compared.score
    farthest_first = sorted(items, key=lambda item: -1.0 if item.score is None else -item.score)
    score.detail = AssociationsDetail(pairs=farthest_first)
    return score


def associations(tables_encoded: Encoded, side: Side) -> np.ndarray:
    """The association of every two columns of a table (columns x columns); NaN where one of them is constant."""
    place_of = {name: place for place, name in enumerate(tables_encoded.names)}
    numeric = [place_of[name] for name in tables_encoded.continuous]
    levelled = [place_of[name] for name in tables_encoded.discrete]
    found = np.full((len(place_of), len(place_of)), np.nan)
    if numeric:
        found[np.ix_(numeric, numeric)] = correlations(side, tables_encoded.continuous)
    if levelled:
        ratios, cramers = level_associations(tables_encoded, side)
        found[np.ix_(levelled, levelled)] = cramers
        found[np.ix_(levelled, numeric)] = ratios
        found[np.ix_(numeric, levelled)] = ratios.T
    return found


def level_associations(tables_encoded: Encoded, side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Correlation ratios (columns of levels x of numbers) and Cramér's V (columns of levels x the same).

    All two-way tables at once: with a column of zeros and ones for every level, their products count how often two
    levels meet, and their products with the numbers sum the numbers of each level.
    """
    codes, column_of = level_codes(tables_encoded, side)
    numbers = np.column_stack([side.numbers[name] for name in tables_encoded.continuous] or [np.empty((side.rows, 0))])
    there = ~np.isnan(numbers)
    means = np.where(there, numbers, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    centred = np.where(there, numbers - means, 0)
    filled = there.astype(np.float64)
    width = len(column_of)
    meetings, sums, counts = (
        np.zeros((width, width)),
        np.zeros((width, numbers.shape[1])),
        np.zeros((width, numbers.shape[1])),
    )
    for start in range(0, side.rows, BLOCK):
        block = slice(start, start + BLOCK)
        spread = (codes[block, column_of] == np.arange(width) - first_of(column_of)).astype(np.float64)
        meetings += spread.T @ spread
        sums += spread.T @ centred[block]
        counts += spread.T @ filled[block]
    columns = np.eye(column_of.max() + 1)[column_of]
    with np.errstate(invalid="ignore", divide="ignore"):
        between = columns.T @ np.where(counts > 0, sums**2 / counts, 0)
        total = (centred**2).sum(axis=0)
        ratios = np.sqrt(np.clip(between / total, 0, 1))
        ratios[(columns.T @ (counts > 0) < 2) | ~(total > 0)] = np.nan
        shares = meetings / side.rows
        each = np.diag(shares)
        phi2 = columns.T @ np.where(shares > 0, shares**2 / np.outer(each, each), 0) @ columns - 1
        several = (columns.T @ (each > 0)).astype(float)
        freedom = np.minimum.outer(several, several) - 1
        cramers = np.sqrt(np.clip(phi2, 0, None) / freedom)
    return ratios, np.where(freedom < 1, np.nan, cramers)


def level_codes(tables_encoded: Encoded, side: Side) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the common levels (rows x columns), and for every level of every column the column it belongs to."""
    names = tables_encoded.discrete
    bins = [level_bins(tables_encoded.levels[name], tables_encoded.train.codes[name]) for name in names]
    codes = np.column_stack([bin_of[side.codes[name]] for name, bin_of in zip(names, bins, strict=True)])
    return codes, np.repeat(np.arange(len(names)), [int(bin_of.max()) + 1 for bin_of in bins])


def first_of(column_of: np.ndarray) -> np.ndarray:
    """For every level the position of its column's first level."""
    return np.searchsorted(column_of, column_of)
