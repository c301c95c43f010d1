"""Singling out: does what the synthetic table says fit exactly one person of the training data?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.base import NotMeasurable, Score, Tables
from metrics.detail import AttackRates
from metrics.privacy.attacks import RISK, Arena, Outcome, run
from metrics.registry import metric
from metrics.tools.encode import Side
from metrics.tools.nearest import in_parts, row_keys
from metrics.tools.sampling import randomness

QUERIES = 1000
"""Queries asked."""
KNOWN_COLUMNS = 3
"""Columns in a multivariate singling-out query."""
BATCH, MOST_BATCHES = 20_000, 50
PLAUSIBLE = 5
"""A query is tried only if about this few rows would match were its columns independent: most others match many."""


@metric(
    "Singling out, one column",
    "privacy",
    "Can a single value of the synthetic table point at exactly one person of the training data?",
    detail=AttackRates,
    place=60,
    **RISK,
)
def singling_out_univariate(tables: Tables) -> Score:
    """Can a single value of the synthetic table point at exactly one person of the training data?

    The attacker looks for values that occur once and for extremes ("the one aged 90 or more"), and hopes that they
    fit exactly one real person. Successes against training rows beyond those against as many holdout rows, as a
    share of what could be gained. In [0, 1], 0 is no leak.
    """
    return run(tables, lambda arena: singling_out(arena, multivariate=False))


@metric(
    "Singling out, several columns",
    "privacy",
    "Can a combination of values in the synthetic table point at exactly one person of the training data?",
    detail=AttackRates,
    place=70,
    **RISK,
)
def singling_out_multivariate(tables: Tables) -> Score:
    """Can a combination of values in the synthetic table point at exactly one person of the training data?

    "A farmer in Hawaii who works at least 70 hours": combinations of three columns that fit exactly one synthetic
    row, numbers as "at least" or "at most". Successes against training rows beyond those against as many holdout
    rows, as a share of what could be gained. In [0, 1], 0 is no leak.
    """
    return run(tables, lambda arena: singling_out(arena, multivariate=True))


def singling_out(arena: Arena, multivariate: bool) -> Outcome:
    """Ask queries that match one synthetic row: how many match exactly one target, and exactly one control?"""
    rng = randomness(arena.seed, "singling out")
    rows = distinct_rows(arena, arena.synthetic)
    targets, controls = distinct_rows(arena, arena.targets), distinct_rows(arena, arena.controls)
    # In more rows fewer queries match exactly one.
    size = min(len(targets), len(controls))
    targets, controls = targets[:size], controls[:size]
    numeric = np.array([name not in arena.sides.levels for name in arena.sides.names])
    if multivariate:
        queries = combined_queries(rows, numeric, rng)
    else:
        queries = univariate_queries(rows, numeric)
        queries = queries.take(rng.permutation(len(queries)))
    queries = queries.take(np.arange(min(QUERIES, len(queries))))
    if not len(queries):
        raise NotMeasurable("No synthetic row has a value or values of its own that an attacker could ask for.")
    guesses = random_queries(rows, numeric, rng, len(queries), KNOWN_COLUMNS if multivariate else 1)
    # A thousand queries about fifty people are worth no more than fifty independent ones.
    worth = min(len(queries), len(rows), size)
    attack, control, guessing = (
        (worth * float(asked.single_out(asked_of).mean()), worth)
        for asked, asked_of in ((queries, targets), (queries, controls), (guesses, targets))
    )
    return Outcome(attack, control, guessing)


def distinct_rows(arena: Arena, side: Side) -> np.ndarray:
    """The distinct rows of a table, rows x columns, levels as codes, missing as NaN."""
    names = arena.sides.names
    _, first = np.unique(row_keys([side], names)[0], return_index=True)
    columns = []
    for name in names:
        if name in side.codes:
            codes = side.codes[name].astype(np.float64)
            columns.append(np.where(codes == len(arena.sides.levels[name]), np.nan, codes))
        else:
            columns.append(side.numbers[name])
    return np.column_stack(columns)[np.sort(first)]


@dataclass(frozen=True)
class Queries:
    """Conditions that may single somebody out, one query a row; see `kernels.count_matches`."""

    columns: np.ndarray
    comparisons: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.columns)

    def take(self, rows: np.ndarray) -> Queries:
        return Queries(self.columns[rows], self.comparisons[rows], self.values[rows])

    def distinct(self) -> Queries:
        """Each query once, in the order they come."""
        whole = np.column_stack([self.columns, self.comparisons, self.values])
        _, first = np.unique(whole, axis=0, return_index=True)
        return self.take(np.sort(first))

    def expected(self, columns: list[np.ndarray], rows: int) -> np.ndarray:
        """How many of `rows` rows would match each query if the columns had nothing to do with each other.

        `columns` holds each column's values in order, without the missing ones.
        """
        from metrics.tools.kernels import AT_LEAST, AT_MOST, LACKING

        shares = np.ones(self.columns.shape)
        for column, ordered in enumerate(columns):
            here = self.columns == column
            asked, comparison = self.values[here], self.comparisons[here]
            below, up_to = np.searchsorted(ordered, asked, "left"), np.searchsorted(ordered, asked, "right")
            matching = np.where(comparison == AT_LEAST, len(ordered) - below, up_to - below)
            matching = np.where(comparison == AT_MOST, up_to, matching)
            shares[here] = np.where(comparison == LACKING, rows - len(ordered), matching) / rows
        return rows * shares.prod(axis=1)

    def single_out(self, rows: np.ndarray) -> np.ndarray:
        """Which queries match exactly one of the rows."""
        from metrics.tools.kernels import count_matches

        found = np.empty(len(self), dtype=np.int64)

        def count(part: slice) -> None:
            count_matches(rows, self.columns[part], self.comparisons[part], self.values[part], 2, found[part])

        in_parts(count, len(self))
        return found == 1


def univariate_queries(rows: np.ndarray, numeric: np.ndarray) -> Queries:
    """Values that occur once; the smallest and the largest number of a column also ask for "at most", "at least"."""
    from metrics.tools.kernels import AT_LEAST, AT_MOST, EQUAL, LACKING

    found: list[tuple[int, int, float]] = []
    for column, values in enumerate(rows.T):
        there = values[~np.isnan(values)]
        seen, counts = np.unique(there, return_counts=True)
        found += [(column, EQUAL, value) for value in seen[counts == 1]]
        if len(there) == len(values) - 1:
            found.append((column, LACKING, 0.0))
        if numeric[column] and len(there):
            extremes = ((AT_MOST, 0), (AT_LEAST, -1))
            found += [(column, comparison, seen[end]) for comparison, end in extremes if counts[end] == 1]
    parts = np.array(found, dtype=np.float64).reshape(-1, 3, 1)
    return Queries(parts[:, 0].astype(np.int64), parts[:, 1].astype(np.int64), parts[:, 2])


def multivariate_queries(
    rows: np.ndarray, middles: np.ndarray, numeric: np.ndarray, rng: np.random.Generator, count: int
) -> Queries:
    """`count` queries, each made of some columns of a random row, with what it says there.

    Numbers ask for at least the row's value when it is above the column's middle, else for at most it: extremes
    single out best.
    """
    from metrics.tools.kernels import AT_LEAST, AT_MOST

    columns = random_columns(rows, rng, count)
    values = rows[rng.integers(0, len(rows), count)[:, None], columns]
    return asking(columns, np.where(values > middles[columns], AT_LEAST, AT_MOST), values, numeric)


def combined_queries(rows: np.ndarray, numeric: np.ndarray, rng: np.random.Generator) -> Queries:
    """Different queries of several columns that match exactly one row: `QUERIES`, or as many as can be found."""
    ordered = [np.sort(values[~np.isnan(values)]) for values in rows.T]
    middles = np.array([np.median(values) if len(values) else 0 for values in ordered])
    queries = multivariate_queries(rows, middles, numeric, rng, 0)
    for _ in range(MOST_BATCHES):
        more = multivariate_queries(rows, middles, numeric, rng, BATCH)
        more = more.take(np.flatnonzero(more.expected(ordered, len(rows)) <= PLAUSIBLE))
        before, queries = len(queries), joined(queries, more.take(np.flatnonzero(more.single_out(rows)))).distinct()
        if len(queries) >= QUERIES or len(queries) - before < BATCH // 1000:
            break
    return queries


def random_queries(rows: np.ndarray, numeric: np.ndarray, rng: np.random.Generator, count: int, width: int) -> Queries:
    """`count` queries made by somebody who knows only which values occur."""
    from metrics.tools.kernels import AT_LEAST, AT_MOST

    columns = random_columns(rows, rng, count)[:, :width]
    values = rows[rng.integers(0, len(rows), columns.shape), columns]
    return asking(columns, rng.choice([AT_LEAST, AT_MOST], columns.shape), values, numeric)


def random_columns(rows: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """For each of `count` queries a few different columns, in order."""
    chosen = np.argsort(rng.random((count, rows.shape[1])), axis=1)[:, :KNOWN_COLUMNS]
    return np.sort(chosen, axis=1)


def asking(columns: np.ndarray, comparisons: np.ndarray, values: np.ndarray, numeric: np.ndarray) -> Queries:
    """Queries that compare numbers as told, levels for equality, and missing values for being missing."""
    from metrics.tools.kernels import EQUAL, LACKING

    comparisons = np.where(numeric[columns], comparisons, EQUAL)
    lacking = np.isnan(values)
    return Queries(columns, np.where(lacking, LACKING, comparisons), np.where(lacking, 0.0, values))


def joined(left: Queries, right: Queries) -> Queries:
    return Queries(
        np.vstack([left.columns, right.columns]),
        np.vstack([left.comparisons, right.comparisons]),
        np.vstack([left.values, right.values]),
    )
