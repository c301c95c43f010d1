"""How fine a column's values are and how far they reach, so that a model's numbers come out as the file writes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from synth.columns.endings import Endings
from synth.columns.numeric import is_choice
from synth.schema import Column

TRIMMED = 5
"""Values trimmed from each end of the reach (fewer in tables under 100 rows), so that it tells no single record. The
reach then ends halfway between two values, since many drawn values may be clipped to an end, and none should be a
person's. A value that occurs five times is an end in itself, such as 0."""
FEWEST = 20
"""In tables of fewer rows the reach ends at their first and last value."""
STEPS_US = {"D": 86_400_000_000, "h": 3_600_000_000, "min": 60_000_000, "s": 1_000_000, "ms": 1_000}


class Precision(BaseModel):
    """The digits and the reach of one numeric or datetime column; datetimes in microseconds since 1970."""

    model_config = ConfigDict(extra="forbid")

    low: float | int | None = None
    high: float | int | None = None
    decimals: int | None = None
    endings: Endings | None = None
    """The last digits of numbers, where these are few."""
    step: str | None = None
    """The coarsest of `STEPS_US` that all datetimes are multiples of."""

    @property
    def reach(self) -> tuple[float | int, float | int] | None:
        """The ends of the reach; None where the column had no value."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @classmethod
    def learn(cls, values: pd.Series, column: Column) -> Precision:
        known = values.dropna()
        if column.kind == "datetime":
            walls = known.dt.tz_localize(None) if column.timezone else known
            ticks = walls.to_numpy("datetime64[us]").view(np.int64)
            step = next((name for name, size in STEPS_US.items() if not (ticks % size).any()), None)
            return cls(**_reach(_ticks(known)), step=step)
        numbers = known.to_numpy(np.int64 if column.kind == "integer" else np.float64)
        # One of two answers or a class of the target is nobody's record, however few rows hold it.
        reach = _ends if is_choice(known, column) else _reach
        if column.kind == "integer":
            endings = None if is_choice(known, column) else Endings.learn(numbers, 0)
            return cls(**reach(numbers), decimals=0, endings=endings)
        numbers = numbers[np.isfinite(numbers)]
        decimals = column.decimals if column.decimals is not None else _decimals(numbers)
        grained = decimals is not None and not is_choice(known, column)
        endings = Endings.learn(numbers, decimals) if grained else None
        return cls(**reach(numbers), decimals=decimals, endings=endings)

    def apply(self, values: pd.Series, column: Column) -> pd.Series:
        """`values` within the reach and rounded; missing ones stay missing."""
        if column.kind == "datetime":
            return self._apply_datetime(values, column)
        if column.kind == "integer":
            if self.low is not None and self.high is not None:
                values = values.clip(int(self.low), int(self.high))
            known = values.notna().to_numpy(bool)
            if self.endings is not None and known.any():
                values = values.copy()
                values[known] = self._ended(values[known].to_numpy(np.float64)).astype(np.int64)
            return values
        numbers = values.to_numpy(np.float64)
        if self.low is not None:
            numbers = np.clip(numbers, self.low, self.high)
            known = np.isfinite(numbers)
            numbers[known] = self._ended(numbers[known])
        if self.decimals is not None:
            numbers = np.round(numbers, self.decimals)
        return pd.Series(numbers, index=values.index, name=values.name)

    def _ended(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers with the nearest of the last digits there are."""
        if self.endings is None or self.low is None or self.high is None:
            return numbers
        return self.endings.apply(numbers, (self.low, self.high))

    def _apply_datetime(self, values: pd.Series, column: Column) -> pd.Series:
        dtype = values.dtype
        if self.low is not None:
            low, high = (pd.Timestamp(end, unit="us", tz="UTC") for end in (self.low, self.high))
            if column.timezone:
                low, high = low.tz_convert(column.timezone), high.tz_convert(column.timezone)
            else:
                low, high = low.tz_localize(None), high.tz_localize(None)
            values = values.clip(low, high).astype(dtype)
        if self.step is not None and self.step != "ms":
            # In the hour that a clock goes through twice, the first pass.
            twice = {"ambiguous": np.ones(len(values), bool), "nonexistent": "shift_forward"}
            values = values.dt.floor(self.step, **twice) if column.timezone else values.dt.floor(self.step)
        return values.astype(dtype)


def _ticks(values: pd.Series) -> np.ndarray:
    """Datetimes as microseconds since 1970 in UTC."""
    return values.to_numpy("datetime64[us]").view(np.int64)


def _ends(numbers: np.ndarray) -> dict:
    """The least and the greatest number."""
    return {"low": numbers.min().item(), "high": numbers.max().item()} if len(numbers) else {}


def _reach(numbers: np.ndarray) -> dict:
    """The ends of the reach; empty where there is no number."""
    if not len(numbers):
        return {}
    if len(numbers) < FEWEST:
        return _ends(numbers)
    back = min(TRIMMED, 1 + len(numbers) // 20)
    ordered = np.partition(numbers, (0, back - 1, back, len(numbers) - back - 1, len(numbers) - back, len(numbers) - 1))
    first, low, after, before, high, last = ordered[[0, back - 1, back, -back - 1, -back, -1]].tolist()
    if isinstance(low, float):
        after, before = low + (after - low) / 2, high + (before - high) / 2
    else:
        # Of neighbouring whole numbers the outer one.
        after, before = (low + after) // 2, -(-(high + before) // 2)
    return {"low": low if low == first else after, "high": high if high == last else before}


def _decimals(numbers: np.ndarray) -> int | None:
    """The digits after the point that every number makes do with; None past eight."""
    for decimals in range(9):
        if all((np.round(part, decimals) == part).all() for part in (numbers[:500], numbers)):
            return decimals
    return None
