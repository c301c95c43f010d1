"""Whether rows can meet conditions at all, as far as the schema and the profiles of a table tell before the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from synth.errors import Invalid
from synth.sampling.conditions import Bounds, Conditions, Criterion, Except, in_words
from synth.sampling.matching import truth
from synth.schema import Column, Schema
from synth.schema.casting import dtype_of
from synth.schema.comparing import measured
from synth.schema.kinds import Bound
from synth.schema.profile import ColumnProfile

Levels = Callable[[str], set[str]]
"""All levels of a column of the real table, as text."""


def check_conditions(
    conditions: Conditions, schema: Schema, profiles: Mapping[str, ColumnProfile], levels: Levels, rows: int | None
) -> None:
    """Refuse conditions that no row of a model of this table can meet.

    `rows` are as many as are to be drawn; None: not known. Raises Invalid, with the column and the reason in words.
    """
    try:
        for case in conditions.cases:
            for name, criterion in case.where.items():
                _check(name, criterion, schema, profiles, levels)
        for name, shares in conditions.shares.items():
            for value in shares:
                _check(name, value, schema, profiles, levels)
        if rows is not None:
            conditions.plan(rows)
    except Invalid as error:
        raise Invalid(str(error), "conditions") from error


def _check(
    name: str, criterion: Criterion, schema: Schema, profiles: Mapping[str, ColumnProfile], levels: Levels
) -> None:
    released = schema.released.names
    if name not in released:
        shown = ", ".join(released[:20]) + (", ..." if len(released) > 20 else "")
        raise Invalid(f"There is no column {name!r}, so no condition can be met there. There are {shown}.")
    column, profile = schema[name], profiles.get(name)
    made = column.role not in ("feature", "target") or column.kind == "text"
    if made and (profile is None or profile.distinct > 1):
        raise Invalid(f"Column {name!r} is made new in every row, so no condition can be met there.")
    if profile is None or profile.kind != column.kind or column.kind == "text":
        return
    for one in criterion if isinstance(criterion, list) else [criterion]:
        if isinstance(one, Except):
            for value in one.except_:
                _check_kind(value, column)
        elif isinstance(one, Bounds):
            _check_bounds(one, column, profile)
        elif one is None:
            if not profile.missing:
                raise Invalid(f"Column {name!r} is never missing, so no condition can ask for that.")
        else:
            _check_value(one, column, profile, levels)


def _check_value(value: Bound, column: Column, profile: ColumnProfile, levels: Levels) -> None:
    _check_kind(value, column)
    if column.kind == "category":
        if str(value) not in levels(column.name) and not _may_stand_for_rare(str(value), column, levels):
            known = ", ".join(top.value for top in profile.top)
            raise Invalid(f"Column {column.name!r} never holds {value!r}. It holds {known}{_more(profile)}.")
    elif column.kind in ("number", "integer", "datetime"):
        _check_bounds(Bounds(ge=value, le=value), column, profile)
        if column.kind == "integer" and measured(value, _like(column)) % 1:
            raise Invalid(f"Column {column.name!r} holds whole numbers, and {value} is none.")


def _may_stand_for_rare(level: str, column: Column, levels: Levels) -> bool:
    """Whether a level that no real row holds may come in place of rare ones."""
    if column.rare == "keep":
        return False
    return level in (column.rare_label, "(rare)") or any(known.startswith(level) for known in levels(column.name))


def _more(profile: ColumnProfile) -> str:
    return f" and {profile.distinct - len(profile.top):,} other values" if profile.distinct > len(profile.top) else ""


def _check_kind(value: Bound | None, column: Column) -> None:
    if column.kind == "boolean" and value is not None:
        truth(value, column)
    elif column.kind in ("number", "integer", "datetime") and value is not None:
        measured(value, _like(column))


def _check_bounds(bounds: Bounds, column: Column, profile: ColumnProfile) -> None:
    name = column.name
    if column.kind not in ("number", "integer", "datetime"):
        raise Invalid(f"Column {name!r} holds {column.kind} values; only numbers and dates have ranges.")
    like = _like(column)
    at = {side: measured(bound, like) for side, bound in bounds.model_dump(exclude_none=True).items()}
    low = max((at[side] for side in ("ge", "gt") if side in at), default=float("-inf"))
    high = min((at[side] for side in ("le", "lt") if side in at), default=float("inf"))
    # The bound itself is left out where it is a strict one.
    strict = at.get("gt") == low or at.get("lt") == high
    if low > high or (low == high and strict):
        raise Invalid(f"No value of column {name!r} can be {in_words(bounds)}.")
    if profile.minimum is None or profile.maximum is None:
        return
    least, most = measured(profile.minimum, like), measured(profile.maximum, like)
    if low > most or high < least or (at.get("gt") == most) or (at.get("lt") == least):
        raise Invalid(
            f"Column {name!r} goes from {_plain(profile.minimum)} to {_plain(profile.maximum)}; no row is such that it "
            f"is {in_words(bounds)}."
        )


def _plain(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.15g}"


def _like(column: Column) -> pd.Series:
    """No values, of the dtype that the column's have."""
    return pd.Series([], dtype=dtype_of(column), name=column.name)
