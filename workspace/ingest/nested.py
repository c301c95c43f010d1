"""JSON and Parquet as columns of texts; what is nested stays JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workspace.ingest.delimited import CODED, Columns
from workspace.ingest.layout import unique_names
from workspace.ingest.lenient import Line
from workspace.ingest.limits import USUAL, Limits
from workspace.ingest.options import PREVIEW_ROWS, ReadOptions, Texts
from workspace.ingest.unpack import MAX_BYTES, MAX_RATIO, NAMES, RATIO_FLOOR, ReadError, plain_text, size

MAX_DEPTH_WORDS = "Its values are nested too deeply to be read."


# JSON --------------------------------------------------------------------------------------------------------------


class _Digits(str):
    """A number as it is written, so that 1.50 and 007 stay themselves."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_float=_Digits, parse_int=_Digits, parse_constant=_Digits)


def is_json(beginning: str, name: str) -> bool:
    """Whether a text that begins so is JSON: an array or object, or one of them on each line."""
    text = beginning.lstrip()
    if text[:1] not in ("{", "["):
        return False
    lowered = name.lower().removesuffix(".gz")
    if lowered.endswith((".json", ".jsonl", ".ndjson")):
        return True
    line = text.partition("\n")[0].strip()
    try:
        return _DECODER.raw_decode(line)[1] == len(line)
    except RecursionError:
        return True
    except ValueError:  # perhaps one value over several lines
        return line in ("[", "{") or line.startswith(('[{"', '{"'))


def read_json(
    path: Path,
    encoding: str,
    mark: int,
    beginning: str,
    options: ReadOptions,
    head_only: bool = False,
    limits: Limits = USUAL,
) -> Texts:
    """The texts of JSON lines, or of an array of objects or of arrays. Raises ReadError."""
    with plain_text(path, encoding, mark, settled=options.encoding is not None) as (text, _):
        if _is_lines(beginning):
            with text.path.open(encoding="utf-8", newline="\n", errors="replace") as file:
                lines: Iterable[str] = islice(file, 4 * PREVIEW_ROWS) if head_only else file
                table = _Objects.of_lines(lines, limits)
            kind = "JSON lines"
        else:
            table = _Objects.of_array(_whole(text.path), limits)
            kind = "JSON array"
    names, notes = unique_names(list(table.columns))
    if head_only:
        table.cut(PREVIEW_ROWS)
    columns = Columns(
        [pa.chunked_array([pa.array(column, pa.string()).dictionary_encode()]) for column in table.columns.values()],
        table.rows,
        0,
        table.blank,
        table.rows,
        table.rejected,
    )
    decided = options.model_copy(update={"encoding": text.encoding})
    summary = f"{kind}, {NAMES.get(text.encoding, text.encoding)}"
    return Texts(names, columns, decided, summary, notes, columns.lines)


def _is_lines(beginning: str) -> bool:
    """Whether each line is a value of its own."""
    lines = [line for line in beginning.split("\n", 3)[:3] if line.strip()]
    for line in lines[:1]:
        try:
            value = _DECODER.decode(line.strip())
        except (ValueError, RecursionError):
            return False
        if len(lines) == 1 and isinstance(value, dict):
            return False  # perhaps a whole table in one object
        if isinstance(value, list) and (not value or isinstance(value[0], dict | list)):
            return len(lines) > 1
    return True


def _whole(path: Path) -> Any:
    try:
        return _DECODER.decode(path.read_text(encoding="utf-8", errors="replace").strip())
    except RecursionError as error:
        raise ReadError(f"This JSON file cannot be read. {MAX_DEPTH_WORDS}") from error
    except json.JSONDecodeError as error:
        raise ReadError(
            f"This JSON file breaks off or is not valid at line {error.lineno}, character {error.colno}. Expected one "
            f"array of objects, or one object on each line."
        ) from error


class _Objects:
    """Objects gathered into columns, in the order in which their names first come."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.columns: dict[str, list[str]] = {}
        self.rows = self.blank = 0
        self.rejected: list[Line] = []

    @classmethod
    def of_lines(cls, lines: Iterable[str], limits: Limits) -> _Objects:
        table = cls(limits)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                table.blank += 1
                continue
            try:
                value = _DECODER.decode(line.strip())
            except RecursionError:
                table.rejected.append(Line(number, "is nested too deeply"))
                continue
            except json.JSONDecodeError as error:
                table.rejected.append(Line(number, f"is not valid JSON at character {error.colno}"))
                continue
            if not table.add(value):
                table.rejected.append(Line(number, "is neither an object nor an array"))
        return table._even()

    @classmethod
    def of_array(cls, value: Any, limits: Limits) -> _Objects:
        table = cls(limits)
        for number, row in enumerate(_rows_in(value, limits), 1):
            if not table.add(row):
                table.rejected.append(Line(number, "is neither an object nor an array"))
        return table._even()

    def add(self, value: Any) -> bool:
        if isinstance(value, list):
            self.limits.check_columns(len(value))
            value = {f"column{i}": cell for i, cell in enumerate(value, 1)}
        if not isinstance(value, dict):
            return False
        if not value.keys() <= self.columns.keys() or not self.rows % 1024:
            self.limits.check(self.rows + 1, len(value.keys() | self.columns.keys()))
        for name, cell in value.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = []
            if len(column) < self.rows:
                column.extend([""] * (self.rows - len(column)))
            column.append(_text(cell))
        self.rows += 1
        return True

    def cut(self, rows: int) -> None:
        self.rows = min(rows, self.rows)
        self.columns = {name: column[:rows] for name, column in self.columns.items()}

    def _even(self) -> _Objects:
        for column in self.columns.values():
            column.extend([""] * (self.rows - len(column)))
        return self


def _rows_in(value: Any, limits: Limits) -> Iterator[Any]:
    """The rows of a JSON value: its items, the items of the one list it holds, or its columns side by side."""
    if isinstance(value, list):
        yield from value
        return
    if not isinstance(value, dict):
        raise ReadError("This JSON file holds a single value. Expected an array of objects, or an object on each line.")
    lists = [cells for cells in value.values() if isinstance(cells, list)]
    side_by_side = len(lists) == len(value) and len({len(cells) for cells in lists}) == 1
    if side_by_side and (len(lists) > 1 or not any(isinstance(cell, dict) for cell in lists[0])):
        limits.check_columns(len(value))
        yield from (dict(zip(value, cells, strict=True)) for cells in zip(*lists, strict=True))
        return
    inner = [cells for cells in value.values() if isinstance(cells, dict)]
    if len(inner) == len(value) > 0 and all(list(cells) == list(inner[0]) for cells in inner):
        if all(key.isdecimal() for key in inner[0]):  # as pandas writes: {name: {row: cell}}
            limits.check_columns(len(value))
            yield from (
                dict(zip(value, cells, strict=True)) for cells in zip(*(c.values() for c in inner), strict=True)
            )
        else:  # {row: {name: cell}}
            yield from inner
        return
    tables = [cells for cells in lists if cells and all(isinstance(cell, dict) for cell in cells)]
    if len(tables) == 1:
        yield from tables[0]
        return
    yield value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json(value)


def _json(value: Any) -> str:
    """JSON text with every number as it was written."""
    if isinstance(value, _Digits):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# Parquet -----------------------------------------------------------------------------------------------------------


def read_parquet(path: Path, options: ReadOptions, head_only: bool = False, limits: Limits = USUAL) -> Texts:
    """The texts of a Parquet file. Raises ReadError."""
    try:
        said = pq.read_metadata(path)
        _refuse_parquet_bombs(said, path, limits)
        leaves = [said.schema.column(i) for i in range(said.num_columns)]
        # Each text once, as the file has it: a long one in every row would not fit in memory.
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and "." not in leaf.path]
        with pq.ParquetFile(path, metadata=said, read_dictionary=texts) as file:
            if head_only:
                batches = list(islice(file.iter_batches(PREVIEW_ROWS), 1))
                table = pa.Table.from_batches(batches, file.schema_arrow)
            else:
                table = file.read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise ReadError(
            "This Parquet file is damaged or cut off and cannot be read. Write it again, or upload the table as CSV."
        ) from error
    names, notes = unique_names(table.column_names)
    columns = [_coded(column) for column in table.columns]
    found = Columns(columns, table.num_rows, row_lines=table.num_rows)
    return Texts(names, found, options, "Parquet", notes, table.num_rows)


def _refuse_parquet_bombs(said: pq.FileMetaData, path: Path, limits: Limits) -> None:
    """Raise ReadError for a file that says it holds too much, or more than a file of its size does.

    Equal cells take next to nothing in such a file, and columns within columns are columns too.
    """
    limits.check_columns(said.num_columns)
    groups = [said.row_group(i) for i in range(said.num_row_groups)]
    rows = max(said.num_rows, sum(group.num_rows for group in groups))
    limits.check(rows, said.num_columns)
    nested = [i for i in range(said.num_columns) if said.schema.column(i).max_repetition_level]
    within = sum(group.column(i).num_values for group in groups for i in nested)
    cells = rows * (said.num_columns - len(nested)) + within
    limits.check_cells(cells)
    packed = path.stat().st_size
    # As comma-separated text, the least that a cell takes is a character and what separates it from the next.
    limit = min(MAX_BYTES, max(RATIO_FLOOR, MAX_RATIO * packed))
    if max(2 * cells, sum(group.total_byte_size for group in groups)) > limit:
        raise ReadError(
            f"This Parquet file of {size(packed)} says that it holds {rows:,} rows, which unpack to more than "
            f"{size(limit)}. No table of its size does that. Look at it, and upload it as CSV."
        )


def _coded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as texts, null as the empty one."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _coded_once(column.unify_dictionaries())
    if pa.types.is_nested(kind):
        texts = pa.chunked_array([pa.array([_plain_json(v) for v in column.to_pylist()], pa.string())])
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        texts = pa.chunked_array([pa.array([_readable(v) for v in column.to_pylist()], pa.string())])
    elif pa.types.is_timestamp(kind):
        texts = pc.replace_substring_regex(column.cast(pa.string()), r"\.0+(Z?)$", r"\1")
        if kind.tz is None and pc.all(pc.ends_with(texts, " 00:00:00"), min_count=0).as_py():
            texts = pc.replace_substring_regex(texts, " 00:00:00$", "")
    else:
        texts = column.cast(pa.string())
    texts = pc.fill_null(texts.cast(pa.string()), "")
    coded = texts.dictionary_encode().unify_dictionaries()
    return coded.cast(CODED) if coded.type != CODED else coded


def _coded_once(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As `_coded`, of a column whose values are kept once: only these are turned into texts."""
    if not column.num_chunks:
        return pa.chunked_array([], CODED)
    values = column.chunk(0).dictionary
    coded = _coded(pa.chunked_array([pa.concat_arrays([values, pa.nulls(1, values.type)])])).combine_chunks()
    texts, places = coded.dictionary, coded.indices
    absent = len(values)
    chunks = [places.take(chunk.indices.cast(pa.int32()).fill_null(absent)) for chunk in column.chunks]
    return pa.chunked_array([pa.DictionaryArray.from_arrays(chunk, texts) for chunk in chunks])


def _plain_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _readable(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
