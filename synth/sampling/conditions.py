"""What the analyst asks of the rows: fixed values, ranges and sets, with a count for each, or given shares.

    {"income": ">50K", "age": {"ge": 30, "lt": 40}}                          all rows
    {"where": ["income = >50K", "age >= 30", "age < 40"]}                    the same in a line each
    {"cases": [{"where": {"income": ">50K"}, "rows": 500}]}                  500 of them so, the others as they come
    {"shares": {"income": {">50K": 0.5, "<=50K": 0.5}}}                      rebalanced

Asked for n rows, a generator gives n rows that meet all of this, or raises `Unmet` with the reason.
"""

from __future__ import annotations

from datetime import datetime
from itertools import product
from math import floor, prod
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.errors import Invalid, given_by_the_asker
from synth.linear import whole, within
from synth.schema.kinds import Bound

Value = Bound | None


class Unmet(Invalid):
    """Raised when the rows asked for cannot be drawn; `possible` is how many could."""

    def __init__(self, reason: str, possible: int = 0):
        super().__init__(reason)
        self.possible = possible


class _Criterion(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bounds(_Criterion):
    """Within bounds; at least one of them."""

    ge: Bound | None = Field(None, description="At least this.", examples=[18])
    gt: Bound | None = Field(None, description="More than this.")
    le: Bound | None = Field(None, description="At most this.")
    lt: Bound | None = Field(None, description="Less than this.", examples=[65])

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("A range needs one of ge, gt, le, lt.")
        return self

    def __str__(self) -> str:
        signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
        return " and ".join(f"{signs[side]} {bound}" for side, bound in self.model_dump(exclude_none=True).items())


class Except(_Criterion):
    """Any value but these."""

    except_: list[Value] = Field(alias="except", min_length=1)

    def __str__(self) -> str:
        return f"is none of {', '.join(map(str, self.except_))}"


Criterion = Bounds | Except | list[Value] | Value
"""Of one column: a range, all but some values, one of several values, or a value (None: missing)."""


class Case(BaseModel):
    """Rows that are alike in what is asked of them; `rows` None: as many as are left over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: dict[str, Criterion] = Field(
        description="For a column, what its value must be: a value, a list of them, bounds, or any except some.",
        examples=[{"income": ">50K", "age": {"ge": 30, "lt": 40}}],
    )
    rows: int | None = Field(None, ge=1, description="How many rows are such; unset: as many as are left over.")

    def __str__(self) -> str:
        return " and ".join(f"{name} {in_words(criterion)}" for name, criterion in self.where.items()) or "any row"


class Conditions(BaseModel):
    """Cases with a count each, then cases and shares of what is left over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: list[Case] = Field(default=[], description="Groups of rows, each with what must hold in it.")
    shares: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="For a column, the share of rows that hold each of some values."
    )

    @classmethod
    def of(cls, criteria: Conditions | dict[str, Any] | None) -> Self:
        """Conditions as given, or a mapping of columns to criteria that every row meets. Raises Invalid."""
        if isinstance(criteria, Conditions):
            return criteria
        if not criteria:
            return cls()
        if set(criteria) == {"where"} and (where := _where(criteria["where"])) is not None:
            criteria = where
        if set(criteria) <= {"cases", "shares"} and all(isinstance(part, (list, dict)) for part in criteria.values()):
            with given_by_the_asker():
                return cls.model_validate(criteria)
        with given_by_the_asker():
            return cls(cases=[Case(where={name: _json(criterion) for name, criterion in criteria.items()})])

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
            criteria: list[tuple[str, Criterion, float]] = [(name, value, share) for value, share in shares.items()]
            if (rest := 1 - sum(shares.values())) > 1e-9:
                criteria.append((name, Except(**{"except": list(shares)}), rest))
            columns.append(criteria)
        return [
            ({name: criterion for name, criterion, _ in cell}, prod(share for *_, share in cell))
            for cell in product(*columns)
        ]


SIGNS = {">=": "ge", "<=": "le", ">": "gt", "<": "lt", "==": "", "=": ""}
LINES = 100
SIGN, WHOLE_NUMBER = within(r"[<>=]=?"), whole(r"-?\d{1,18}")
LONGEST = 1000


def _where(given: Any) -> dict[str, Any] | None:
    """The criteria in `where`: as columns, or as lines such as `age >= 30`; None where it is a column's own name.

    Raises Invalid.
    """
    if isinstance(given, dict):
        return None if set(given) <= {*Bounds.model_fields, "except"} else given
    if not isinstance(given, list) or not all(isinstance(line, str) for line in given):
        return None
    found: dict[str, Any] = {}
    for line in given[:LINES]:
        sign = SIGN.search(line[:LONGEST])
        name = line[: sign.start()].strip() if sign else ""
        if sign is None or not name:
            raise Invalid("A line of `where` is a column, a sign (>=, >, <=, <, =) and a value, such as 'age >= 30'.")
        value, side = _value(line[sign.end() :].strip()), SIGNS[sign[0]]
        both = side and isinstance(found.get(name), dict) and side not in found[name]
        if name in found and not both:
            raise Invalid(f"Two lines of `where` ask for column {name!r}, and both cannot hold.")
        found[name] = {**found.get(name, {}), side: value} if side else value
    return found


def _value(text: str) -> Any:
    """A value written in a line: a number, true, false, null, or a text, in quotes or not."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    try:
        return int(text) if WHOLE_NUMBER.fullmatch(text) else float(text) if text[-1:].isdigit() else text
    except ValueError:
        return text


def in_words(criterion: Criterion) -> str:
    """What is asked of a column, after its name: `is one of a, b`."""
    if isinstance(criterion, (Bounds, Except)):
        return str(criterion)
    if isinstance(criterion, list):
        return f"is one of {', '.join(map(str, criterion))}"
    return "is missing" if criterion is None else f"is {criterion}"


def _json(criterion: Any) -> Any:
    """A criterion written in Python (timestamps, numpy's numbers, tuples) as it is in JSON."""
    if isinstance(criterion, dict):
        return {side: _json(bound) for side, bound in criterion.items()}
    if isinstance(criterion, (list, tuple, set, frozenset)):
        return [_json(value) for value in criterion]
    if isinstance(criterion, datetime):
        return criterion.isoformat()
    if type(criterion).__module__ != "numpy":
        return criterion
    import numpy as np

    if isinstance(criterion, np.datetime64):
        return criterion.astype("datetime64[us]").item().isoformat()
    return criterion.item()


def _split(shares: list[float], rows: int) -> list[int]:
    """Whole numbers near `shares` of `rows` that add up to it: largest remainders first."""
    exact = [share / sum(shares) * rows for share in shares]
    counts = [floor(part + 1e-9) for part in exact]
    for place in sorted(range(len(shares)), key=lambda place: counts[place] - exact[place])[: rows - sum(counts)]:
        counts[place] += 1
    return counts
