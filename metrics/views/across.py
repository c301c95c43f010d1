"""One column of the real table beside the same column of several synthetic ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from metrics.views.axes import edge_text, numbers, numeric_axis, time_axis
from metrics.views.columns import HUGE, distinct_values, level_counts
from synth.schema import Column

LEVELS = 12
"""Levels drawn before the rest becomes one."""
REAL = "real"


def column_across_view(real: pd.DataFrame, runs: Mapping[str, pd.DataFrame], column: Column) -> dict[str, Any]:
    """A column of the real rows and of each run's, as plain JSON values.

    Every share is of all rows of its table. Keys: `column`, `kind`, `runs` (their names), `rows` {table: count}, where
    a table is "real" or a run's name, `note`, `form`, and
    - form "lines": `edges`, `scale`, `shares` {table: [...]}
    - form "levels": `levels` [{label, shares {table: share}}]: numbers in order, levels by their real share, the rest
      and missing last.
    """
    tables = {REAL: real[column.name]} | {name: table[column.name] for name, table in runs.items()}
    view: dict[str, Any] = {
        "column": column.name,
        "kind": column.kind,
        "runs": list(runs),
        "rows": {name: len(values) for name, values in tables.items()},
        "note": "",
    }
    if column.kind in ("category", "boolean"):
        labels = column.labels or ("false", "true")
        counts = {name: level_counts(values, column.kind == "boolean", labels) for name, values in tables.items()}
        commonest = counts[REAL].sort_values(ascending=False, kind="stable").index[:LEVELS]
        return view | _levels(counts, view["rows"], {label: str(label) for label in commonest})
    if column.kind == "text":
        view["note"] = "Lengths of the texts, in characters"
        tables = {name: values.str.len() for name, values in tables.items()}
    found = {name: numbers(values) for name, values in tables.items()}
    found = {name: values[np.abs(values) < HUGE] for name, values in found.items()}
    few = None if column.kind == "datetime" else distinct_values(found[REAL])
    if few is not None:
        counts = {name: pd.Series(values).value_counts() for name, values in found.items()}
        return view | _levels(counts, view["rows"], {value: f"{value:,.15g}" for value in few})
    return view | _lines(found, view["rows"], column.kind == "datetime")


def _lines(found: Mapping[str, np.ndarray], rows: Mapping[str, int], dates: bool) -> dict[str, Any]:
    """Shares by bin of one axis for all tables."""
    if dates:
        found = {name: values.astype("int64") for name, values in found.items()}
    axis = (time_axis if dates else numeric_axis)(list(found.values()))
    if axis.scale == "log":
        found = {name: values[values > 0] for name, values in found.items()}
    shares = {name: axis.shares(values, rows[name]) for name, values in found.items()}
    plain = axis.plain()
    beyond = any(below or above for _, below, above in shares.values())
    ends = f"{edge_text(plain['edges'][0])} to {edge_text(plain['edges'][-1])}"
    note = {"note": f"Drawn from {ends}; some rows lie beyond"} if beyond else {}
    return plain | note | {"form": "lines", "shares": {name: inside for name, (inside, _, _) in shares.items()}}


def _levels(counts: Mapping[str, pd.Series], rows: Mapping[str, int], shown: Mapping[Any, str]) -> dict[str, Any]:
    """Shares of the levels `shown` under their labels, of all others, and of what is missing."""
    held = {label: {name: int(count.get(level, 0)) for name, count in counts.items()} for level, label in shown.items()}
    rest = {name: int(count.sum()) - sum(level[name] for level in held.values()) for name, count in counts.items()}
    missing = {name: rows[name] - int(count.sum()) for name, count in counts.items()}
    levels = [
        *held.items(),
        *((label, one) for label, one in (("all others", rest), ("missing", missing)) if any(one.values())),
    ]
    return {
        "form": "levels",
        "levels": [
            {"label": label, "shares": {name: round(one[name] / max(rows[name], 1), 6) for name in counts}}
            for label, one in levels
        ],
    }
