"""One immutable DuckDB file per table: written once, then only opened read-only by any number of processes.

The file holds the table `data` and, in `about`, the schema it was written under and which columns keep their
texts. A column keeps its values (BIGINT, DOUBLE, BOOLEAN, TIMESTAMP, ENUM) when writing them back gives exactly
the texts of the upload, all of them; else it keeps the texts (VARCHAR), and they are read as its kind says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from synth.errors import Invalid
from synth.schema import Column, Schema
from synth.schema.casting import conform, has_cells, parsed, written
from workspace.storage.damage import damaged, read_whole
from workspace.telemetry.failures import is_disk_full

DAMAGE = (duckdb.IOException, duckdb.FatalException, duckdb.SerializationException, duckdb.CatalogException)
"""What DuckDB raises on bytes that it did not write."""
COLUMNS_AT_ONCE = 64
"""Columns read by one query: few enough to fit in memory twice, many enough for tables of thousands."""
READ_BY = ("kind", "mixed", "format", "timezone", "labels", "missing", "decimal_mark", "thousands", "prefix", "suffix")
"""What decides how a column's texts are read; when any of it was edited, they are read anew."""
KEPT_TYPES = {"number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN", "datetime": "TIMESTAMP"}


@dataclass(frozen=True)
class About:
    """What a file says of itself."""

    schema: Schema
    as_text: frozenset[str]
    """Columns that keep the texts of the upload, in which a missing value is an empty text."""


def quoted(name: str) -> str:
    """A name as SQL takes it literally."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL takes it literally."""
    return "'" + text.replace("'", "''") + "'"


@contextmanager
def opened(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a table's file."""
    # As many threads as Arrow may take in this process: a job's share, or a reader's.
    connection = None
    try:
        connection = duckdb.connect(str(file), read_only=True, config={"threads": pa.cpu_count()})
        yield connection
    except DAMAGE as error:
        if is_disk_full(error):
            raise
        raise damaged("The file of this table") from error
    finally:
        if connection is not None:
            connection.close()


def about(file: Path) -> About:
    """The schema a file was written under, and which columns keep their texts."""
    with opened(file) as connection:
        return _about(connection)


def _about(connection: duckdb.DuckDBPyConnection) -> About:
    with read_whole("The file of this table"):
        said = json.loads(connection.sql("SELECT said FROM about").fetchall()[0][0])
        return About(Schema.model_validate(said["schema"], extra="ignore"), frozenset(said["as_text"]))


@contextmanager
def new_file(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a file in the making, which gets its name only when all went well."""
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    connection = duckdb.connect(str(unfinished), config={"threads": pa.cpu_count()})
    try:
        yield connection
        connection.close()
        unfinished.replace(file)
    finally:
        connection.close()
        unfinished.unlink(missing_ok=True)
        unfinished.with_name(unfinished.name + ".wal").unlink(missing_ok=True)


def tell(connection: duckdb.DuckDBPyConnection, schema: Schema, as_text: Iterable[str] = ()) -> None:
    """Write what the file says of itself."""
    said = json.dumps({"schema": schema.model_dump(mode="json"), "as_text": sorted(as_text)})
    connection.execute("CREATE TABLE about AS SELECT ?::VARCHAR AS said", [said])


# Writing -----------------------------------------------------------------------------------------------------------


def write(file: Path, chunks: Iterable[pd.DataFrame], schema: Schema) -> int:
    """Write a table that comes in chunks, each conforming to `schema`; returns its rows."""
    columns = ", ".join(
        f"{quoted(c.name)} {'VARCHAR' if c.mixed else KEPT_TYPES.get(c.kind, 'VARCHAR')}" for c in schema
    )
    rows = 0
    with new_file(file) as connection:
        connection.execute(f"CREATE TABLE data ({columns or 'nothing INTEGER'})")
        for chunk in chunks:
            if len(schema) and len(chunk):
                table = to_arrow(conform(chunk, schema, keep_cells=True), schema)
                connection.register("chunk", table)
                connection.execute("INSERT INTO data SELECT * FROM chunk")
                connection.unregister("chunk")
            rows += len(chunk)
        tell(connection, schema, [column.name for column in schema if column.mixed])
    return rows


def to_arrow(table: pd.DataFrame, schema: Schema) -> pa.Table:
    """A conforming table as Arrow, datetimes as they are written (without zone)."""
    return pa.table({str(i): _to_arrow(table[c.name], c) for i, c in enumerate(schema)})


def _to_arrow(values: pd.Series, column: Column) -> pa.Array:
    if column.mixed:
        texts = values if has_cells(values, column) else written(values, column)
        return pa.array(texts.astype(object), pa.string(), from_pandas=True)
    if column.kind == "datetime" and column.timezone:
        values = values.dt.tz_localize(None)
    if column.kind == "category":
        return pa.array(values.astype(object), pa.string(), from_pandas=True)
    return pa.array(values, from_pandas=True)


# Reading -----------------------------------------------------------------------------------------------------------


def count(file: Path) -> int:
    """Rows of the table."""
    with opened(file) as connection:
        return connection.sql("SELECT count(*) FROM data").fetchall()[0][0]


def rows(file: Path, offset: int = 0, limit: int = 100, columns: list[str] | None = None) -> pd.DataFrame:
    """One page of the table, every cell as the text that stands in the file."""
    with opened(file) as connection:
        said = _about(connection)
        wanted = [said.schema[name] for name in (columns if columns is not None else said.schema.names)]
        if not wanted:
            return pd.DataFrame(index=range(min(limit, _count(connection) - offset)))
        exprs = [f"{text_of(c, c.name in said.as_text)} AS {quoted(c.name)}" for c in wanted]
        return connection.sql(f"SELECT {', '.join(exprs)} FROM data LIMIT {int(limit)} OFFSET {int(offset)}").df()


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    return connection.sql("SELECT count(*) FROM data").fetchall()[0][0]


def read(
    file: Path,
    schema: Schema,
    only: np.ndarray | None = None,
    sample: int | None = None,
    seed: int = 0,
    *,
    keep_cells: bool = False,
) -> pd.DataFrame:
    """The table as pandas, conforming to `schema`; only the rows at the positions `only`, or `sample` of them.

    With `keep_cells`, columns whose cells are written in several forms come as the texts of the file.
    Raises Invalid, in words, when a column cannot be read as the kind the schema gives it.
    """
    with opened(file) as connection:
        said = _about(connection)
        if sample is not None:
            total = _count(connection) if only is None else len(only)
            if sample < total:
                chosen = np.sort(np.random.default_rng(seed).choice(total, sample, replace=False))
                only = chosen if only is None else np.asarray(only)[chosen]
        columns: dict[str, pd.Series] = {}
        for start in range(0, len(schema), COLUMNS_AT_ONCE):
            part = schema.columns[start : start + COLUMNS_AT_ONCE]
            columns |= _columns(connection, part, said, only, keep_cells)
        length = _count(connection) if only is None else len(only)
    return pd.DataFrame(columns, index=pd.RangeIndex(length))


def _columns(
    connection: duckdb.DuckDBPyConnection,
    columns: list[Column],
    said: About,
    only: np.ndarray | None,
    keep_cells: bool,
) -> dict[str, pd.Series]:
    absent = [column.name for column in columns if column.name not in said.schema.names]
    if absent:
        raise Invalid(f"The table lacks the column(s) {', '.join(map(repr, absent))} that its schema names.")
    stored = [_stored(column, said, keep_cells) for column in columns]
    exprs = [f'{sql} AS "{i}"' for i, (sql, _) in enumerate(stored)]
    table = connection.sql(f"SELECT {', '.join(exprs)} FROM data").to_arrow_table()
    if only is not None:
        table = table.take(pa.array(np.asarray(only)))
    found = {}
    for i, column in enumerate(columns):
        found[column.name] = stored[i][1](table.column(i), column)
    return found


def _stored(
    column: Column, said: About, keep_cells: bool
) -> tuple[str, Callable[[pa.ChunkedArray, Column], pd.Series]]:
    """SQL for what the file keeps of a column, and what makes pandas' values of it."""
    kept, as_text = said.schema[column.name], column.name in said.as_text
    as_kept = not as_text and all(getattr(kept, field) == getattr(column, field) for field in READ_BY)
    if keep_cells and column.mixed:
        return f"nullif({text_of(kept, as_text)}, '')", _cells
    if column.kind == "category" and (as_text or as_kept):
        return quoted(column.name), _category
    if as_kept:
        return quoted(column.name), _values
    return text_of(kept, as_text), _parsed


def _parsed(texts: pa.ChunkedArray, column: Column) -> pd.Series:
    return parsed(texts.to_pandas(types_mapper=lambda _: pd.StringDtype()), column)


def _cells(texts: pa.ChunkedArray, column: Column) -> pd.Series:
    return texts.to_pandas(types_mapper=lambda _: pd.StringDtype())


def _category(values: pa.ChunkedArray, column: Column) -> pd.Series:
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    series = values.unify_dictionaries().combine_chunks().to_pandas().cat.remove_unused_categories()
    absent = {"", column.missing}
    return series.cat.remove_categories([category for category in series.cat.categories if category in absent])


def _values(values: pa.ChunkedArray, column: Column) -> pd.Series:
    if column.kind == "text":
        return values.to_pandas(types_mapper=lambda _: pd.StringDtype())
    series = values.to_pandas(types_mapper=_nullable)
    if column.kind != "datetime":
        return series
    moments = series.astype("datetime64[us]")
    if not column.timezone:
        return moments
    # When clocks are set back an hour comes twice: the file does not say which one is meant.
    second = np.zeros(len(moments), bool)
    return moments.dt.tz_localize(column.timezone, ambiguous=second, nonexistent="shift_forward")


def _nullable(type_: pa.DataType):
    return {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get(type_)


# Texts -------------------------------------------------------------------------------------------------------------


def text_of(column: Column, as_text: bool = False, null: str | None = None) -> str:
    """SQL for the text that stands in a file for a value of the column (see `synth.schema.casting.written`)."""
    name = quoted(column.name)
    if as_text:
        return f"coalesce({name}::VARCHAR, '')"
    missing = literal(column.missing if null is None else null)
    return f"coalesce({_text_of_value(name, column)}, {missing})"


def _text_of_value(name: str, column: Column) -> str:
    if column.kind in ("category", "text"):
        return f"{name}::VARCHAR"
    if column.kind == "boolean":
        no, yes = column.labels or ("false", "true")
        return f"CASE {name} WHEN true THEN {literal(yes)} WHEN false THEN {literal(no)} END"
    if column.kind == "datetime":
        code = column.format or "%Y-%m-%d %H:%M:%S"
        if code == "%s":
            return f"(epoch_us({name}) // 1000000)::VARCHAR"
        if code == "%s%3f":
            return f"(epoch_us({name}) // 1000)::VARCHAR"
        return f"strftime({name}, {literal(code.replace('%3f', '%g').replace('%z', '+0000'))})"
    grouping = "," if column.thousands else ""
    if column.kind == "integer":
        text = f"format('{{:{grouping}}}', {name})" if grouping else f"{name}::VARCHAR"
        if column.decimals:
            text = f"{text} || '.{'0' * column.decimals}'"
    else:
        text = _digits(name, column, grouping)
    if column.thousands or column.decimal_mark != ".":
        text = f"translate({text}, ',.', {literal((column.thousands or ',') + column.decimal_mark)})"
    if column.suffix:
        text = f"{text} || {literal(column.suffix)}"
    if column.prefix:
        prefix = literal(column.prefix)
        text = f"CASE WHEN {name} < 0 THEN '-' || {prefix} || substr({text}, 2) ELSE {prefix} || {text} END"
    return text


def _digits(name: str, column: Column, grouping: str) -> str:
    least = column.least_decimals
    if column.decimals is None:
        text = f"format('{{:{grouping}}}', {name})" if grouping else f"{name}::VARCHAR"
        return f"regexp_replace({text}, '\\.0$', '')" if least == 0 else text
    text = f"format('{{:{grouping}.{column.decimals}f}}', {name})"
    if column.decimals == least or column.decimals == 0:
        return text
    if least == 0:
        return f"rtrim(rtrim({text}, '0'), '.')"
    return f"regexp_replace({text}, '(\\.\\d{{{least}}}\\d*?)0+$', '\\1')"
