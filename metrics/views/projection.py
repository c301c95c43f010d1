"""Whole rows as points: both tables projected onto the two directions in which real rows differ most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from metrics.views.axes import numbers
from synth.schema import Schema

ROWS = 5_000
"""Real rows the directions are fitted on."""
POINTS = 2000
"""Rows shown of each table."""
LEVELS = 10
"""Levels of a category that get a direction of their own."""


def projection_view(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    *,
    rows: str = "training",
    seed: int = 0,
    points: int = POINTS,
) -> dict[str, Any]:
    """Principal components of the real rows, and both tables on the first two; plain JSON values.

    Numbers and datetimes enter by their rank among the real values, categories by their ten commonest levels, a
    missing value as a level of its own; each column weighs the same. Keys: `axes` [{explained (share of variance),
    columns (those that weigh most)}], `points` {real, synthetic: {x, y, row (position in the table)}}, `real_rows`,
    `rows`.
    """
    schema = schema.modelled
    rng = np.random.default_rng(seed)
    fitted = _draw(real, ROWS, rng)
    encode = _encoder(real.iloc[fitted], schema)
    matrix, owner = encode(real.iloc[fitted])
    middle = matrix.mean(axis=0) if len(matrix) else np.zeros(matrix.shape[1])
    variances, directions = np.linalg.eigh((matrix - middle).T @ (matrix - middle) / max(len(matrix) - 1, 1))
    directions = directions[:, ::-1][:, :2]
    # An eigenvector's sign is arbitrary; fixed, two runs give the same picture.
    directions = directions * np.where(directions.sum(axis=0) < 0, -1, 1)
    whole = variances.sum()
    axes = []
    for n in range(directions.shape[1]):
        weight = pd.Series(directions[:, n] ** 2).groupby(owner).sum().sort_values(ascending=False)
        explained = float(variances[::-1][n] / whole) if whole > 0 else 0.0
        axes.append({"explained": round(explained, 4), "columns": [schema.names[c] for c in weight.index[:3]]})
    shown = {"real": (real, _draw(real, points, rng)), "synthetic": (synthetic, _draw(synthetic, points, rng))}
    out = {}
    for name, (table, chosen) in shown.items():
        placed = (encode(table.iloc[chosen])[0] - middle) @ directions
        placed = np.pad(placed, ((0, 0), (0, 2 - placed.shape[1])))
        out[name] = {"x": np.round(placed[:, 0], 3).tolist(), "y": np.round(placed[:, 1], 3).tolist()}
        out[name]["row"] = chosen.tolist()
    return {
        "axes": axes,
        "points": out,
        "real_rows": rows,
        "rows": {"real": len(real), "synthetic": len(synthetic)},
    }


def _draw(table: pd.DataFrame, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(len(table), most, replace=False)) if len(table) > most else np.arange(len(table))


def _encoder(real: pd.DataFrame, schema: Schema) -> Callable[[pd.DataFrame], tuple[np.ndarray, np.ndarray]]:
    """A function that gives any table's matrix and, for each of its columns, the schema column it came from."""
    known: dict[str, np.ndarray | pd.Index] = {}
    for column in schema:
        if column.kind in ("number", "integer", "datetime"):
            values = numbers(real[column.name])
            known[column.name] = np.sort(values[~np.isnan(values)])
        else:
            counts = real[column.name].value_counts()
            known[column.name] = counts[counts > 0].index[:LEVELS].astype(object)

    def encode(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        parts, owner = [], []
        for place, column in enumerate(schema):
            part = _encoded(table[column.name], known[column.name])
            parts.append(part)
            owner += [place] * part.shape[1]
        matrix = np.column_stack(parts) if parts else np.zeros((len(table), 0))
        return matrix, np.array(owner, dtype=int)

    return encode


def _encoded(values: pd.Series, known: np.ndarray | pd.Index) -> np.ndarray:
    missing = values.isna().to_numpy(bool)
    if isinstance(known, np.ndarray):
        # Mid-rank among the real values, scaled to unit variance; missing in the middle, and told apart beside it.
        at = numbers(values)
        rank = (np.searchsorted(known, at, "left") + np.searchsorted(known, at, "right")) / 2 / max(len(known), 1)
        return np.column_stack([np.where(missing, 0.0, (rank - 0.5) * np.sqrt(12)), missing])
    codes = known.get_indexer(values.astype(object))
    one_hot = np.column_stack([codes[:, None] == np.arange(len(known)), missing])
    return one_hot.astype(float)
