"""Two chosen columns together, real beside synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from metrics.views.axes import Axis, numbers, numeric_axis, rounded, time_axis
from synth.schema import Column

LEVELS = 12
"""Levels of a category shown before the rest becomes one."""
FEW = 12
"""Numbers with at most so many distinct real values are treated as levels."""
CELLS = 40
"""Bins along either side of a density."""
POINTS = 1500
"""With at most so many rows in either table the rows themselves are drawn, for a density of them would be noise."""

_NAMES = ("real", "synthetic")


@dataclass(frozen=True)
class _Side:
    """One of the two columns, of both tables: numbers on an axis, or codes of `levels` (-1: no value)."""

    name: str
    values: dict[str, np.ndarray]
    levels: list[str] | None = None
    date: bool = False

    @property
    def axis(self) -> Axis:
        make = time_axis if self.date else numeric_axis
        return make([values[np.isfinite(values)] for values in self.values.values()], CELLS)


def pair_view(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    first: Column,
    second: Column,
    *,
    rows: str = "training",
    points: int = POINTS,
) -> dict[str, Any]:
    """What the picture of two columns shows, as plain JSON values; `rows` says which real rows `real` holds.

    Two numbers are drawn as single rows where neither table has more than `points` rows, and as a density elsewhere.

    Keys: `first`, `second`, `real_rows` (the value of `rows`), `rows` {real, synthetic: count}, `form`, and
    - "nothing", when neither table has a row
    - "density", two numbers: `x`, `y` {edges, scale}; `shares` {real, synthetic: y by x, of rows with both values}
    - "points", two numbers, each row a point: `x`, `y` {scale}; `points` {real, synthetic: {x, y}}
    - "boxes", a number for each level: `levels`, `number`, `scale`,
      `boxes` {real, synthetic: [{low, q25, median, q75, high, share} or None]}; low and high are 5 % and 95 %
    - "shares", two categories: `first_levels`, `second_levels`,
      `shares` {real, synthetic: [[share of the second's level among rows with the first's level]]},
      `weights` {real, synthetic: [share of the first's level]}
    """
    tables = {"real": real, "synthetic": synthetic}
    one, two = _side(tables, first), _side(tables, second)
    view: dict[str, Any] = {
        "first": first.name,
        "second": second.name,
        "real_rows": rows,
        "rows": {name: len(table) for name, table in tables.items()},
    }
    if not len(real) and not len(synthetic):
        return view | {"form": "nothing"}
    if one.levels is not None and two.levels is not None:
        return view | _shares(one, two)
    if one.levels is None and two.levels is None:
        few = max(len(real), len(synthetic)) <= points
        return view | (_points(one, two) if few else _density(one, two))
    return view | _boxes(*((one, two) if one.levels is not None else (two, one)))


def _side(tables: dict[str, pd.DataFrame], column: Column) -> _Side:
    series = {name: table[column.name] for name, table in tables.items()}
    if column.kind in ("category", "boolean"):
        labels = column.labels or ("false", "true")
        if column.kind == "boolean":
            series = {name: values.map({False: labels[0], True: labels[1]}) for name, values in series.items()}
        return _by_level(column.name, {name: values.astype(object) for name, values in series.items()}, LEVELS)
    if column.kind == "text":
        series = {name: values.str.len() for name, values in series.items()}
    values = {name: numbers(column_values) for name, column_values in series.items()}
    real = values["real"][np.isfinite(values["real"])]
    if column.kind == "datetime" or len(np.unique(real[:2000])) > FEW or len(np.unique(real)) > FEW:
        name = f"{column.name} (characters)" if column.kind == "text" else column.name
        return _Side(name, values, date=column.kind == "datetime")
    return _by_level(column.name, {name: pd.Series(v).astype(object) for name, v in values.items()}, FEW, ordered=True)


def _by_level(name: str, series: dict[str, pd.Series], most: int, ordered: bool = False) -> _Side:
    real = series["real"].value_counts()
    shown = sorted(real.index) if ordered else list(real.index[:most])
    labels = [f"{level:,.15g}" if ordered else str(level) for level in shown]
    code = {level: number for number, level in enumerate(shown)}
    other, codes = len(shown), {}
    for table, values in series.items():
        codes[table] = values.map(code).astype(float).fillna(other).to_numpy().astype(int)
    if any((values == other)[~series[table].isna()].any() for table, values in codes.items()):
        labels.append("other")
    if any(values.isna().any() for values in series.values()):
        codes = {table: np.where(series[table].isna(), len(labels), values) for table, values in codes.items()}
        labels.append("missing")
    return _Side(name, codes, labels)


def _density(one: _Side, two: _Side) -> dict[str, Any]:
    x, y = one.axis, two.axis
    shares = {}
    for table in _NAMES:
        both = np.isfinite(one.values[table]) & np.isfinite(two.values[table])
        across, up = x.place(one.values[table][both]), y.place(two.values[table][both])
        inside = (across >= 0) & (across < len(x)) & (up >= 0) & (up < len(y))
        counts = np.bincount(up[inside] * len(x) + across[inside], minlength=len(x) * len(y))
        shares[table] = [rounded(row) for row in (counts / max(both.sum(), 1)).reshape(len(y), len(x))]
    return {"form": "density", "x": x.plain(), "y": y.plain(), "shares": shares}


def _points(one: _Side, two: _Side) -> dict[str, Any]:
    points = {}
    for table in _NAMES:
        both = np.isfinite(one.values[table]) & np.isfinite(two.values[table])
        points[table] = {"x": _plain(one, one.values[table][both]), "y": _plain(two, two.values[table][both])}
    return {"form": "points", "x": {"scale": one.axis.scale}, "y": {"scale": two.axis.scale}, "points": points}


def _plain(side: _Side, values: np.ndarray) -> list[Any]:
    if side.date:
        return [str(moment) for moment in values.astype("int64").astype("datetime64[us]").astype("datetime64[s]")]
    return [float(f"{value:.6g}") for value in values]


def _boxes(levels: _Side, number: _Side) -> dict[str, Any]:
    boxes = {}
    for table in _NAMES:
        codes, values = levels.values[table], number.values[table]
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(len(levels.levels) + 1))
        groups = [values[order[start:end]] for start, end in pairwise(bounds)]
        boxes[table] = [_box(number, group, len(values)) for group in groups]
    return {
        "form": "boxes",
        "of": levels.name,
        "number": number.name,
        "levels": levels.levels,
        "scale": number.axis.scale,
        "boxes": boxes,
    }


def _box(number: _Side, values: np.ndarray, rows: int) -> dict[str, Any] | None:
    share = len(values) / max(rows, 1)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    quantiles = _plain(number, np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]))
    names = ("low", "q25", "median", "q75", "high")
    return dict(zip(names, quantiles, strict=True)) | {"share": round(share, 6)}


def _shares(one: _Side, two: _Side) -> dict[str, Any]:
    shares, weights = {}, {}
    down, across = len(one.levels), len(two.levels)
    for table in _NAMES:
        counts = np.bincount(one.values[table] * across + two.values[table], minlength=down * across)
        counts = counts.reshape(down, across)
        held = counts.sum(axis=1)
        shares[table] = [
            rounded(row / total) if total else [None] * across for row, total in zip(counts, held, strict=True)
        ]
        weights[table] = rounded(held / max(held.sum(), 1))
    return {
        "form": "shares",
        "first_levels": one.levels,
        "second_levels": two.levels,
        "shares": shares,
        "weights": weights,
    }
