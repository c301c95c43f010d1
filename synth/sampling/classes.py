"""Small classes, each with a model of its own: asked for more of a rare class, its rows still look like it.

A leaf of 25 rows holds ten frauds and fifteen rows that are none; a network that sees one fraud in 300 rows learns none of
it. So the rows of a small class are learned by themselves, by small trees, whatever the generator is, and rows of the class
are drawn from these, in the class's own share or in the share that is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from synth.columns.frames import stacked
from synth.columns.numeric import is_choice
from synth.generators.trees.trees import Trees
from synth.report import quiet
from synth.schema import Column, Schema
from synth.schema.casting import conform

FEWEST = 5
"""A class of fewer rows is not learned by itself: its rows would be drawn again."""
SMALL, SMALL_SHARE = 100, 0.1
"""A class of fewer rows than these, and of no larger a share, is learned by itself.

Of 3,000 rows with a class that lies five standard deviations off, trees drew the class's own mean (5) at 80 rows, and
0.07, 0.05 and 4.17 at 10, 20 and 40.
"""
LEAF = 10
"""Rows in a leaf of the class's trees, at least: a class of fewer than twice as many is one leaf."""
MOST = 3
"""Where more columns of two values have a small side than these, they are features and no classes."""
TRIES = 10


class SmallClass(NamedTuple):
    """A class, how often it occurs, and the model of its rows."""

    column: str
    value: str | bool | int | float
    share: float
    model: Trees

    def held(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, whether it is of the class."""
        return (table[self.column] == self.value).fillna(False).to_numpy(bool)


class SmallClasses:
    """The small classes of a table; a row belongs to the first that it is of."""

    def __init__(self, classes: list[SmallClass] | None = None):
        self.classes = classes or []

    @classmethod
    def learn(cls, table: pd.DataFrame, schema: Schema, seed: int, least: int | None = None) -> Self:
        """From the encoded training rows; `least`: rows that share a leaf, at least, where somebody says so."""
        classes, free = [], np.ones(len(table), bool)
        for column, value, rows in small_classes(table, schema):
            rows = rows & free
            if rows.sum() < max(FEWEST, least or 0):
                continue
            others = Schema(columns=[other for other in schema if other.name != column])
            model = Trees(Trees.Params(min_leaf=max(LEAF, least or 0)), seed)
            part = table.loc[rows, others.names].reset_index(drop=True)
            for name in others.having(kinds=("category",)):
                part[name] = part[name].cat.remove_unused_categories()
            model.fit(part, others, quiet)
            classes.append(SmallClass(column, value, float(rows.mean()), model))
            free &= ~rows
        return cls(classes)

    def knows(self, column: str, value: str) -> bool:
        return any(one.column == column and one.value == value for one in self.classes)

    def draw(
        self, rows: int, schema: Schema, draw: Callable[[int], pd.DataFrame], rng: np.random.Generator
    ) -> pd.DataFrame:
        """`rows` rows: of each small class as many as its share says, the others as `draw` draws them."""
        if not self.classes:
            return draw(rows)
        shares = [one.share for one in self.classes]
        which = rng.choice(len(shares) + 1, rows, p=[*shares, 1 - sum(shares)])
        table = self._of_none(draw, int((which == len(shares)).sum()))
        parts, places = [table], [np.flatnonzero(which == len(shares))]
        for number, one in enumerate(self.classes):
            places.append(np.flatnonzero(which == number))
            parts.append(_rows_of(one, pd.DataFrame(index=range(len(places[-1]))), schema, rng))
        parts = [part for part in parts if len(part)]
        return stacked(parts).iloc[np.argsort(np.concatenate(places))].reset_index(drop=True)

    def _of_none(self, draw: Callable[[int], pd.DataFrame], rows: int) -> pd.DataFrame:
        """Rows of no small class; where the model draws hardly any other, some of these."""
        if not rows:
            return pd.DataFrame()
        parts, lacking = [], rows
        for turn in range(TRIES):
            table = draw(lacking)
            # A model that draws hardly any other row keeps what it drew last.
            free = (self.places(table) < 0) | (turn == TRIES - 1)
            parts.append(table[free])
            lacking -= int(free.sum())
            if not lacking:
                break
        return stacked(parts).reset_index(drop=True)

    def complete(
        self,
        given: pd.DataFrame,
        schema: Schema,
        complete: Callable[[pd.DataFrame], pd.DataFrame],
        rng: np.random.Generator,
    ) -> pd.DataFrame:
        """Rows with the values of `given`, as `complete` makes them, but those of small classes by their own models."""
        if not self.classes:
            return complete(given)
        place = self.places(given)
        # Of rows whose class is not given, the model decides on it; of the others nothing is drawn in vain.
        open_rows = np.flatnonzero(place < 0)
        parts, order = [], []
        if len(open_rows):
            table = complete(given.iloc[open_rows].reset_index(drop=True))
            table = table.assign(**{str(name): given[name].iloc[open_rows].array for name in given.columns})
            place[open_rows] = self.places(table)
            rest = place[open_rows] < 0
            parts.append(table[rest])
            order.append(open_rows[rest])
        for number, one in enumerate(self.classes):
            rows = np.flatnonzero(place == number)
            if len(rows):
                known = given.iloc[rows].drop(columns=one.column, errors="ignore").reset_index(drop=True)
                parts.append(_rows_of(one, known, schema, rng))
                order.append(rows)
        return stacked(parts).iloc[np.argsort(np.concatenate(order))].reset_index(drop=True)

    def places(self, table: pd.DataFrame) -> np.ndarray:
        """Row by row, which small class it is of; -1: none, or the column is not there."""
        found = np.full(len(table), -1)
        for number, one in reversed(list(enumerate(self.classes))):
            if one.column in table.columns:
                found[one.held(table)] = number
        return found

    def save(self, folder: Path) -> None:
        about = [{"column": one.column, "value": one.value, "share": one.share} for one in self.classes]
        folder.mkdir(exist_ok=True)
        (folder / "classes.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        for number, one in enumerate(self.classes):
            (folder / str(number)).mkdir(exist_ok=True)
            one.model.save(folder / str(number))

    @classmethod
    def load(cls, folder: Path, schema: Schema) -> Self:
        """What `save` wrote; nothing where there is no such folder."""
        if not folder.exists():
            return cls()
        classes = []
        for number, one in enumerate(json.loads((folder / "classes.json").read_text(encoding="utf-8"))):
            model = Trees()
            model.load(folder / str(number), schema)
            classes.append(SmallClass(one["column"], one["value"], one["share"], model))
        return cls(classes)


def small_classes(table: pd.DataFrame, schema: Schema) -> list[tuple[str, str | bool | int | float, np.ndarray]]:
    """The small classes of the target and of columns of two values: column, value, and which rows are of it."""
    found, sided = [], 0
    if len(schema) < 2:
        return []
    for column in sorted(schema, key=lambda column: column.role != "target"):
        counts = _counts(table[column.name], column)
        if counts is None:
            continue
        small = counts[(counts >= FEWEST) & (counts < SMALL) & (counts <= SMALL_SHARE * len(table))].sort_values()
        sided += column.role != "target" and len(small) > 0
        for value in small.index:
            plain = value.item() if isinstance(value, np.generic) else value
            rows = (table[column.name] == value).fillna(False).to_numpy(bool)
            found.append((column, plain, rows))
    return [(column.name, value, rows) for column, value, rows in found if column.role == "target" or sided <= MOST]


def _counts(values: pd.Series, column: Column) -> pd.Series | None:
    """How many rows hold each class of a column; None where it has no classes."""
    if column.kind not in ("category", "boolean") and not is_choice(values, column):
        return None
    counts = values.value_counts()
    counts = counts[counts > 0]
    return counts if column.role == "target" or len(counts) == 2 else None


def _rows_of(one: SmallClass, known: pd.DataFrame, schema: Schema, rng: np.random.Generator) -> pd.DataFrame:
    """A row of the class for each of `known`, with its values."""
    rows = len(known)
    if not rows:
        return pd.DataFrame()
    drawn = one.model.complete(known, rng, quiet) if len(known.columns) else one.model.sample(rows, rng, quiet)
    given = {str(name): known[name] for name in known.columns}
    drawn = drawn.assign(**given, **{one.column: pd.Series([one.value] * rows, dtype=object)})
    return conform(drawn, schema)
