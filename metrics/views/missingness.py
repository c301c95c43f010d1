"""Where values are missing, column by column and together, real beside synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from synth.schema import Schema

PATTERNS = 12
"""Combinations of missing columns shown, those of most real and synthetic rows."""
COLUMNS = 40
"""Columns shown in the combinations, those most often missing."""


def missingness_view(
    real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, *, rows: str = "training"
) -> dict[str, Any]:
    """Missing shares and the combinations in which columns are missing; plain JSON values.

    Keys: `columns` [{name, real, synthetic}] for columns with a missing value in either table, most often missing
    first; `patterns` [{missing (names, empty: complete rows), real, synthetic (share of rows)}]; `rest` {real,
    synthetic: share of rows in no pattern shown}; `real_rows`; `rows`; `whole`: count of columns in the schema.
    """
    tables = {"real": real[schema.names], "synthetic": synthetic[schema.names]}
    holes = {name: table.isna().to_numpy(bool) for name, table in tables.items()}
    shares = {name: hole.mean(axis=0) if len(hole) else np.zeros(len(schema)) for name, hole in holes.items()}
    most = np.maximum(shares["real"], shares["synthetic"])
    order = [int(place) for place in np.argsort(-most, kind="stable") if most[place] > 0]
    view = {
        "columns": [
            {"name": schema.names[n], "real": _plain(shares["real"][n]), "synthetic": _plain(shares["synthetic"][n])}
            for n in order
        ],
        "real_rows": rows,
        "rows": {name: len(table) for name, table in tables.items()},
        "whole": len(schema),
    }
    kept = order[:COLUMNS]
    counted = {name: _patterns(hole[:, kept]) for name, hole in holes.items()}
    weight: dict[bytes, float] = {}
    for counts in counted.values():
        for pattern, share in counts.items():
            weight[pattern] = max(weight.get(pattern, 0.0), share)
    shown = sorted(weight, key=weight.__getitem__, reverse=True)[:PATTERNS]
    view["patterns"] = [
        {
            "missing": [schema.names[kept[n]] for n in np.flatnonzero(_unpacked(pattern, len(kept)))],
            "real": _plain(counted["real"].get(pattern, 0.0)),
            "synthetic": _plain(counted["synthetic"].get(pattern, 0.0)),
        }
        for pattern in shown
    ]
    view["rest"] = {
        name: _plain(max(0.0, sum(counts.values()) - sum(counts.get(pattern, 0.0) for pattern in shown)))
        for name, counts in counted.items()
    }
    return view


def _plain(value: float) -> float:
    return round(float(value), 6)


def _patterns(holes: np.ndarray) -> dict[bytes, float]:
    """Share of rows by pattern, each pattern packed into bytes."""
    if not holes.size:
        return {b"": 1.0} if len(holes) else {}
    packed = np.packbits(holes, axis=1)
    whole = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
    patterns, counts = np.unique(whole, return_counts=True)
    return {bytes(pattern): count / len(holes) for pattern, count in zip(patterns, counts, strict=True)}


def _unpacked(pattern: bytes, columns: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(pattern, dtype=np.uint8))[:columns]
