"""Strangers' files: what is too much is refused before the work, and what is read is read outside of the server."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workspace.ingest import ingest
from workspace.ingest.ingest import ReadError
from workspace.ingest.limits import Limits

# What says at once that it is too much -----------------------------------------------------------------------------

KEYS = {f"k{i}": 1 for i in range(30_000)}
HEADER = b",".join(b"c%d" % i for i in range(100_000))


def equal_rows(file: Path) -> None:
    """34 million equal cells in some hundred KB."""
    pq.write_table(pa.table({"a": pa.repeat(pa.scalar(7, pa.int8()), 34_000_000)}), file)


def nested_columns(file: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([{f"f{i}": 1 for i in range(3_000)}])}), file)


def far_cell(file: Path) -> None:
    book = openpyxl.Workbook()
    for place in ("A1", "A2", "XFD1"):
        book.active[place] = "x"
    book.save(file)


def of_bytes(content: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(content) and None


TOO_MUCH = {
    "equal rows.parquet": (equal_rows, "unpack to more than"),
    "nested columns.parquet": (nested_columns, "3,000 columns"),
    "5 MB of commas.csv": (of_bytes(b"," * 5_000_000), "columns"),
    "200,000 commas.csv": (of_bytes(b"," * 200_000 + b"\n" + b"," * 200_000 + b"\n"), "200,001 columns"),
    "a long header.csv": (of_bytes(HEADER + b"\n1,2,3\n4,5,6\n"), "columns"),
    "a long header.tsv": (of_bytes(HEADER.replace(b",", b"\t") + b"\n" + b"\t" * 99_999 + b"\n"), "columns"),
    "a long header with spaces.txt": (
        of_bytes(HEADER.replace(b",", b" ") + b"\n" + b"1 " * 99_999 + b"1\n"),
        "columns",
    ),
    "commas.csv.gz": (of_bytes(gzip.compress(b"," * 5_000_000)), "columns"),
    "keys.json": (of_bytes(json.dumps([KEYS]).encode()), "30,000 columns"),
    "lists.json": (of_bytes(json.dumps([[1] * 30_000]).encode()), "30,000 columns"),
    "side by side.json": (of_bytes(json.dumps({key: [1, 2] for key in KEYS}).encode()), "30,000 columns"),
    "a far cell.xlsx": (far_cell, "16,384 columns"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a10_a11_what_holds_too_much_is_refused_before_the_work(name, tmp_path):
    make, words = TOO_MUCH[name]
    file = tmp_path / name
    make(file)
    for read in (lambda: ingest.preview(file, name), lambda: ingest.ingest(file, name, tmp_path / "table.duckdb")):
        begun = time.process_time()
        with pytest.raises(ReadError, match=words):
            read()
        assert time.process_time() - begun < 1.0
    assert not (tmp_path / "table.duckdb").exists()


def write_parquet(file: Path) -> None:
    pq.write_table(pa.table({"a": list(range(101)), "b": ["x"] * 101}), file)


def write_workbook(file: Path) -> None:
    book = openpyxl.Workbook()
    for row in [("a", "b"), *((i, "x") for i in range(101))]:
        book.active.append(row)
    book.save(file)


ROWS_101 = b"a,b\n" + b"1,x\n" * 101


@pytest.mark.parametrize(
    "name, make",
    [
        ("rows.csv", of_bytes(ROWS_101)),
        ("rows with stray quotes.csv", of_bytes(ROWS_101.replace(b"x", b'x"y'))),
        ("rows.csv.gz", of_bytes(gzip.compress(ROWS_101))),
        ("rows.json", of_bytes(json.dumps([{"a": i, "b": "x"} for i in range(1025)]).encode())),
        ("rows.parquet", write_parquet),
        ("rows.xlsx", write_workbook),
    ],
)
@pytest.mark.parametrize("limits, words", [(Limits(rows=100), "100 rows"), (Limits(cells=199), "199 cells")])
def test_a10_rows_and_cells_have_a_limit_in_every_format(name, make, limits, words, tmp_path):
    make(tmp_path / name)
    with pytest.raises(ReadError, match=words):
        ingest.ingest(tmp_path / name, name, tmp_path / "table.duckdb", limits=limits)


def test_a10_a_long_text_in_every_row_of_a_parquet_file_is_kept_once(tmp_path):
    # 2,000 rows of a MB each in 50 KB: unfolded they would be 2 GB.
    file, long = tmp_path / "long.parquet", pa.array(["x" * 1_000_000, "y"])
    places = pa.array([0, 1] * 1000, pa.int32())
    pq.write_table(pa.table({"a": pa.DictionaryArray.from_arrays(places, long)}), file, store_schema=False)
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    assert ingest.ingest(file, file.name, tmp_path / "table.duckdb").rows == 2000
    assert pool.max_memory() - before < 100e6
    assert (tmp_path / "table.duckdb").stat().st_size < 20e6


def test_a10_what_lists_hold_counts_as_cells(tmp_path):
    file = tmp_path / "lists.parquet"
    pq.write_table(pa.table({"a": [[7] * 200_000, []]}), file)
    with pytest.raises(ReadError, match="100,000 cells"):
        ingest.ingest(file, file.name, tmp_path / "table.duckdb", limits=Limits(cells=100_000))


def test_a11_a_new_key_in_every_row_is_refused_while_it_is_read(tmp_path):
    file = tmp_path / "keys.jsonl"
    file.write_text("".join(f'{{"{key}": 1}}\n' for key in KEYS))
    with pytest.raises(ReadError, match="2,001 columns"):
        ingest.ingest(file, file.name, tmp_path / "table.duckdb")
