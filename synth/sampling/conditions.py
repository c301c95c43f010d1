"""What the analyst asks of the rows: fixed values, ranges and sets, with a count for each, or given shares.

    {"income": ">50K", "age": {"ge": 30, "lt": 40}}                          all rows
    {"cases": [{"where": {"income": ">50K"}, "rows": 500}]}                  500 of them so, the others as they come
    {"shares": {"income": {">50K": 0.5, "<=50K": 0.5}}}                      rebalanced

Asked for n rows, a generator gives n rows that meet all of this, or raises `Unmet` with the reason.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.schema import Column, Schema
from synth.schema.comparing import measure, measured
from synth.schema.kinds import Bound

Value = Bound | None


class Unmet(ValueError):
    """Raised when the rows asked for cannot be drawn; `possible` is how many could."""

    def __init__(self, reason: str, possible: int = 0):
        super().__init__(reason)
        self.possible = possible


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(_Wish):
    """Within bounds; at least one of them."""

    ge: Bound | None = None
    gt: Bound | None = None
    le: Bound | None = None
    lt: Bound | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("A range needs one of ge, gt, le, lt.")
        return self

    def __str__(self) -> str:
        signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
        return " and ".join(f"{signs[side]} {bound}" for side, bound in self.model_dump(exclude_none=True).items())


class Except(_Wish):
    """Any value but these."""

    except_: list[Value] = Field(alias="except", min_length=1)

    def __str__(self) -> str:
        return f"is none of {', '.join(map(str, self.except_))}"


Criterion = Bounds | Except | list[Value] | Value
"""Of one column: a range, all but some values, one of several values, or a value (None: missing)."""


class Case(BaseModel):
    """Rows that are alike in what is asked of them; `rows` None: as many as are left over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: dict[str, Criterion]
    rows: int | None = Field(None, ge=1)

    def __str__(self) -> str:
        return " and ".join(f"{name} {_in_words(wish)}" for name, wish in self.where.items()) or "any row"


class Conditions(BaseModel):
    """Cases with a count each, then cases and shares of what is left over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: list[Case] = []
    shares: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="For a column, the share of rows that hold each of some values."
    )

    @classmethod
    def of(cls, wishes: Conditions | dict[str, Any] | None) -> Self:
        """Conditions as given, or a mapping of columns to wishes that holds for all rows."""
        if isinstance(wishes, Conditions):
            return wishes
        if not wishes:
            return cls()
        if set(wishes) <= {"cases", "shares"} and all(isinstance(part, (list, dict)) for part in wishes.values()):
            return cls.model_validate(wishes)
        return cls(cases=[Case(where={name: _json(wish) for name, wish in wishes.items()})])

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        for name, shares in self.shares.items():
            if any(share < 0 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
                raise ValueError(f"The shares of {name!r} must be positive and add up to at most 1.")
        return self

    def plan(self, rows: int) -> list[tuple[Case, int]]:
        """Which case takes how many of `rows` rows. Raises Unmet when more are asked for than there are."""
        plan = [(case, case.rows) for case in self.cases if case.rows is not None]
        left = rows - sum(count for _, count in plan)
        if left < 0:
            raise Unmet(f"The cases ask for {rows - left} rows, but only {rows} are to be drawn. Ask for more rows.")
        open_cases = [case for case in self.cases if case.rows is None] or [Case(where={})]
        for case, count in zip(open_cases, _split([1.0] * len(open_cases), left), strict=True):
            cells = self._cells()
            counts = _split([share for _, share in cells], count)
            plan += [(Case(where=case.where | where), n) for (where, _), n in zip(cells, counts, strict=True)]
        return [(case, count) for case, count in plan if count]

    def _cells(self) -> list[tuple[dict[str, Criterion], float]]:
        """Every combination of the values with shares, as if the columns were independent."""
        columns = []
        for name, shares in self.shares.items():
            wishes: list[tuple[str, Criterion, float]] = [(name, value, share) for value, share in shares.items()]
            if (rest := 1 - sum(shares.values())) > 1e-9:
                wishes.append((name, Except(**{"except": list(shares)}), rest))
            columns.append(wishes)
        return [
            ({name: wish for name, wish, _ in cell}, prod(share for *_, share in cell)) for cell in product(*columns)
        ]


def matches(where: dict[str, Criterion], table: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Row by row, whether all wishes are met. Raises ValueError when a wish does not fit its column's kind."""
    met = np.ones(len(table), bool)
    for name, wish in where.items():
        met &= _met(wish, table[name], schema[name])
    return met


def _met(wish: Criterion, values: pd.Series, column: Column) -> np.ndarray:
    if isinstance(wish, list):
        return np.logical_or.reduce([_met(value, values, column) for value in wish])
    if isinstance(wish, Except):
        return ~_met(wish.except_, values, column)
    known = values.notna().to_numpy()
    if wish is None:
        return ~known
    if isinstance(wish, Bounds):
        if column.kind not in ("number", "integer", "datetime"):
            raise ValueError(f"Column {column.name!r} holds {column.kind} values; only numbers and dates have ranges.")
        numbers, met = measure(values), known
        for side, compare in {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less}.items():
            if (bound := getattr(wish, side)) is not None:
                met = met & compare(numbers, measured(bound, values))
        return met
    if column.kind == "category":
        return (values == str(wish)).to_numpy()
    return known & (measure(values) == measured(truth(wish, column) if column.kind == "boolean" else wish, values))


def truth(value: Bound, column: Column) -> bool:
    """A wish of a boolean column: true or false, or one of its labels."""
    labels = {str(label): bool(place) for place, label in enumerate(column.labels or ("false", "true"))}
    labels |= {"false": False, "true": True, "False": False, "True": True}
    if str(value) in labels:
        return labels[str(value)]
    if value in (0, 1):
        return bool(value)
    raise ValueError(f"Column {column.name!r} is true or false, not {value!r}.")


def is_fixed(wish: Criterion) -> bool:
    """Whether only one value meets the wish, and that is not a missing one."""
    return wish is not None and not isinstance(wish, (list, Bounds, Except))


def _in_words(wish: Criterion) -> str:
    if isinstance(wish, (Bounds, Except)):
        return str(wish)
    if isinstance(wish, list):
        return f"is one of {', '.join(map(str, wish))}"
    return "is missing" if wish is None else f"is {wish}"


def _json(wish: Any) -> Any:
    """A wish written in Python (timestamps, numpy's numbers, tuples) as it is in JSON."""
    if isinstance(wish, dict):
        return {side: _json(bound) for side, bound in wish.items()}
    if isinstance(wish, (list, tuple, set, frozenset)):
        return [_json(value) for value in wish]
    if isinstance(wish, (pd.Timestamp, np.datetime64)):
        return pd.Timestamp(wish).isoformat()
    return wish.item() if isinstance(wish, np.generic) else wish


def _split(shares: list[float], rows: int) -> list[int]:
    """Whole numbers near `shares` of `rows` that add up to it: largest remainders first."""
    exact = np.array(shares) / sum(shares) * rows
    counts = np.floor(exact + 1e-9).astype(int)
    for place in np.argsort(counts - exact, kind="stable")[: rows - counts.sum()]:
        counts[place] += 1
    return counts.tolist()
