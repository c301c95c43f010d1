"""How the values of columns compare, with each other and with a bound that somebody wrote."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from synth.schema.kinds import Bound


def measure(values: pd.Series) -> np.ndarray:
    """Numbers that compare as the values do; datetimes in microseconds since 1970, anything where missing."""
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        return values.to_numpy("datetime64[us]").view(np.int64)
    if values.dtype.kind == "f":
        return values.to_numpy(float)
    return values.fillna(False if values.dtype == "boolean" else 0).to_numpy(np.int64)


def measured(value: Bound, like: pd.Series) -> int | float:
    """The number that stands for `value` beside `measure(like)`. Raises ValueError when it is of another kind."""
    try:
        if isinstance(like.dtype, pd.DatetimeTZDtype) or like.dtype.kind == "M":
            moment = pd.Timestamp(value)
            zone = getattr(like.dtype, "tz", None)
            if zone is not None:
                moment = moment.tz_localize(zone) if moment.tzinfo is None else moment
                moment = moment.tz_convert("UTC").tz_localize(None)
            return int(moment.to_datetime64().astype("datetime64[us]").astype(np.int64))
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} cannot be compared with the values of column {like.name!r}.") from error


def is_set(values: pd.Series) -> np.ndarray:
    """Row by row, whether a value is set: true, other than 0, or filled at all."""
    filled = values.notna().to_numpy()
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return filled & (measure(values) != 0)
    return filled


def within(values: pd.Series, low: Bound | None, high: Bound | None) -> np.ndarray:
    """Row by row, whether a value lies within bounds, each of which may be left open (None)."""
    numbers = measure(values)
    inside = np.ones(len(values), bool)
    if low is not None:
        inside &= numbers >= measured(low, values)
    if high is not None:
        inside &= numbers <= measured(high, values)
    return inside


def one_of(values: pd.Series, allowed: Iterable[Bound]) -> np.ndarray:
    """Row by row, whether a value is one of those listed."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.isin([str(value) for value in allowed]).to_numpy()
    return np.isin(measure(values), [measured(value, values) for value in allowed])
