"""Rules between columns that every synthetic row keeps, such as `pickup <= dropoff`.

A rule is plain data: found by `synth.constraints.discovery.suggest_rules`, edited in the browser, stored in `Schema.rules`.
It says of each row whether it is kept; a row that lacks a value the rule speaks of keeps it. How generators are
made to keep rules is in `synth.constraints.enforcer`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

Bound = bool | int | float | str


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def named(self) -> list[str]:
        """The columns that the rule speaks of."""
        raise NotImplementedError

    def applies(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, whether all values are there that the rule speaks of."""
        return table[self.named].notna().all(axis=1).to_numpy()

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, whether the rule is kept where it applies (elsewhere anything)."""
        raise NotImplementedError

    def kept(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, whether the rule is kept or does not apply. `table` conforms to its schema."""
        return ~self.applies(table) | self.holds(table)


class Ordering(_Rule):
    """One column never exceeds another: `low <= high`, or `low < high` when strict."""

    kind: Literal["order"] = "order"
    low: str
    high: str
    strict: bool = False

    def __str__(self) -> str:
        return f"{self.low} {'<' if self.strict else '<='} {self.high}"

    @property
    def named(self) -> list[str]:
        return [self.low, self.high]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        low, high = measure(table[self.low]), measure(table[self.high])
        return low < high if self.strict else low <= high


class Range(_Rule):
    """A column stays within bounds, each of which may be left open (None)."""

    kind: Literal["range"] = "range"
    column: str
    low: Bound | None = None
    high: Bound | None = None

    def __str__(self) -> str:
        low = "" if self.low is None else f"{self.low} <= "
        return f"{low}{self.column}" + ("" if self.high is None else f" <= {self.high}")

    @property
    def named(self) -> list[str]:
        return [self.column]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        values = measure(table[self.column])
        inside = np.ones(len(table), bool)
        if self.low is not None:
            inside &= values >= measured(self.low, table[self.column])
        if self.high is not None:
            inside &= values <= measured(self.high, table[self.column])
        return inside


class Allowed(_Rule):
    """A column holds one of the listed values."""

    kind: Literal["allowed"] = "allowed"
    column: str
    values: list[Bound] = Field(min_length=1)

    def __str__(self) -> str:
        return f"{self.column} is one of {', '.join(map(str, self.values))}"

    @property
    def named(self) -> list[str]:
        return [self.column]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        column = table[self.column]
        if isinstance(column.dtype, pd.CategoricalDtype):
            return column.isin([str(value) for value in self.values]).to_numpy()
        return np.isin(measure(column), [measured(value, column) for value in self.values])


class Combination(_Rule):
    """Values of these columns come together only as they do in the real table, such as city and state."""

    kind: Literal["combination"] = "combination"
    columns: list[str] = Field(min_length=2)

    def __str__(self) -> str:
        return f"{' + '.join(self.columns)} as seen together"

    @property
    def named(self) -> list[str]:
        return list(self.columns)


class ExactlyOne(_Rule):
    """In each row exactly one of these columns is set: true, other than 0, or filled at all."""

    kind: Literal["exactly_one"] = "exactly_one"
    columns: list[str] = Field(min_length=2)

    def __str__(self) -> str:
        return f"exactly one of {', '.join(self.columns)}"

    @property
    def named(self) -> list[str]:
        return list(self.columns)

    def applies(self, table: pd.DataFrame) -> np.ndarray:
        return np.ones(len(table), bool)

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        return self.set_in(table).sum(axis=1) == 1

    def set_in(self, table: pd.DataFrame) -> np.ndarray:
        """Rows x columns: which are set."""
        return np.column_stack([_is_set(table[column]) for column in self.columns])


class Sum(_Rule):
    """A column is the sum of others; differences up to `tolerance` are rounding."""

    kind: Literal["sum"] = "sum"
    total: str
    parts: list[str] = Field(min_length=2)
    tolerance: float = Field(0.005, ge=0)

    def __str__(self) -> str:
        return f"{self.total} = {' + '.join(self.parts)}"

    @property
    def named(self) -> list[str]:
        return [self.total, *self.parts]

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        total = measure(table[self.total]).astype(float)
        off = np.abs(total - sum(measure(table[part]).astype(float) for part in self.parts))
        return off <= self.tolerance + 1e-9 * np.abs(total)


Rule = Annotated[Ordering | Range | Allowed | Combination | ExactlyOne | Sum, Field(discriminator="kind")]


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


def _is_set(values: pd.Series) -> np.ndarray:
    filled = values.notna().to_numpy()
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return filled & (measure(values) != 0)
    return filled
