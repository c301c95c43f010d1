"""Common bins for several tables' values of one column, chosen so that the picture survives outliers and spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

TAIL = 0.005
"""Share at either end that may lie beyond the axis when it would stretch the axis to more than twice its length."""
MOST_BINS = 60
_LOOK = 50_000
"""Values looked at when bins are chosen; the counts themselves use every value."""

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_STEPS = [1, 10, 60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400]
_MONTHS = [1, 3, 6, 12, 60, 120, 1200]


@dataclass(frozen=True)
class Axis:
    """Where the bins of a chart lie. `edges` has one more entry than there are bins and rises strictly."""

    edges: np.ndarray
    scale: Literal["linear", "log", "date"]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def place(self, values: np.ndarray) -> np.ndarray:
        """The bin of each value: -1 below the first edge, `len(self)` above the last."""
        bins = np.searchsorted(self.edges, values, side="right") - 1
        bins[values == self.edges[-1]] = len(self) - 1
        return bins

    def shares(self, values: np.ndarray, rows: int) -> tuple[list[float], float, float]:
        """Share of `rows` in each bin, and the shares that lie below and above the axis."""
        bins = self.place(values)
        counts = np.bincount(bins + 1, minlength=len(self) + 2) / max(rows, 1)
        return rounded(counts[1:-1]), round(float(counts[0]), 6), round(float(counts[-1]), 6)

    def plain(self) -> dict[str, Any]:
        """As JSON: `edges` (dates as ISO text) and `scale`."""
        if self.scale == "date":
            return {"edges": iso(self.edges), "scale": "date"}
        return {"edges": [float(f"{edge:.12g}") for edge in self.edges], "scale": self.scale}


def rounded(values: Sequence[float] | np.ndarray) -> list[float]:
    """Plain floats of six decimals: enough for a share, and short in JSON."""
    return [float(value) for value in np.round(np.asarray(values, dtype=float), 6)]


def edge_text(edge: float | str, days: bool = True) -> str:
    """An edge of `Axis.plain` as people write it: 12.5, 61,450, 2024-03-01, or with `days` false 2024-03-01 05:00."""
    if isinstance(edge, str):
        return edge[:10] if days else edge[:16].replace("T", " ")
    return f"{edge:,.4g}" if abs(edge) < 1e4 else f"{edge:,.6g}"


def iso(microseconds: np.ndarray) -> list[str]:
    """Microseconds since 1970 as ISO text without a fraction."""
    return [
        str(moment)
        for moment in np.asarray(microseconds, dtype="int64").astype("datetime64[us]").astype("datetime64[s]")
    ]


def numbers(values: pd.Series) -> np.ndarray:
    """A numeric, boolean or datetime column as floats (datetimes in microseconds of local time), missing as NaN."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        moments = values.dt.tz_localize(None) if values.dt.tz is not None else values
        raw = moments.to_numpy("datetime64[us]")
        out = raw.astype("int64").astype(float)
        out[np.isnat(raw)] = np.nan
        return out
    return values.to_numpy(dtype=float, na_value=np.nan)


def numeric_axis(tables: Sequence[np.ndarray], most: int = MOST_BINS) -> Axis:
    """Bins for finite numbers of several tables; a log axis when all are positive and a few dwarf the rest."""
    tables = [_look(values) for values in tables if len(values)]
    if not tables:
        return Axis(np.array([0.0, 1.0]), "linear")
    if _wants_log(tables):
        logs = [np.log10(values) for values in tables]
        low, high = robust_range(logs)
        edges = 10.0 ** _cut(low, high, _width(logs, low, high, most), 0.0)
        # The way through logarithms may leave the smallest and largest value a rounding error outside.
        edges[[0, -1]] *= 1 - 1e-9, 1 + 1e-9
        return Axis(edges, "log")
    low, high = robust_range(tables)
    step = _grid(tables)
    return Axis(_cut(low, high, _width(tables, low, high, most), step), "linear")


def time_axis(tables: Sequence[np.ndarray], most: int = MOST_BINS) -> Axis:
    """Bins for microseconds since 1970 that begin where a calendar does: on the hour, Monday, the first of a month."""
    tables = [_look(values) for values in tables if len(values)]
    if not tables:
        return Axis(np.array([0, _DAY]), "date")
    low, high = robust_range(tables)
    for seconds in _STEPS:
        step = seconds * _SECOND
        # 1970 began on a Thursday; weeks begin on Monday, four days later.
        start = 4 * _DAY if seconds == _STEPS[-1] else 0
        if (high - low) / step < most:
            first = int((low - start) // step)
            return Axis(start + np.arange(first, int((high - start) // step) + 2, dtype="int64") * step, "date")
    bounds = np.array([low, high]).astype("int64").astype("datetime64[us]").astype("datetime64[M]").astype(int)
    months = next((m for m in _MONTHS if (bounds[1] - bounds[0]) / m < most), _MONTHS[-1] * 10)
    starts = np.arange(bounds[0] // months, bounds[1] // months + 2) * months
    return Axis(starts.astype("datetime64[M]").astype("datetime64[us]").astype("int64"), "date")


def robust_range(tables: Sequence[np.ndarray]) -> tuple[float, float]:
    """From the smallest to the largest value, but without tails that would more than double the axis."""
    low = min(float(np.quantile(values, TAIL)) for values in tables)
    high = max(float(np.quantile(values, 1 - TAIL)) for values in tables)
    least = min(float(values.min()) for values in tables)
    most = max(float(values.max()) for values in tables)
    width = high - low
    return (least if low - least <= width else low), (most if most - high <= width else high)


def _look(values: np.ndarray) -> np.ndarray:
    """At most `_LOOK` values, evenly spread, always with the smallest and the largest."""
    if len(values) <= _LOOK:
        return values
    return np.concatenate([values[:: len(values) // _LOOK + 1], [values.min(), values.max()]])


def _wants_log(tables: Sequence[np.ndarray]) -> bool:
    pooled = np.concatenate(tables)
    return pooled.min() > 0 and np.quantile(pooled, 0.99) > 10 * np.median(pooled)


def _width(tables: Sequence[np.ndarray], low: float, high: float, most: int) -> float:
    """Freedman and Diaconis' bin width for the first table, within 12 and `most` bins."""
    values = tables[0]
    quarter, three_quarters = np.quantile(values, [0.25, 0.75])
    spread = three_quarters - quarter
    width = 2 * spread / len(values) ** (1 / 3) if spread > 0 else (high - low) / 30
    return float(np.clip(width, (high - low) / most, (high - low) / 12))


def _grid(tables: Sequence[np.ndarray]) -> float:
    """The step on which nearly all values lie (1, 0.1, ... 0.0001), or 0. Bins that ignore it alternate in height."""
    values = tables[0][:2000]
    for digits in range(5):
        scaled = values * 10.0**digits
        if np.mean(np.abs(scaled - np.round(scaled)) < 1e-6) > 0.98:
            return 10.0**-digits
    return 0.0


def _cut(low: float, high: float, width: float, step: float) -> np.ndarray:
    if not width > 0 or not np.isfinite(width):
        around = step or max(abs(low) * 1e-3, 0.5)
        return np.array([low - around / 2, low + around / 2])
    if step and width < 20 * step and high - low >= step:
        width = step * max(1, np.ceil(width / step - 1e-9))
        low = np.round(low / step) * step - step / 2
    bins = max(1, int(np.ceil((high - low) / width - 1e-9)))
    edges = low + np.arange(bins + 1) * width
    edges[-1] = max(edges[-1], high)
    # Bins thinner than the numbers' own precision leave no room between edges.
    return edges if (np.diff(edges) > 0).all() else np.array([low, np.nextafter(high, np.inf)])
