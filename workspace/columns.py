"""From a column of texts to the column that is kept: its kind found, its values typed where nothing is lost."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synth.schema import Column, ColumnProfile, detect_column
from synth.texts import Levels
from workspace.profiles import profile_levels
from workspace.storage import text_of

NUMERIC_DAY = re.compile(r"%-?[dm](.)%-?[dm]\1%[yY]")
"""Formats in which day and month could stand the other way round."""
TYPED = ("number", "integer", "boolean", "datetime")


@dataclass
class Coded:
    """A column as its distinct texts and each row's place among them."""

    levels: Levels
    """Without the empty text."""
    codes: np.ndarray
    """Each row's place among all texts, the empty one included."""
    places: np.ndarray
    """For each of all texts its place among the levels, -1 for the empty text."""

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Coded:
        chunks = column.chunks
        texts = chunks[0].dictionary if chunks else pa.array([], pa.string())
        codes = [chunk.indices.to_numpy() for chunk in chunks]
        codes = codes[0] if len(codes) == 1 else np.concatenate(codes) if codes else np.array([], np.int32)
        counts = np.bincount(codes, minlength=len(texts))
        filled = (pc.binary_length(texts).to_numpy(zero_copy_only=False) > 0) & (counts > 0)
        if filled.all():
            return cls(Levels(texts, counts, len(codes)), codes, np.arange(len(texts), dtype=np.int32))
        places = np.where(filled, np.cumsum(filled) - 1, -1).astype(np.int32)
        return cls(Levels(texts.filter(pa.array(filled)), counts[filled], len(codes)), codes, places)

    def spread(self, values: pa.Array) -> pa.Array:
        """One value per row from one per level."""
        return values.take(pa.array(self._rows(), mask=self._empty()))

    def texts(self) -> pa.Array:
        """The texts of the rows, null where empty, as a dictionary."""
        return pa.DictionaryArray.from_arrays(pa.array(self._rows(), mask=self._empty()), self.levels.texts)

    def _rows(self) -> np.ndarray:
        if len(self.places) == len(self.levels.texts):
            return self.codes
        return self.places[self.codes]

    def _empty(self) -> np.ndarray | None:
        return None if len(self.places) == len(self.levels.texts) else self._rows() < 0


@dataclass
class Kept:
    """A column ready to be kept."""

    column: Column
    profile: ColumnProfile
    rows: pa.Array
    as_text: bool
    """Whether `rows` are the texts of the file; else they are values that are written back as just these texts."""


def keep_all(
    names: list[str],
    columns: list[pa.ChunkedArray],
    connection: duckdb.DuckDBPyConnection | None = None,
    decimal_mark: str | None = None,
    day_first: bool | None = None,
) -> list[Kept]:
    """Every column ready to be kept. `columns` is emptied on the way: a large table would not fit twice.

    What one column leaves open ("03/04/2020", "1,234") is decided as another column of the file shows it.
    """
    kept, open_questions, prove = [], [], Prover(connection)
    for place, name in enumerate(names):
        texts = columns.pop(0)
        kept.append(keep(name, texts, prove, decimal_mark, day_first))
        if kept[-1].profile.note:
            open_questions.append((place, texts))
    settled = [one.column for one in kept if not one.profile.note]
    if day_first is None:
        orders = {c.format.find("d") < c.format.find("m") for c in settled if c.format and NUMERIC_DAY.match(c.format)}
        day_first = orders.pop() if len(orders) == 1 else None
    if decimal_mark is None and any(column.decimal_mark == "," for column in settled):
        decimal_mark = ","
    if day_first is not None or decimal_mark is not None:
        for place, texts in open_questions:
            kept[place] = keep(names[place], texts, prove, decimal_mark, day_first)
    return kept


def keep(
    name: str,
    texts: pa.ChunkedArray,
    prove: Prover,
    decimal_mark: str | None = None,
    day_first: bool | None = None,
) -> Kept:
    """Find out what a column of texts holds, and take its values if they give back every text."""
    coded = Coded.of(texts)
    levels = coded.levels
    column, reading = detect_column(name, levels, decimal_mark=decimal_mark, day_first=day_first)
    profile = profile_levels(column, levels.texts, levels.counts, levels.rows, reading.values, reading.note)
    if column.kind in TYPED and reading.values is not None:
        values = _arrow(reading.values)
        # Both empty cells and a word for missing: one of them would be lost.
        one_missing = not column.missing or levels.filled == levels.rows
        if one_missing and (reading.proved or prove(values, levels, column)):
            return Kept(column, profile, coded.spread(values), False)
    return Kept(column, profile, coded.texts(), True)


def _arrow(values: pd.Series) -> pa.Array:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_localize(None)
    return pa.array(values, from_pandas=True)


class Prover:
    """Asks DuckDB whether writing the values of a column gives the texts of the file again, every one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection | None = None):
        self.connection = connection

    def __call__(self, values: pa.Array, levels: Levels, column: Column) -> bool:
        self.connection = self.connection or duckdb.connect()
        table = pa.table({column.name: values, "text of it": levels.texts})
        self.connection.register("levels", table)
        query = f'SELECT count(*) FROM levels WHERE {text_of(column)} IS DISTINCT FROM "text of it"'
        differing = self.connection.sql(query).fetchall()
        self.connection.unregister("levels")
        return differing == [(0,)]
