"""Numbers, whole numbers, booleans and datetimes as plain floats, and back."""

from __future__ import annotations

import numpy as np
import pandas as pd

from synth.schema import Column

CLASSES = 20
"""Different values, at most, of a target of whole numbers that are classes."""


def as_floats(values: pd.Series) -> np.ndarray:
    """Numbers (booleans as 0 and 1), or microseconds since 1970, with NaN for missing.

    Numbers without end are taken as far as the column otherwise goes.
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        micros = values.dt.as_unit("us").astype("int64").to_numpy().astype(float)
        return np.where(values.isna().to_numpy(), np.nan, micros)
    amounts = values.to_numpy(dtype=float, na_value=np.nan)
    finite = amounts[np.isfinite(amounts)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    return np.nan_to_num(amounts, nan=np.nan, posinf=high, neginf=low)


def as_kind(amounts: np.ndarray, column: Column) -> pd.Series:
    """The column that `as_floats` turned into `amounts`."""
    if column.kind == "boolean":
        return pd.Series(amounts).astype("boolean")
    if column.kind != "datetime":
        return pd.Series(amounts)
    micros = np.where(np.isnan(amounts), np.iinfo(np.int64).min, np.nan_to_num(amounts).round()).astype("int64")
    moments = pd.Series(micros.view("datetime64[us]"))
    return moments.dt.tz_localize("UTC").dt.tz_convert(column.timezone) if column.timezone else moments


def is_choice(values: pd.Series, column: Column) -> bool:
    """Whether numbers are one of two answers, or classes of the target: each is a level, however few rows hold it."""
    if column.kind not in ("integer", "number") or len(values) < 2:
        return False
    most = CLASSES if column.role == "target" and column.kind == "integer" else 2
    return values.head(1000).nunique() <= most and values.nunique() <= most
