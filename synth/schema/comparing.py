"""How the values of columns compare, with each other and with a bound that somebody wrote."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from synth.errors import Invalid
from synth.schema.kinds import Bound

DAY_US = 86_400_000_000


def measure(values: pd.Series) -> np.ndarray:
    """Numbers that compare as the values do; datetimes in microseconds since 1970, anything where missing."""
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        return values.to_numpy("datetime64[us]").view(np.int64)
    if values.dtype.kind == "f":
        return values.to_numpy(float)
    return values.fillna(False if values.dtype == "boolean" else 0).to_numpy(np.int64)


def measured_alike(left: pd.Series, right: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that compare as the values of two columns do.

    Two columns of datetimes that both name a zone are compared as moments. Where only one does, they are compared as
    they are written, by the clock on the wall: a day beside a stamp in Z is the day that its owner reads there.
    """
    if _is_zoned(left) != _is_zoned(right):
        left, right = as_written(left), as_written(right)
    return measure(left), measure(right)


def days_of(values: pd.Series) -> np.ndarray:
    """The days of datetimes by the clock they are written with, each as its first microsecond since 1970."""
    return measure(as_written(values)) // DAY_US * DAY_US


def of_whole_days(values: pd.Series) -> bool:
    """Whether no datetime of a column has a time of day."""
    return not (measure(as_written(values.dropna())) % DAY_US).any()


def on_days_of(clocks: pd.Series, values: pd.Series) -> pd.Series:
    """`values` moved to the days of datetimes without a zone; their time of day stays."""
    own = as_written(values)
    return moved_to(clocks.dt.normalize() + (own - own.dt.normalize()), values.dtype)


def as_written(values: pd.Series) -> pd.Series:
    """Datetimes without their zone, as the clock on the wall shows them; other values as they are."""
    return values.dt.tz_localize(None) if _is_zoned(values) else values


def moved_to(values: pd.Series, dtype: Any) -> pd.Series:
    """`values` of one column as values of another, which has this dtype; those of `measured_alike` stay equal.

    In an hour that a clock goes through twice the first pass is meant; one that it leaves out ends where it goes on.
    """
    if isinstance(dtype, pd.DatetimeTZDtype) and not _is_zoned(values):
        values = _localized(values.dt, dtype.tz)
    elif not isinstance(dtype, pd.DatetimeTZDtype):
        values = as_written(values)
    return values.astype(dtype)


def _is_zoned(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.DatetimeTZDtype)


def _localized(clock: Any, zone: Any) -> Any:
    """Moments (a Timestamp, or the `dt` of a Series) in a zone; in the hour that comes twice, its first pass."""
    twice = True if isinstance(clock, pd.Timestamp) else np.ones(len(clock.hour), bool)
    return clock.tz_localize(zone, ambiguous=twice, nonexistent="shift_forward")


def measured(value: Bound, like: pd.Series) -> int | float:
    """The number that stands for `value` beside `measure(like)`. Raises Invalid when it is of another kind."""
    try:
        if isinstance(like.dtype, pd.DatetimeTZDtype) or like.dtype.kind == "M":
            moment = pd.Timestamp(value)
            zone = getattr(like.dtype, "tz", None)
            if zone is not None:
                moment = _localized(moment, zone) if moment.tzinfo is None else moment
                moment = moment.tz_convert("UTC")
            # A bound with a zone, beside a column without one, is meant as it is written.
            return int(moment.tz_localize(None).to_datetime64().astype("datetime64[us]").astype(np.int64))
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"{value!r} cannot be compared with the values of column {like.name!r}.") from error


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


def clipped(values: pd.Series, low: Bound | None, high: Bound | None) -> pd.Series:
    """`values` moved to the bound that they lie beyond."""
    own = numbers = measure(values)
    if low is not None:
        numbers = np.maximum(numbers, measured(low, values))
    if high is not None:
        numbers = np.minimum(numbers, measured(high, values))
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        new = pd.Series(pd.DatetimeIndex(numbers.astype("datetime64[us]"), tz="UTC").tz_convert(values.dtype.tz))
    elif values.dtype.kind == "M":
        new = pd.Series(numbers.astype("datetime64[us]"))
    elif values.dtype == "Int64":
        # Inwards, so that a bound of 0.5 makes a 1 and not a 0.
        inward = np.where(own < numbers, np.ceil(numbers), np.floor(numbers))
        new = pd.Series(inward.astype(np.int64)).astype("Int64")
    else:
        new = pd.Series(numbers)
    return new.astype(values.dtype)


def as_json(value: Any) -> Any:
    """A value of a table as JSON has it."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def keys_of(table: pd.DataFrame) -> list[tuple]:
    """One hashable key a row; equal for values as drawn and as stored."""
    return list(zip(*([as_json(value) for value in table[name].astype(object)] for name in table.columns), strict=True))
