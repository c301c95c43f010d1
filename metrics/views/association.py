"""How strongly each pair of columns goes together, real beside synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import rankdata

from metrics.views.axes import numbers
from synth.schema import Schema

ROWS = 20_000
"""Rows drawn from each table when it has more: the error of a correlation is then below 0.007."""
LEVELS = 50
"""Levels of a category kept apart; the rest count as one."""
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
    names = schema.names
    is_number = np.array([column.kind in ("number", "integer", "datetime") for column in schema], dtype=bool)
    ranks = np.column_stack(
        [_ranks(numbers(table[name])) for name in np.array(names)[is_number]] or [np.empty((len(table), 0))]
    )
    codes = [_codes(table[name], levels.setdefault(name, _top(table[name]))) for name in np.array(names)[~is_number]]
    out = np.full((len(names), len(names)), np.nan)
    places, others = np.flatnonzero(is_number), np.flatnonzero(~is_number)
    out[np.ix_(places, places)] = _spearman(ranks)
    for n, place in enumerate(others):
        ratio = _correlation_ratio(codes[n], ranks)
        out[place, places] = out[places, place] = ratio
        for m in range(n):
            out[place, others[m]] = out[others[m], place] = _cramers_v(codes[n], codes[m])
    varies = np.array([_varies(table[name]) for name in names], dtype=bool)
    out[np.arange(len(names)), np.arange(len(names))] = np.where(varies, 1.0, np.nan)
    return out


def _sample(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    if len(table) <= ROWS:
        return table
    return table.iloc[np.sort(np.random.default_rng(seed).choice(len(table), ROWS, replace=False))]


def _plain(matrix: np.ndarray) -> list[list[float | None]]:
    return [[round(float(value), 4) if np.isfinite(value) else None for value in row] for row in matrix]


def _varies(values: pd.Series) -> bool:
    return values.nunique() > 1


def _ranks(values: np.ndarray) -> np.ndarray:
    return rankdata(values, nan_policy="omit") if len(values) else values


def _top(values: pd.Series) -> pd.Index:
    counts = values.value_counts()
    return counts[counts > 0].index[:LEVELS].astype(object)


def _codes(values: pd.Series, top: pd.Index) -> np.ndarray:
    """0 to LEVELS - 1 for the levels in `top`, LEVELS for all others, -1 for missing."""
    codes = top.get_indexer(values.astype(object))
    return np.where(values.isna().to_numpy(bool), -1, np.where(codes < 0, LEVELS, codes))


def _spearman(ranks: np.ndarray) -> np.ndarray:
    """Correlation of ranks over the rows where both are present, for all pairs at once."""
    present = ~np.isnan(ranks)
    count = present.T.astype(float) @ present
    middle = np.where(present, ranks - np.nan_to_num(_mean(ranks, present)), 0.0)
    product, total, square = middle.T @ middle, middle.T @ present, (middle**2).T @ present
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = product - total * total.T / count
        spread = square - total**2 / count
        spread = np.where(spread > 1e-9 * np.maximum(square, 1e-300), spread, np.nan)
        return np.clip(covariance / np.sqrt(spread * spread.T), -1, 1)


def _mean(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    return np.where(present, values, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)


def _correlation_ratio(codes: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Root of the share of each number's rank variance that the category explains (epsilon squared), by column."""
    present = ~np.isnan(ranks) & (codes >= 0)[:, None]
    middle = np.where(present, ranks - _mean(ranks, present), 0.0)
    rows = np.flatnonzero(codes >= 0)
    members = sparse.csr_matrix((np.ones(len(rows)), (codes[rows], rows)), shape=(LEVELS + 1, len(codes)))
    sums, counts = members @ middle, members @ present.astype(float)
    total, held = present.sum(axis=0), (counts > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nansum(sums**2 / np.where(counts > 0, counts, np.nan), axis=0)
        whole = (middle**2).sum(axis=0)
        within = (whole - between) / (total - held)
        explained = 1 - within / (whole / (total - 1))
    explained[(held < 2) | (whole <= 0) | (total <= held)] = np.nan
    return np.sqrt(np.clip(explained, 0, 1))


def _cramers_v(one: np.ndarray, two: np.ndarray) -> float:
    """Cramér's V with Bergsma's correction: 0 on average for independent columns, however many levels they have."""
    both = (one >= 0) & (two >= 0)
    rows = int(both.sum())
    counts = np.bincount(one[both] * (LEVELS + 1) + two[both], minlength=(LEVELS + 1) ** 2).reshape(LEVELS + 1, -1)
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    r, k = counts.shape
    if min(r, k) < 2 or rows < 2:
        return np.nan
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / rows
    phi2 = ((counts - expected) ** 2 / expected).sum() / rows
    phi2 = max(0.0, phi2 - (k - 1) * (r - 1) / (rows - 1))
    r, k = r - (r - 1) ** 2 / (rows - 1), k - (k - 1) ** 2 / (rows - 1)
    return float(np.sqrt(min(1.0, phi2 / (min(r, k) - 1)))) if min(r, k) > 1 else np.nan
