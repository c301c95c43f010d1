"""Tables as arrays, encoded once for all metrics: numbers as floats, categories as codes shared by all tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from metrics.base import NotMeasurable, Tables, conformed, once

CONTINUOUS = ("number", "integer", "datetime")
"""Kinds with an order and a distance; the others (category, boolean) are levels."""


@dataclass(frozen=True)
class Side:
    """One table as arrays. Missing is NaN among the numbers and the last code among the codes."""

    rows: int
    numbers: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]

    def take(self, rows: np.ndarray) -> Side:
        """The chosen rows, by position; a position may occur more than once."""
        return Side(
            len(rows),
            {name: values[rows] for name, values in self.numbers.items()},
            {name: values[rows] for name, values in self.codes.items()},
        )

    def above(self, other: Side) -> Side:
        """These rows with those of another table below them."""
        return Side(
            self.rows + other.rows,
            {name: np.concatenate([values, other.numbers[name]]) for name, values in self.numbers.items()},
            {name: np.concatenate([values, other.codes[name]]) for name, values in self.codes.items()},
        )


@dataclass(frozen=True)
class Encoded:
    """All tables as arrays; only the columns a generator learns (`Schema.modelled`)."""

    names: list[str]
    """Every encoded column, in file order."""
    levels: dict[str, list[str]]
    """Labels of each column of levels, over all tables; code k is levels[k], code len(levels) is missing."""
    train: Side
    holdout: Side | None
    synthetic: Side

    @property
    def continuous(self) -> list[str]:
        return [name for name in self.names if name not in self.levels]

    @property
    def discrete(self) -> list[str]:
        return [name for name in self.names if name in self.levels]


@once
def encoded(tables: Tables) -> Encoded:
    """The tables as arrays. Raises NotMeasurable when no column can be compared."""
    tables = conformed(tables)
    columns = tables.schema.modelled
    if not len(columns):
        raise NotMeasurable(
            "No column can be compared: all are ids, personal data, text or dropped. Set a column's role to feature."
        )
    sides = {"train": tables.train, "holdout": tables.holdout, "synthetic": tables.synthetic}
    tables_there = {side: table for side, table in sides.items() if table is not None}
    numbers: dict[str, dict[str, np.ndarray]] = {side: {} for side in tables_there}
    codes: dict[str, dict[str, np.ndarray]] = {side: {} for side in tables_there}
    levels: dict[str, list[str]] = {}
    for column in columns:
        if column.kind in CONTINUOUS:
            for side, table in tables_there.items():
                numbers[side][column.name] = as_floats(table[column.name])
        else:
            columns_there = {side: table[column.name] for side, table in tables_there.items()}
            levels[column.name], coded = as_codes(columns_there)
            for side, values in coded.items():
                codes[side][column.name] = values
    made = {side: Side(len(table), numbers[side], codes[side]) for side, table in tables_there.items()}
    return Encoded(columns.names, levels, made["train"], made.get("holdout"), made["synthetic"])


def as_floats(values: pd.Series) -> np.ndarray:
    """Numbers, integers or datetimes (as microseconds since 1970) as float64, missing as NaN."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if values.dtype.kind == "M":
        stamps = values.to_numpy().astype("datetime64[us]")
        return np.where(np.isnat(stamps), np.nan, stamps.astype("int64").astype("float64"))
    floats = values.to_numpy(dtype="float64", na_value=np.nan)
    # Beyond 1e150 squares are infinite, and what is infinite has neither mean nor distance.
    return np.where(np.abs(floats) > 1e150, np.nan, floats)


def as_codes(columns: dict[str, pd.Series]) -> tuple[list[str], dict[str, np.ndarray]]:
    """The labels that occur in any of the columns, sorted, and each column as codes into them (missing: the last)."""
    pieces: dict[str, tuple[np.ndarray, pd.Index]] = {}
    for side, values in columns.items():
        if isinstance(values.dtype, pd.CategoricalDtype):
            local, labels = values.cat.codes.to_numpy(), pd.Index(values.cat.categories.astype(object))
        else:
            local, labels = pd.factorize(values.astype("string").astype(object), use_na_sentinel=True)
            labels = pd.Index(labels)
        seen = np.unique(local[local >= 0])
        renumbered = np.full(len(labels) + 1, -1, dtype=np.int64)
        renumbered[seen] = np.arange(len(seen))
        pieces[side] = renumbered[local], labels[seen].map(str)
    union = pd.Index(sorted({label for _, labels in pieces.values() for label in labels}))
    coded = {}
    for side, (local, labels) in pieces.items():
        place = np.append(union.get_indexer(labels), len(union)).astype(np.int32)
        coded[side] = place[local]
    return list(union), coded


def equal_edges(numbers: np.ndarray) -> np.ndarray:
    """The eleven edges of ten equally wide bins from the smallest to the largest number, as numpy's histogram has them.

    Unlike numpy's, they may coincide, as those of one date in microseconds do.
    """
    there = numbers[~np.isnan(numbers)]
    low, high = (there.min(), there.max()) if len(there) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, 11)
