"""What each column of a table holds: missing and distinct values, range, top values, a small histogram."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synth.schema import Column
from synth.schema.profile import ColumnProfile, Histogram, TopValue

TOP, SAMPLES, BINS = 10, 5, 20


def profile_levels(
    column: Column, texts: pa.Array, counts: np.ndarray, rows: int, values: pd.Series | None, note: str = ""
) -> ColumnProfile:
    """The profile of a column from its distinct texts, how often each occurs, and the values they stand for."""
    present = np.ones(len(counts), bool) if values is None else values.notna().to_numpy(bool)
    weights = counts[present]
    kept = texts.filter(pa.array(present)) if not present.all() else texts
    most = np.argsort(-weights, kind="stable")[:TOP]
    profile = ColumnProfile(
        name=column.name,
        kind=column.kind,
        rows=rows,
        missing=rows - int(weights.sum()),
        distinct=len(weights),
        top=[TopValue(value=kept[int(i)].as_py(), rows=int(weights[i])) for i in most],
        samples=kept.slice(0, SAMPLES).to_pylist(),
        note=note,
    )
    if not len(weights):
        return profile
    if column.kind in ("category", "text"):
        lengths = pc.utf8_length(kept)
        profile.shortest, profile.longest = pc.min(lengths).as_py(), pc.max(lengths).as_py()
    elif values is not None and column.kind in ("number", "integer"):
        numbers = values[present].astype("float64").to_numpy()
        _describe_numbers(profile, numbers, weights)
    elif values is not None and column.kind == "datetime":
        _describe_moments(profile, values[present], weights)
    return profile


def _describe_numbers(profile: ColumnProfile, numbers: np.ndarray, weights: np.ndarray) -> None:
    mean = float(np.average(numbers, weights=weights))
    squares = float(np.dot(weights, (numbers - mean) ** 2))
    profile.minimum, profile.maximum, profile.mean = float(numbers.min()), float(numbers.max()), mean
    profile.std = (squares / (weights.sum() - 1)) ** 0.5 if weights.sum() > 1 else None
    counts, edges = np.histogram(numbers, bins=BINS, weights=weights)
    profile.histogram = Histogram(edges=edges.tolist(), counts=counts.astype(int).tolist())


def _describe_moments(profile: ColumnProfile, moments: pd.Series, weights: np.ndarray) -> None:
    moments = moments.dt.tz_localize(None) if moments.dt.tz is not None else moments
    ticks = moments.astype("datetime64[us]").astype("int64").to_numpy()
    start = int(ticks.min())
    counts, edges = np.histogram((ticks - start).astype(float), bins=BINS, weights=weights)
    profile.minimum, profile.maximum = _iso(start), _iso(int(ticks.max()))
    profile.mean = _iso(start + int(np.average((ticks - start).astype(float), weights=weights)))
    profile.histogram = Histogram(edges=[_iso(start + int(e)) for e in edges], counts=counts.astype(int).tolist())


def _iso(ticks: int) -> str:
    return np.datetime_as_string(np.datetime64(ticks, "us").astype("datetime64[s]"))
