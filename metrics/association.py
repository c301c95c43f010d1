"""How strongly columns go together, numbers and levels alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables, metric
from metrics.compare import Stack, compare, plain
from metrics.encode import Encoded, Side, encoded
from metrics.fidelity import correlations
from metrics.marginals import quantile_bins

MEASURES = ("Pearson's correlation", "correlation ratio", "Cramér's V")
"""How the association of two columns is measured, by how many of them have levels."""


@metric(
    "Correlation difference",
    "fidelity",
    "How far are the associations between columns from those in the real data?",
    0,
    2,
    "low",
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
    pairs = list(combinations(tables_encoded.names, 2))
    real = associations(tables_encoded, [], pairs)[0]
    compared = compare(
        tables, lambda sides: np.abs(associations(tables_encoded, sides, pairs)[1:] - real), bounds=(0, 2)
    )
    synthetic = associations(tables_encoded, [tables_encoded.synthetic], pairs)[1]
    items = [
        {
            "columns": list(pair),
            "measure": MEASURES[sum(name in tables_encoded.levels for name in pair)],
            **compared.item(place),
            "real": plain(real[place]),
            "synthetic": plain(synthetic[place]),
        }
        for place, pair in enumerate(pairs)
    ]
    score = compared.score
    score.detail = {"pairs": sorted(items, key=lambda item: -1.0 if item["score"] is None else item["score"])[::-1]}
    return score


def associations(tables_encoded: Encoded, sides: list[Side], pairs: list[tuple[str, str]]) -> np.ndarray:
    """One row for train and one per side, one number per pair; NaN where a column of the pair is constant."""
    everyone = [tables_encoded.train, *sides]
    stack = quantile_bins(tables_encoded, sides)
    place_of = {name: place for place, name in enumerate(tables_encoded.continuous)}
    matrices = np.array([correlations(side, tables_encoded.continuous) for side in everyone])
    numbers = {name: np.concatenate([side.numbers[name] for side in everyone]) for name in tables_encoded.continuous}
    found = np.empty((len(everyone), len(pairs)))
    for place, (left, right) in enumerate(pairs):
        if left in numbers and right in numbers:
            found[:, place] = matrices[:, place_of[left], place_of[right]]
        elif left in numbers:
            found[:, place] = correlation_ratios(stack, numbers[left], right)
        elif right in numbers:
            found[:, place] = correlation_ratios(stack, numbers[right], left)
        else:
            counts = stack.counts(left, right).reshape(stack.tables, stack.sizes[left], stack.sizes[right])
            found[:, place] = cramers_vs(counts)
    return found


def correlation_ratios(stack: Stack, numbers: np.ndarray, name: str) -> np.ndarray:
    """Of each table: the part of the numbers' spread that lies between the levels of a column, 0 to 1 (its root)."""
    there = ~np.isnan(numbers)
    owner, size = stack.owner[there], stack.sizes[name]
    values = numbers[there]
    counts = np.bincount(owner, minlength=stack.tables)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = values - (np.bincount(owner, values, minlength=stack.tables) / counts)[owner]
        keys = owner * size + stack.codes[name][there]
        cells = np.bincount(keys, minlength=stack.tables * size).reshape(stack.tables, size)
        sums = np.bincount(keys, centred, minlength=stack.tables * size).reshape(stack.tables, size)
        between = np.where(cells > 0, sums**2 / cells, 0).sum(axis=1)
        total = np.bincount(owner, centred**2, minlength=stack.tables)
        ratios = np.sqrt(np.clip(between / total, 0, 1))
    constant = (np.count_nonzero(cells, axis=1) < 2) | ~(total > 0)
    return np.where(constant, np.nan, ratios)


def cramers_vs(counts: np.ndarray) -> np.ndarray:
    """Cramér's V of each of several two-way tables (tables x rows x columns); NaN where a column is constant."""
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    freedom = np.minimum(np.count_nonzero(rows, axis=1), np.count_nonzero(columns, axis=1)) - 1
    expected = rows[:, :, None] * columns[:, None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        phi2 = np.where(expected > 0, counts**2 / expected, 0).sum(axis=(1, 2)) - 1
        values = np.sqrt(np.clip(phi2, 0, None) / freedom)
    return np.where(freedom < 1, np.nan, values)
