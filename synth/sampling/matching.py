"""Which rows of a table meet the criteria of a condition."""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
import pandas as pd

from synth.errors import Invalid
from synth.sampling.conditions import Bounds, Criterion, Except
from synth.schema import Column, Schema
from synth.schema.comparing import measure, measured
from synth.schema.kinds import Bound


def matches(where: dict[str, Criterion], table: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Row by row, whether all criteria are met. Raises Invalid when one does not fit its column's kind."""
    met = np.ones(len(table), bool)
    for name, criterion in where.items():
        met &= _met(criterion, table[name], schema[name])
    return met


def _met(criterion: Criterion, values: pd.Series, column: Column) -> np.ndarray:
    if isinstance(criterion, list):
        return np.logical_or.reduce([_met(value, values, column) for value in criterion])
    if isinstance(criterion, Except):
        return ~_met(criterion.except_, values, column)
    known = values.notna().to_numpy()
    if criterion is None:
        return ~known
    if isinstance(criterion, Bounds):
        if column.kind not in ("number", "integer", "datetime"):
            raise Invalid(f"Column {column.name!r} holds {column.kind} values; only numbers and dates have ranges.")
        numbers, met = measure(values), known
        for side, compare in {"ge": np.greater_equal, "gt": np.greater, "le": np.less_equal, "lt": np.less}.items():
            if (bound := getattr(criterion, side)) is not None:
                met = met & compare(numbers, measured(bound, values))
        return met
    if column.kind == "category":
        return (values == str(criterion)).to_numpy()
    return known & (
        measure(values) == measured(truth(criterion, column) if column.kind == "boolean" else criterion, values)
    )


def truth(value: Bound, column: Column) -> bool:
    """The value that a boolean column should have: true or false, or one of its labels."""
    labels = {str(label): bool(place) for place, label in enumerate(column.labels or ("false", "true"))}
    labels |= {"false": False, "true": True, "False": False, "True": True}
    if str(value) in labels:
        return labels[str(value)]
    if value in (0, 1):
        return bool(value)
    raise Invalid(f"Column {column.name!r} is true or false, not {value!r}.")


def is_fixed(criterion: Criterion) -> TypeGuard[Bound]:
    """Whether only one value meets the criterion, and that is not a missing one."""
    return criterion is not None and not isinstance(criterion, (list, Bounds, Except))


def as_level(value: Criterion, column: Column) -> str | None:
    """The level of a column, as text, that a criterion asks for; None where it asks for no single one."""
    if not is_fixed(value):
        return None
    if column.kind == "boolean":
        return str(truth(value, column))
    if column.kind in ("integer", "number"):
        number = measured(value, pd.Series([0.0], name=column.name))
        return str(int(number)) if column.kind == "integer" else str(float(number))
    return str(value)
