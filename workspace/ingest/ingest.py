"""Tables in and out: what an uploaded file says is detected, kept in one DuckDB file, paged through and exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
from pydantic import BaseModel, Field

from synth.errors import Invalid
from synth.schema import Schema
from synth.schema.casting import parsed
from synth.schema.detection import settle_roles
from synth.schema.profile import ColumnProfile
from workspace.ingest.columns import Kept, keep_all, store
from workspace.ingest.limits import USUAL, Limits
from workspace.ingest.options import PREVIEW_ROWS, ReadOptions, Texts
from workspace.ingest.profiles import profile_levels
from workspace.ingest.reader import texts_of
from workspace.ingest.rejected import Rejected
from workspace.ingest.unpack import ReadError
from workspace.tables.duckdb_file import about, count, new_file, opened, read, rows, tell, text_of, write
from workspace.tables.exports import export
from workspace.tables.samples import SAMPLES, Sample

__all__ = [
    "SAMPLES",
    "Ingested",
    "Preview",
    "ReadError",
    "ReadOptions",
    "Sample",
    "count",
    "examine",
    "export",
    "ingest",
    "preview",
    "profile",
    "read",
    "retype",
    "rows",
    "texts_of",
    "write",
]


class Preview(BaseModel):
    """The first rows of a file as they would be read."""

    options: ReadOptions = Field(description="As decided.")
    summary: str = Field(description="What was decided, in one line.")
    columns: list[str]
    rows: list[list[str]]
    rejected: list[Rejected] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list, description="What else was decided, each in a sentence.")
    sheets: list[str] = Field(default_factory=list, description="Of an Excel file, the sheets one can choose.")


@dataclass(frozen=True)
class Ingested:
    """A file that was read whole."""

    options: ReadOptions
    """As decided."""
    summary: str
    """What was decided, in one line."""
    schema: Schema
    profiles: list[ColumnProfile]
    rows: int
    rejected: list[Rejected]
    """One entry for each line that is no part of a row."""
    rejected_rows: int
    """How many lines these are."""
    mended: list[Rejected]
    """Rows that were set right, and what was wrong with them."""
    lines: int
    """Lines in the file."""
    notes: list[str]
    """What else was decided, each in a sentence."""


def preview(path: Path, name: str, options: ReadOptions | None = None, limits: Limits = USUAL) -> Preview:
    """The first rows of a file and how it would be read; looks at its beginning only."""
    texts = texts_of(path, name, options, head_only=True, limits=limits)
    if not texts.columns.rows:
        # Only the whole file can tell whether it has no rows, or a first one longer than its beginning.
        texts = _table_of(path, name, options, limits)
    columns = [column.slice(0, PREVIEW_ROWS).to_pylist() for column in texts.columns.columns]
    return Preview(
        options=texts.options,
        summary=texts.summary,
        columns=texts.names,
        rows=[list(row) for row in zip(*columns, strict=True)],
        rejected=_rejected(texts),
        notes=texts.notes,
        sheets=texts.sheets,
    )


def ingest(path: Path, name: str, target: Path, options: ReadOptions | None = None, limits: Limits = USUAL) -> Ingested:
    """Read a file whole into one new DuckDB file at `target`. Raises ReadError when it cannot be read."""
    texts = _table_of(path, name, options, limits)
    with new_file(target) as connection:
        kept = _kept(texts, connection)
        schema = Schema(columns=settle_roles([one.column for one in kept]))
        store(connection, kept)
        tell(connection, schema, [one.column.name for one in kept if one.as_text])
    return Ingested(
        options=texts.options,
        summary=texts.summary,
        schema=schema,
        profiles=[one.profile for one in kept],
        rows=texts.columns.rows,
        rejected=_rejected(texts),
        rejected_rows=len(texts.columns.rejected),
        mended=[Rejected(line=line.number, reason=line.reason) for line in texts.columns.mended],
        lines=texts.lines,
        notes=texts.notes + _notes(kept),
    )


def _notes(kept: list[Kept]) -> list[str]:
    """What was decided about single columns that the analyst may see otherwise."""
    notes = []
    for one in kept:
        if one.column.missing:
            rows = f"{one.profile.missing:,} of {one.profile.rows:,} rows"
            notes.append(f"{one.column.name}: “{one.column.missing}” is read as missing, in {rows}.")
        if one.profile.note:
            notes.append(f"{one.column.name}: {one.profile.note}")
    return notes


def examine(
    path: Path, name: str, options: ReadOptions | None = None, limits: Limits = USUAL
) -> tuple[Schema, list[ColumnProfile]]:
    """What a file holds, as `ingest` finds it, without keeping the table."""
    texts = _table_of(path, name, options, limits)
    kept = _kept(texts)
    return Schema(columns=settle_roles([one.column for one in kept])), [one.profile for one in kept]


def _table_of(path: Path, name: str, options: ReadOptions | None, limits: Limits) -> Texts:
    texts = texts_of(path, name, options, limits=limits)
    if not texts.names or not texts.lines:
        raise ReadError("This file is empty. Upload a table with a header and at least one row.")
    if not texts.columns.rows and texts.columns.rejected:
        first = texts.columns.rejected[0]
        raise ReadError(
            f"No line of this file can be read as a row of a table; line {first.number} {first.reason}. Set the import "
            f"options, or save it as CSV."
        )
    if not texts.columns.rows:
        raise ReadError("This file has a header but no rows. Upload a table with at least one row.")
    return texts


def _kept(texts: Texts, connection: duckdb.DuckDBPyConnection | None = None) -> list[Kept]:
    return keep_all(texts.names, texts.columns.columns, connection, texts.options.decimal, texts.options.day_first)


def _rejected(texts: Texts) -> list[Rejected]:
    return [Rejected(line=line.number, reason=line.reason) for line in texts.columns.rejected]


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
            read(file, Schema(columns=[column]))
        except Invalid as error:
            problems.append((column.name, str(error)))
    return problems
