"""Tables in and out: what an uploaded file says is detected, kept in one DuckDB file, paged through and exported."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from pydantic import BaseModel, ConfigDict, Field

from synth.schema import Column, ColumnProfile, Schema, detect_column, parsed, settle_roles
from synth.texts import Levels
from workspace.exports import export
from workspace.profiles import profile_levels
from workspace.samples import SAMPLES, Sample
from workspace.storage import about, count, new_file, opened, quoted, read, rows, tell, text_of, write

__all__ = [
    "SAMPLES",
    "Ingested",
    "Preview",
    "ReadError",
    "ReadOptions",
    "Rejected",
    "Sample",
    "count",
    "export",
    "ingest",
    "preview",
    "profile",
    "read",
    "retype",
    "rows",
    "write",
]

PREVIEW_ROWS = 50


class ReadOptions(BaseModel):
    """How a file is to be read; None: detect."""

    model_config = ConfigDict(extra="forbid")

    encoding: str | None = Field(None, description="Such as utf-8, utf-16, cp1252 or shift_jis.")
    delimiter: str | None = Field(None, description="What stands between two cells.")
    quote: str | None = Field(None, description="What surrounds a cell that holds a delimiter; empty: nothing does.")
    escape: str | None = Field(None, description="What stands before a quote that is part of a cell.")
    header: int | None = Field(None, ge=0, description="Lines of the header; 0: the file has none.")
    skip_rows: int | None = Field(None, ge=0, description="Lines before the header or the first row.")
    skip_footer: int | None = Field(None, ge=0, description="Lines after the last row.")
    decimal: str | None = Field(None, description="The decimal mark of numbers: a point or a comma.")
    day_first: bool | None = Field(None, description="Whether 03/04/2020 is the third of April.")
    sheet: str | None = Field(None, description="Which sheet of an Excel file.")


class ReadError(ValueError):
    """A file that cannot be read; the message is for the person who uploaded it."""


class Rejected(BaseModel):
    """A line that could not be read as a row."""

    line: int = Field(description="Its number in the file, from 1.")
    reason: str


class Preview(BaseModel):
    """The first rows of a file as they would be read."""

    options: ReadOptions = Field(description="As decided.")
    summary: str = Field(description="What was decided, in one line.")
    columns: list[str]
    rows: list[list[str]]
    rejected: list[Rejected] = Field(default_factory=list)


class Ingested(BaseModel):
    """A file that was read whole."""

    options: ReadOptions = Field(description="As decided.")
    summary: str = Field(description="What was decided, in one line.")
    columns_schema: Schema = Field(alias="schema")
    profiles: list[ColumnProfile]
    rows: int
    rejected: list[Rejected]
    lines: int = Field(description="Lines in the file.")

    model_config = ConfigDict(populate_by_name=True)

    @property
    def schema(self) -> Schema:
        return self.columns_schema


def preview(path: Path, name: str, options: ReadOptions | None = None) -> Preview:
    """The first rows of a file and how it would be read; looks at its beginning only."""
    options = options or ReadOptions()
    with pa.input_stream(str(path), compression="gzip" if name.endswith(".gz") else None) as file:
        head = file.read(1 << 18)
    lines = head.decode("utf-8-sig", "replace").splitlines()
    options = options.model_copy(update={"delimiter": options.delimiter or _delimiter(lines[0])})
    table = _texts(Path(path), options)
    return Preview(
        options=options,
        summary=f"UTF-8, delimiter {options.delimiter!r}, header on line 1",
        columns=table.column_names,
        rows=[list(row.values()) for row in table.slice(0, PREVIEW_ROWS).to_pylist()],
    )


def ingest(path: Path, name: str, target: Path, options: ReadOptions | None = None) -> Ingested:
    """Read a file whole into one new DuckDB file at `target`. Raises ReadError when it cannot be read."""
    shown = preview(path, name, options)
    table = _texts(Path(path), shown.options)
    columns, profiles, kept, as_text = [], [], {}, []
    for position, header in enumerate(table.column_names):
        array = table[header].combine_chunks().dictionary_encode()
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        levels, codes = _levels(array)
        column, reading = detect_column(header, levels, decimal_mark=shown.options.decimal)
        columns.append(column)
        profiles.append(profile_levels(column, levels.texts, levels.counts, levels.rows, reading.values, reading.note))
        kept[str(position)] = pa.DictionaryArray.from_arrays(codes, levels.texts)
        as_text.append(header)
    schema = Schema(columns=settle_roles(columns))
    with new_file(target) as connection:
        connection.register("texts", pa.table(kept))
        names = ", ".join(f'"{i}" AS {quoted(c.name)}' for i, c in enumerate(schema))
        connection.execute(f"CREATE TABLE data AS SELECT {names} FROM texts")
        tell(connection, schema, as_text)
    return Ingested(
        options=shown.options,
        summary=shown.summary,
        schema=schema,
        profiles=profiles,
        rows=table.num_rows,
        rejected=[],
        lines=table.num_rows + 1,
    )


def _levels(array: pa.DictionaryArray) -> tuple[Levels, pa.Array]:
    """The distinct texts but the empty one, and each row's position among them (null: empty)."""
    counted = array.value_counts()
    order = counted.field(0).indices if isinstance(counted.field(0), pa.DictionaryArray) else counted.field(0)
    counts = pd.Series(counted.field(1).to_numpy(), order.to_numpy(zero_copy_only=False)).sort_index().to_numpy()
    texts = array.dictionary
    filled = pc.not_equal(texts, "")
    if pc.all(filled).as_py():
        return Levels(texts, counts, len(array)), array.indices
    places = pc.if_else(filled, pa.array(range(len(texts)), pa.int32()), None)
    kept = pc.drop_null(places)
    moved = pd.Series(range(len(kept)), kept.to_numpy()).reindex(range(len(texts))).astype("Int32")
    codes = pa.array(moved, pa.int32(), from_pandas=True).take(array.indices)
    return Levels(texts.filter(filled), counts[filled.to_numpy(zero_copy_only=False)], len(array)), codes


def _delimiter(line: str) -> str:
    return max(",;\t|", key=line.count)


def _texts(path: Path, options: ReadOptions) -> pa.Table:
    """All cells as texts, the columns dictionary-encoded."""
    parse = arrow_csv.ParseOptions(delimiter=options.delimiter, newlines_in_values=True)
    kind = pa.dictionary(pa.int32(), pa.string())
    names = arrow_csv.open_csv(path, parse_options=parse).schema.names
    convert = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, kind), strings_can_be_null=False)
    return arrow_csv.read_csv(path, parse_options=parse, convert_options=convert).unify_dictionaries()


# A table that is already kept --------------------------------------------------------------------------------------


def profile(file: Path, schema: Schema) -> list[ColumnProfile]:
    """What each column holds: kind, missing, distinct, range, mean, top values, histogram."""
    said = about(file)
    total = count(file)
    profiles = []
    with opened(file) as connection:
        for column in schema:
            text = text_of(said.schema[column.name], column.name in said.as_text)
            query = f"SELECT {text} AS v, count(*) AS n FROM data GROUP BY v HAVING v <> '' ORDER BY v"
            counted = connection.sql(query).to_arrow_table()
            texts = counted["v"].combine_chunks()
            values = parsed(texts.to_pandas().astype("string"), column)
            values = values.drop_duplicates() if column.kind == "category" else values
            profiles.append(profile_levels(column, texts, counted["n"].to_numpy(), total, values))
    return profiles


def retype(file: Path, schema: Schema) -> list[tuple[str, str]]:
    """The columns that cannot be read as `schema` says, each with the reason in words; empty: all can."""
    problems = []
    for column in schema:
        try:
            read(file, Schema(columns=[Column.model_validate(column)]))
        except ValueError as error:
            problems.append((column.name, str(error)))
    return problems
