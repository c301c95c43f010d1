"""One column, real beside synthetic: shares per bin, level, hour; what is missing, rare or invented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from metrics.views.axes import Axis, edge_text, iso, numbers, numeric_axis, rounded, time_axis
from synth.schema import Column

TOP = 20
"""Levels shown before the rest becomes one bar."""
RARE = 10
"""A level held by fewer real rows than this is marked rare: it may point at single people."""
FEW = 30
"""Numbers with at most so many distinct real values are drawn as bars, one a value."""
SPIKE = 0.1
"""A single number held by this share of the rows is drawn beside the histogram, so that the rest can be seen."""
HUGE = 1e300
"""Numbers from here on count as infinite: differences and sums of them overflow."""

_WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Series = Mapping[str, pd.Series]
"""One column of each table: `train`, perhaps `holdout`, and `synthetic`."""


def column_view(
    train: pd.DataFrame, holdout: pd.DataFrame | None, synthetic: pd.DataFrame, column: Column
) -> dict[str, Any]:
    """What the picture of one column shows, as plain JSON values.

    Every share is of all rows of its table, so that bins or levels and what is set `apart` sum to 1. Keys:
    `column`, `kind`, `form` ("histogram", "bars" or "time"), `rows` {table: count}, `missing` {table: share},
    `note`, `summary` {table: {...}}, and
    - histogram, time: `edges`, `scale`, `shares` {table: [...]}
    - time: `cycles` [{name, labels, shares}] by hour, weekday and month
    - bars: `levels` [{label, shares {table: share}, rare, invented, rest}], largest real share first
    - all: `apart` [{label, shares}]: what lies below and above the axis, spikes, infinite and missing values.
    """
    tables = {"train": train, "holdout": holdout, "synthetic": synthetic}
    series = {name: table[column.name] for name, table in tables.items() if table is not None}
    view: dict[str, Any] = {
        "column": column.name,
        "kind": column.kind,
        "rows": {name: len(values) for name, values in series.items()},
        "missing": {name: _share(values.isna().sum(), values) for name, values in series.items()},
        "apart": [],
        "summary": {},
        "note": "",
    }
    if column.kind == "datetime":
        _time(view, series)
    elif column.kind in ("number", "integer"):
        _number(view, {name: numbers(values) for name, values in series.items()})
    elif column.kind == "text":
        view["note"] = "Lengths of the texts, in characters"
        _number(view, {name: numbers(values.str.len()) for name, values in series.items()})
    else:
        labels = column.labels or ("false", "true")
        counts = {name: level_counts(values, column.kind == "boolean", labels) for name, values in series.items()}
        _levels(view, counts)
    if any(view["missing"].values()):
        view["apart"].append({"label": "missing", "shares": view["missing"]})
    return view


def _share(count: float, values: Any) -> float:
    return round(float(count) / max(len(values), 1), 6)


def _number(view: dict[str, Any], tables: Mapping[str, np.ndarray]) -> None:
    finite = {name: values[np.abs(values) < HUGE] for name, values in tables.items()}
    view["summary"] = {name: _summary(values) for name, values in finite.items()}
    distinct = distinct_values(finite["train"])
    if distinct is not None:
        counts = {name: pd.Series(values).value_counts() for name, values in finite.items()}
        _few_numbers(view, counts, distinct)
    else:
        spikes, rest, axis = _set_apart(finite)
        _binned(view, axis, rest)
        for spike in spikes:
            held = {name: _share((values == spike).sum(), values) for name, values in tables.items()}
            view["apart"].append({"label": f"{spike:,.15g}", "shares": held})
    infinite = {name: _share((np.abs(values) >= HUGE).sum(), values) for name, values in tables.items()}
    if any(infinite.values()):
        view["apart"].append({"label": "infinite", "shares": infinite})


def _set_apart(tables: dict[str, np.ndarray]) -> tuple[list[float], dict[str, np.ndarray], Axis]:
    """Numbers that are drawn beside the histogram, the other numbers, and the axis for these."""
    spikes = _spikes(tables)
    rest = _without(tables, spikes)
    axis = numeric_axis(list(rest.values()))
    if axis.scale == "linear" and all((values >= 0).all() for values in rest.values()):
        # A log axis would have no place for 0.
        above = _without(rest, [0.0])
        log = numeric_axis(list(above.values()))
        if log.scale == "log":
            return sorted({*spikes, 0.0}), above, log
    return spikes, rest, axis


def _without(tables: dict[str, np.ndarray], numbers: list[float]) -> dict[str, np.ndarray]:
    return {name: values[~np.isin(values, numbers)] for name, values in tables.items()}


def _binned(view: dict[str, Any], axis: Axis, tables: Mapping[str, np.ndarray]) -> None:
    """Shares by bin, and apart from them what lies beyond the axis."""
    found = {name: axis.shares(values, view["rows"][name]) for name, values in tables.items()}
    plain = axis.plain()
    view |= plain | {"form": "time" if axis.scale == "date" else "histogram"}
    view["shares"] = {name: shares for name, (shares, _, _) in found.items()}
    for label, side in ((f"below {edge_text(plain['edges'][0])}", 1), (f"above {edge_text(plain['edges'][-1])}", 2)):
        shares = {name: parts[side] for name, parts in found.items()}
        if any(shares.values()):
            view["apart"].append({"label": label, "shares": shares})


def _summary(values: np.ndarray) -> dict[str, float | None]:
    if not len(values):
        return dict.fromkeys(("mean", "sd", "least", "q25", "median", "q75", "most"))
    least, q25, median, q75, most = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    with np.errstate(over="ignore", invalid="ignore"):
        figures = {"mean": values.mean(), "sd": values.std(), "least": least, "q25": q25, "median": median}
        figures |= {"q75": q75, "most": most}
    return {name: float(f"{value:.6g}") if np.isfinite(value) else None for name, value in figures.items()}


def distinct_values(values: np.ndarray) -> np.ndarray | None:
    """The distinct values in order, or None when there are more than `FEW`."""
    if len(np.unique(values[:2000])) > FEW:
        return None
    distinct = np.unique(values)
    return distinct if len(distinct) <= FEW else None


def _spikes(tables: Mapping[str, np.ndarray]) -> list[float]:
    """At most three values that each hold at least `SPIKE` of some table's numbers."""
    found: dict[float, float] = {}
    for values in tables.values():
        sample = values[:: len(values) // 20_000 + 1]
        if len(sample) < 50:
            continue
        level, count = np.unique(sample, return_counts=True)
        heavy = count / len(sample) >= SPIKE
        for value, share in zip(level[heavy], count[heavy] / len(sample), strict=True):
            found[float(value)] = max(found.get(float(value), 0.0), float(share))
    return sorted(sorted(found, key=found.__getitem__, reverse=True)[:3])


def _few_numbers(view: dict[str, Any], counts: Mapping[str, pd.Series], distinct: np.ndarray) -> None:
    view["form"], view["levels"] = "bars", []
    for value in distinct:
        held = {name: int(count.get(value, 0)) for name, count in counts.items()}
        view["levels"].append(_level(view, f"{value:,.15g}", held))
    others = {name: int(count.sum() - count.reindex(distinct).sum()) for name, count in counts.items()}
    if any(others.values()):
        view["levels"].append(_level(view, "other values", others, rest=True))


def level_counts(values: pd.Series, boolean: bool, labels: tuple[str, str]) -> pd.Series:
    """How many rows have each level that occurs, by its label."""
    counts = values.value_counts()
    if boolean:
        return pd.Series({labels[int(value)]: count for value, count in counts.items()}, dtype="int64")
    counts = counts[counts > 0]
    return pd.Series(counts.to_numpy(), index=counts.index.astype(object))


def _levels(view: dict[str, Any], counts: Mapping[str, pd.Series]) -> None:
    real, synthetic = counts["train"], counts["synthetic"]
    invented = synthetic[~synthetic.index.isin(real.index)]
    shown = real.sort_values(ascending=False, kind="stable").index[:TOP]
    view["form"] = "bars"
    view["levels"] = [
        _level(view, str(label), {name: int(count.get(label, 0)) for name, count in counts.items()}) for label in shown
    ]
    hidden = real.index.difference(shown, sort=False)
    if len(hidden):
        rest = {name: int(count.reindex(hidden).sum()) for name, count in counts.items()}
        view["levels"].append(_level(view, f"{len(hidden):,} other levels", rest, rest=True))
    new = {name: int(count[~count.index.isin(real.index)].sum()) for name, count in counts.items()}
    if any(new.values()):
        view["levels"].append(_level(view, "not in training rows", new, rest=True, invented=True))
    view["summary"] = {name: {"levels": len(count)} for name, count in counts.items()}
    rare = int((real < RARE).sum())
    if len(hidden) or len(invented) or rare:
        view["note"] = (
            f"Levels: {len(real):,}, {rare:,} of them rare; synthetic: {len(synthetic):,}, {len(invented):,} of them new"
        )


def _level(
    view: dict[str, Any], label: str, held: Mapping[str, int], rest: bool = False, invented: bool = False
) -> dict[str, Any]:
    shares = {name: round(count / max(view["rows"][name], 1), 6) for name, count in held.items()}
    return {
        "label": label,
        "shares": shares,
        "rare": not rest and held["train"] < RARE,
        "rest": rest,
        "invented": invented,
    }


def _time(view: dict[str, Any], series: Series) -> None:
    moments = {name: numbers(values) for name, values in series.items()}
    moments = {name: values[~np.isnan(values)].astype("int64") for name, values in moments.items()}
    axis = time_axis(list(moments.values()))
    _binned(view, axis, moments)
    view["cycles"] = _cycles(moments, view["rows"])
    view["summary"] = {
        name: dict(zip(("least", "most"), iso(np.array([values.min(), values.max()])), strict=True))
        for name, values in moments.items()
        if len(values)
    }


def _cycles(moments: Mapping[str, np.ndarray], rows: Mapping[str, int]) -> list[dict[str, Any]]:
    """Shares by hour, weekday and month, each only where the training rows differ in it."""
    hour = 3_600_000_000
    cycles = {
        "hour of the day": ([f"{h:02d}" for h in range(24)], lambda at: at // hour % 24),
        # 1970 began on a Thursday.
        "weekday": (_WEEKDAYS, lambda at: (at // (24 * hour) + 3) % 7),
        "month": (_MONTHS, lambda at: at.astype("datetime64[us]").astype("datetime64[M]").astype("int64") % 12),
    }
    out = []
    for name, (labels, phase) in cycles.items():
        counts = {table: np.bincount(phase(values), minlength=len(labels)) for table, values in moments.items()}
        if counts["train"].max() < 0.99 * counts["train"].sum():
            shares = {table: rounded(count / max(rows[table], 1)) for table, count in counts.items()}
            out.append({"name": name, "labels": labels, "shares": shares})
    return out
