"""From a column of texts to the column that is kept: its kind found, its values typed where nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synth.columns.endings import Endings
from synth.linear import within
from synth.schema import Column
from synth.schema.detection import detect_column
from synth.schema.forms import LOOKED_AT, agrees
from synth.schema.profile import ColumnProfile
from synth.schema.texts import Levels
from workspace.ingest.profiles import profile_levels
from workspace.tables.duckdb_file import quoted, text_of

NUMERIC_DAY = within(r"%-?[dm](.)%-?[dm]\1%[yY]")
"""Formats in which day and month could stand the other way round."""
UNEVEN = 0.15
"""So far may the shares of numbers with one, two, ... decimals lie from those of digits drawn by chance."""
TYPED = ("number", "integer", "boolean", "datetime")


class Coded:
    """A column as its distinct texts and each row's place among them."""

    def __init__(self, column: pa.ChunkedArray):
        self.chunks = column.chunks
        texts = self.chunks[0].dictionary if self.chunks else pa.array([], pa.string())
        counts = np.zeros(len(texts), np.int64)
        for chunk in self.chunks:
            counts += np.bincount(chunk.indices.to_numpy(), minlength=len(texts))
        filled = (pc.binary_length(texts).to_numpy(zero_copy_only=False) > 0) & (counts > 0)
        self.filled = None if filled.all() else filled
        if self.filled is not None:
            texts, counts = texts.filter(pa.array(filled)), counts[filled]
        self.levels = Levels(texts, counts, len(column))
        """Without the empty text."""

    def spread(self, values: pa.Array) -> pa.Array:
        """One value per row from one per level."""
        return values.take(self._codes())

    def texts(self) -> pa.Array:
        """The texts of the rows, null where empty, as a dictionary."""
        return pa.DictionaryArray.from_arrays(self._codes(), self.levels.texts)

    def _codes(self) -> pa.Array:
        """Each row's place among the levels, null where it is empty."""
        codes = [chunk.indices.to_numpy() for chunk in self.chunks]
        codes = codes[0] if len(codes) == 1 else np.concatenate(codes) if codes else np.array([], np.int32)
        if self.filled is None:
            return pa.array(codes)
        places = np.where(self.filled, np.cumsum(self.filled) - 1, -1).astype(np.int32)[codes]
        return pa.array(places, mask=places < 0)


@dataclass
class Kept:
    """A column ready to be kept."""

    column: Column
    profile: ColumnProfile
    coded: Coded
    values: pa.Array | None
    """One for each level; None: the texts themselves are kept, since values would not give back all of them."""

    @property
    def as_text(self) -> bool:
        return self.values is None

    def rows(self) -> pa.Array:
        """What is kept, one for each row."""
        return self.coded.texts() if self.values is None else self.coded.spread(self.values)


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
    coded = Coded(texts)
    levels = coded.levels
    column, reading = detect_column(name, levels, decimal_mark=decimal_mark, day_first=day_first)
    profile = profile_levels(column, levels.texts, levels.counts, levels.rows, reading.values, reading.note)
    values = None
    if column.kind in TYPED and reading.values is not None:
        values = _arrow(reading.values)
        # Both empty cells and a word for missing: one of them would be lost.
        one_missing = not column.missing or levels.filled == levels.rows
        if not one_missing or not (reading.proved or prove(values, levels, column)):
            values = None
            _settle_forms(column, levels, reading.values)
        elif column.kind == "number" and not _falls_as_digits_do(levels, reading.values):
            _settle_forms(column, levels, reading.values)
    return Kept(column, profile, coded, values)


def _falls_as_digits_do(levels: Levels, values: pd.Series) -> bool:
    """Whether shorter numbers are those whose last digits happen to be zeros: a tenth, a hundredth, ... of them.

    Where numbers have few endings, as multiples of 0.05 have, the shorter ones follow from these.
    """
    fraction = pc.replace_substring_regex(levels.texts, r"^[^.,]*[.,]?([0-9]*).*$", r"\1")
    digits = pc.utf8_length(fraction).to_numpy(zero_copy_only=False)
    shares = np.bincount(digits, levels.counts) / levels.counts.sum()
    if np.count_nonzero(shares) == 1:
        return True
    if Endings.learn(np.repeat(values.to_numpy(float), np.minimum(levels.counts, 1000)), len(shares) - 1) is not None:
        return True
    expected = 0.9 * 10.0 ** -np.arange(len(shares))[::-1].astype(float)
    expected[0] = 1 - expected[1:].sum()
    return 0.5 * np.abs(shares - expected).sum() < UNEVEN


def _settle_forms(column: Column, levels: Levels, values: pd.Series) -> None:
    """Note that the cells are written in several forms, when they can be told apart and mean what was read."""
    if column.role not in ("feature", "target"):
        return
    mixed = column.model_copy(update={"mixed": True, "missing": ""})
    if agrees(levels.texts.slice(0, LOOKED_AT).to_pylist(), values.head(LOOKED_AT), mixed):
        column.mixed, column.missing = True, ""


def store(connection: duckdb.DuckDBPyConnection, kept: list[Kept]) -> None:
    """Write the columns into the table `data`; texts that occur again and again as an ENUM."""
    connection.register("kept", pa.table({str(i): one.rows() for i, one in enumerate(kept)}))
    exprs = []
    for i, one in enumerate(kept):
        kind = ""
        if one.as_text and 2 * len(one.coded.levels.texts) <= one.profile.rows:
            connection.register("levels", pa.table({"text": one.coded.levels.texts}))
            connection.execute(f"CREATE TYPE levels_{i} AS ENUM (SELECT text FROM levels)")
            connection.unregister("levels")
            kind = f"::levels_{i}"
        exprs.append(f'"{i}"{kind} AS {quoted(one.column.name)}')
    connection.execute(f"CREATE TABLE data AS SELECT {', '.join(exprs)} FROM kept")
    connection.unregister("kept")


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
