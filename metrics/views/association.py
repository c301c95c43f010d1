"""How strongly each pair of columns goes together, real beside synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from metrics.views.axes import numbers
from synth.schema import Schema

ROWS = 20_000
"""Rows drawn from each table when it has more: the error of a correlation is then below 0.007."""
LEVELS = 50
"""Levels of a category kept apart; the rest count as one."""
NUMBERS = ("number", "integer", "datetime")
"""Kinds whose association is measured by ranks; the others by levels."""
MEASURES = (
    "Spearman's rank correlation for two numbers (-1 to 1), the correlation ratio of ranks for a number and a "
    "category, Cramér's V for two categories (both 0 to 1, corrected for chance)"
)


def correlation_view(
    real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, *, rows: str = "training", seed: int = 0
) -> dict[str, Any]:
    """Association matrices as plain JSON values; `rows` says which real rows `real` holds.

    Keys: `columns`, `real`, `synthetic`, `difference` (square lists; None where a pair has no association, as with
    a constant), `measures` (their names in words), `real_rows`, `rows` {real, synthetic: count}, `looked_at`
    {real, synthetic: rows used}, `changes` [{first, second, real, synthetic}], the ten largest differences.
    Columns that are ids, personal data or free text are left out.
    """
    schema = schema.modelled
    looked = {"real": _sample(real, seed), "synthetic": _sample(synthetic, seed)}
    kept = {}
    matrices = {name: associations(table, schema, kept) for name, table in looked.items()}
    difference = matrices["synthetic"] - matrices["real"]
    upper = np.column_stack(np.triu_indices(len(schema), 1))
    gap = np.array([abs(difference[i, j]) for i, j in upper])
    largest = [upper[n] for n in np.argsort(-gap, kind="stable")[:10] if np.isfinite(gap[n])]
    return {
        "columns": schema.names,
        "real": _plain(matrices["real"]),
        "synthetic": _plain(matrices["synthetic"]),
        "difference": _plain(difference),
        "measures": MEASURES,
        "real_rows": rows,
        "rows": {"real": len(real), "synthetic": len(synthetic)},
        "looked_at": {name: len(table) for name, table in looked.items()},
        "changes": [
            {
                "first": schema.names[i],
                "second": schema.names[j],
                "real": round(float(matrices["real"][i, j]), 4),
                "synthetic": round(float(matrices["synthetic"][i, j]), 4),
            }
            for i, j in largest
        ],
    }


def associations(table: pd.DataFrame, schema: Schema, levels: dict[str, pd.Index] | None = None) -> np.ndarray:
    """The square matrix of `MEASURES` between the schema's columns; NaN where one of a pair does not vary.

    Only rows where both columns have a value count. `levels` remembers which levels of a category were kept apart,
    so that a second table is cut in the same way.
    """
    levels = {} if levels is None else levels
    ranks = [pd.Series(numbers(table[column.name])).rank().to_numpy() for column in schema if column.kind in NUMBERS]
    middle = np.column_stack(ranks) if ranks else np.empty((len(table), 0))
    present = (~np.isnan(middle)).astype(float)
    middle = np.nan_to_num(middle - np.nan_to_num(middle).sum(axis=0) / np.maximum(present.sum(axis=0), 1))
    codes = [
        _codes(table[column.name], levels.setdefault(column.name, _top(table[column.name])))
        for column in schema
        if column.kind not in NUMBERS
    ]
    places = np.array([place for place, column in enumerate(schema) if column.kind in NUMBERS], dtype=int)
    others = np.setdiff1d(np.arange(len(schema)), places)
    out = np.full((len(schema), len(schema)), np.nan)
    out[np.ix_(places, places)] = _spearman(middle, present)
    for n, place in enumerate(others):
        out[place, places] = out[places, place] = _correlation_ratio(codes[n], middle, present)
        for m in range(n):
            out[place, others[m]] = out[others[m], place] = _cramers_v(codes[n], codes[m])
    varies = np.array([table[name].nunique() > 1 for name in schema.names], dtype=bool)
    np.fill_diagonal(out, np.where(varies, 1.0, np.nan))
    return out


def _sample(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    if len(table) <= ROWS:
        return table
    return table.iloc[np.sort(np.random.default_rng(seed).choice(len(table), ROWS, replace=False))]


def _plain(matrix: np.ndarray) -> list[list[float | None]]:
    return [[round(float(value), 4) if np.isfinite(value) else None for value in row] for row in matrix]


def _top(values: pd.Series) -> pd.Index:
    counts = values.value_counts()
    return counts[counts > 0].index[:LEVELS].astype(object)


def _codes(values: pd.Series, top: pd.Index) -> np.ndarray:
    """0 to LEVELS - 1 for the levels in `top`, LEVELS for all others, LEVELS + 1 for missing."""
    codes = top.get_indexer(values.astype(object))
    return np.where(values.isna().to_numpy(bool), LEVELS + 1, np.where(codes < 0, LEVELS, codes))


def _spearman(middle: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Correlation of ranks over the rows where both are present, for all pairs at once."""
    count = present.T @ present
    product, total, square = middle.T @ middle, middle.T @ present, (middle**2).T @ present
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = product - total * total.T / count
        spread = square - total**2 / count
        spread = np.where(spread > 1e-9 * np.maximum(square, 1e-300), spread, np.nan)
        return np.clip(covariance / np.sqrt(spread * spread.T), -1, 1)


def _correlation_ratio(codes: np.ndarray, middle: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Root of the share of each number's rank variance that the category explains (epsilon squared), by column."""
    order = np.argsort(codes, kind="stable")[: np.count_nonzero(codes <= LEVELS)]
    if not len(order):
        return np.full(middle.shape[1], np.nan)
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums, counts = (np.add.reduceat(values[order], starts, axis=0) for values in (middle, present))
    total, held = counts.sum(axis=0), (counts > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = sums.sum(axis=0) ** 2 / total
        between = np.where(counts > 0, sums**2 / counts, 0).sum(axis=0) - centre
        whole = (middle[order] ** 2).sum(axis=0) - centre
        within = (whole - between) / (total - held)
        explained = 1 - within / (whole / (total - 1))
    explained[(held < 2) | ~(whole > 0) | (total <= held)] = np.nan
    return np.sqrt(np.clip(explained, 0, 1))


def _cramers_v(one: np.ndarray, two: np.ndarray) -> float:
    """Cramér's V with Bergsma's correction: 0 on average for independent columns, however many levels they have."""
    size = LEVELS + 2
    counts = np.bincount(one * size + two, minlength=size * size).reshape(size, size)[:-1, :-1]
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    (r, k), rows = counts.shape, counts.sum()
    if min(r, k) < 2:
        return np.nan
    phi2 = (counts**2 / (counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True))).sum() - 1
    phi2 = max(0.0, phi2 - (k - 1) * (r - 1) / (rows - 1))
    r, k = r - (r - 1) ** 2 / (rows - 1), k - (k - 1) ** 2 / (rows - 1)
    return float(np.sqrt(min(1.0, phi2 / (min(r, k) - 1)))) if min(r, k) > 1 else np.nan
