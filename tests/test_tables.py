"""Tables from upload to export: what comes in goes out, every line is told of, and bad files are refused in words."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from synth.schema import Column, Schema
from workspace.ingest.ingest import (
    SAMPLES,
    ReadError,
    ReadOptions,
    count,
    examine,
    ingest,
    preview,
    profile,
    read,
    retype,
    rows,
    write,
)
from workspace.tables.duckdb_file import about
from workspace.tables.exports import export

PENGUINS = Path(__file__).parent / "data" / "penguins.csv"


@pytest.fixture
def kept(tmp_path) -> Path:
    return tmp_path / "table.duckdb"


def file_of(tmp_path: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def texts_in(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# In and out --------------------------------------------------------------------------------------------------------


def test_penguins_come_in_as_they_are_and_go_out_again(kept, tmp_path):
    found = ingest(PENGUINS, "penguins.csv", kept)
    assert (found.rows, found.lines, found.rejected) == (344, 345, [])
    assert [column.kind for column in found.schema] == ["category"] * 2 + ["number"] * 2 + ["integer"] * 2 + [
        "category"
    ]
    assert texts_in(export(kept, found.schema, "csv", tmp_path / "out.csv")) == texts_in(PENGUINS)
    table = read(kept, found.schema)
    assert list(map(str, table.dtypes)) == ["category"] * 2 + ["float64"] * 2 + ["Int64"] * 2 + ["category"]
    assert table["bill_length_mm"].mean() == pytest.approx(pd.read_csv(PENGUINS)["bill_length_mm"].mean())


AWKWARD = [
    ["id", "code", "surname", "blank", "mixed", "date", "price", "flag", "note", "select", '../../x"', "😀<script>"],
    ["1", "007", "NA", " x", "1.0", "5/4/1900", "1.50", "yes", 'a "b", c', "", "=1+1", "é"],
    ["2", "1e5", "null", "x ", "1", "12/31/1999", "2.25", "no", "line\nend", "1", "@x", "日本"],
    ["3", "12", "None", "", "2.50", "1/1/2000", "", "yes", "", "?", "-2", "\tt"],
    ["-0", "+5", "nan", "x", "1e3", "", "10.00", "", "0", "3", "x", " "],
]


def test_nothing_is_dropped_or_coerced(kept, tmp_path):
    path = tmp_path / "awkward.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(AWKWARD)
    found = ingest(path, path.name, kept)
    assert texts_in(export(kept, found.schema, "csv", tmp_path / "out.csv")) == AWKWARD
    assert rows(kept, 1, 2).to_numpy().tolist() == AWKWARD[2:4]
    assert found.schema["code"].kind == "category"
    assert found.schema["price"].kind == "number"
    assert read(kept, found.schema)["select"].tolist()[1] == 1  # an integer with "?" for missing
    assert "select" in about(kept).as_text  # since empty cells stand beside the "?"


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "xlsx"])
def test_what_is_exported_reads_the_same(kept, tmp_path, format):
    found = ingest(PENGUINS, "penguins.csv", kept)
    path = export(kept, found.schema, format, tmp_path / f"out.{format}")
    again = ingest(path, path.name, tmp_path / "again.duckdb")
    assert again.rows == found.rows
    pd.testing.assert_frame_equal(
        read(tmp_path / "again.duckdb", again.schema), read(kept, found.schema), check_categorical=False
    )


@pytest.mark.parametrize("make", ["to_json", "to_parquet", "to_excel"])
def test_json_parquet_and_excel_come_in(kept, tmp_path, make):
    table = pd.DataFrame(
        {
            "n": [1, 2, 3],
            "x": [1.5, None, 2.25],
            "at": pd.to_datetime(["2020-01-05 10:00:00", "2021-02-03 11:30:00", "2021-02-04 00:00:01"]),
            "text": ["007", "NA", "ü, “x”"],
        }
    )
    path = tmp_path / "upload"
    options = {
        "to_json": {"orient": "records", "date_format": "iso"},
        "to_excel": {"index": False, "engine": "openpyxl"},
    }
    with path.open("wb") as file:
        getattr(table, make)(file, **options.get(make, {}))
    found = ingest(path, f"upload.{make[3:]}", kept)
    values = read(kept, found.schema)
    assert [column.kind for column in found.schema] == ["integer", "number", "datetime", "category"]
    assert values["at"].tolist() == table["at"].tolist()
    assert values["text"].tolist() == table["text"].tolist()
    assert values["x"].isna().tolist() == [False, True, False]


def test_json_lines_keep_digits_and_nested_values_and_name_bad_lines(kept, tmp_path):
    path = file_of(
        tmp_path, '{"a": 1.50, "b": {"x": [1, 2.0]}}\n{"a": 2}\noops\n\n{"b": null, "c": "007"}\n', "t.jsonl"
    )
    found = ingest(path, path.name, kept)
    assert rows(kept, 0, 3).to_numpy().tolist() == [["1.50", '{"x": [1, 2.0]}', ""], ["2", "", ""], ["", "", "007"]]
    assert [(line.line, line.reason) for line in found.rejected] == [(3, "is not valid JSON at character 1")]
    assert found.lines == 5


def test_a_sheet_can_be_chosen(kept, tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "notes"
    sheet = book.create_sheet("data")
    for row in (["Report"], [], ["name", "v"], ["x", 1], ["y", 2]):
        sheet.append(row)
    other = book.create_sheet("other")
    other.append(["k"])
    other.append([5])
    book.save(tmp_path / "book.xlsx")
    shown = preview(tmp_path / "book.xlsx", "book.xlsx")
    assert (shown.columns, shown.rows, shown.sheets) == (
        ["name", "v"],
        [["x", "1"], ["y", "2"]],
        ["notes", "data", "other"],
    )
    assert preview(tmp_path / "book.xlsx", "book.xlsx", ReadOptions(sheet="other")).columns == ["k"]
    with pytest.raises(ReadError, match="no sheet 'none'"):
        preview(tmp_path / "book.xlsx", "book.xlsx", ReadOptions(sheet="none"))


def test_a_preview_shows_the_first_rows_and_what_was_decided(tmp_path):
    path = file_of(tmp_path, gzip.compress(("a;b\n" + "1,5;x\n" * 100_000).encode()), "t.csv.gz")
    shown = preview(path, path.name)
    assert shown.summary == "UTF-8, semicolon-separated, header on line 1"
    assert (shown.columns, shown.rows[0], len(shown.rows)) == (["a", "b"], ["1,5", "x"], 50)
    assert preview(path, path.name, ReadOptions(header=0)).columns == ["column1", "column2"]


def test_what_one_column_leaves_open_another_decides(tmp_path):
    path = file_of(
        tmp_path, "a;b;c;d\n" + "".join(f"0{d}/0{d + 1}/2020;{d + 12}/01/2020;{d},123;{d},5\n" for d in range(1, 8))
    )
    schema, _ = examine(path, path.name)
    assert schema["a"].format == "%d/%m/%Y"
    assert (schema["c"].kind, schema["c"].decimal_mark) == ("number", ",")


def test_the_shipped_samples_are_what_they_say(kept):
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
    assert sum(sample.path.stat().st_size for sample in SAMPLES) < 3_000_000
    for sample in SAMPLES:
        schema, profiles = examine(sample.path, sample.path.name)
        assert (profiles[0].rows, len(schema)) == (sample.rows, sample.columns)
        assert sample.target in schema.names


# A table that is kept ----------------------------------------------------------------------------------------------


def test_a_profile_counts_what_can_be_counted_by_hand(kept, tmp_path):
    path = file_of(tmp_path, "n,c\n1,x\n2,x\n2,\n,yy\n5,x\n")
    found = ingest(path, path.name, kept)
    assert profile(kept, found.schema) == found.profiles
    n, c = found.profiles
    assert (n.missing, n.distinct, n.minimum, n.maximum, n.mean) == (1, 3, 1.0, 5.0, 2.5)
    assert n.std == pytest.approx(3**0.5)  # deviations -1.5, -0.5, -0.5, 2.5: squares sum to 9, over 3
    assert [(top.value, top.rows) for top in n.top] == [("2", 2), ("1", 1), ("5", 1)]
    assert sum(n.histogram.counts) == 4
    assert (c.missing, c.distinct, c.shortest, c.longest) == (1, 2, 1, 2)


def test_rows_are_drawn_by_position_and_by_seed(kept):
    found = ingest(PENGUINS, "penguins.csv", kept)
    table = read(kept, found.schema)
    some = read(kept, found.schema, only=np.array([5, 0, 343]))
    assert some["body_mass_g"].tolist() == table["body_mass_g"].iloc[[5, 0, 343]].tolist()
    assert len(read(kept, found.schema, sample=10, seed=1)) == 10
    pd.testing.assert_frame_equal(
        read(kept, found.schema, sample=10, seed=1), read(kept, found.schema, sample=10, seed=1)
    )
    assert not read(kept, found.schema, sample=50, seed=1).equals(read(kept, found.schema, sample=50, seed=2))
    assert read(kept, found.schema, sample=999)["species"].size == 344


def edited(schema: Schema, name: str, **changes) -> Schema:
    columns = [c.model_copy(update=changes) if c.name == name else c for c in schema]
    return schema.model_copy(update={"columns": columns})


def test_an_edited_kind_is_read_anew_or_refused(kept, tmp_path):
    path = file_of(
        tmp_path,
        "n,day,c,x\n"
        + "".join(f"{i % 9},0{1 + i % 9}/02/2020,{'?' if i % 3 else 'a'},1,234\n" for i in range(9)).replace(
            "1,234", '"1,234"'
        ),
    )
    found = ingest(path, path.name, kept)
    schema = found.schema
    assert read(kept, edited(schema, "n", kind="category"))["n"].tolist() == [str(i) for i in range(9)]
    assert read(kept, edited(schema, "n", missing="0"))["n"].isna().sum() == 1
    assert read(kept, edited(schema, "day", format="%d/%m/%Y"))["day"].iloc[1] == pd.Timestamp("2020-02-02")
    assert read(kept, edited(schema, "c", missing="?"))["c"].isna().sum() == 6
    assert read(kept, edited(schema, "x", kind="number", thousands="", decimal_mark=","))["x"].iloc[0] == 1.234
    assert retype(kept, edited(schema, "n", kind="number")) == []
    [(name, reason)] = retype(kept, edited(schema, "c", kind="integer"))
    assert name == "c"
    assert "declared integer" in reason


def test_a_synthetic_table_is_written_in_chunks_like_an_upload(kept, tmp_path):
    found = ingest(PENGUINS, "penguins.csv", kept)
    table = read(kept, found.schema)
    made = tmp_path / "made.duckdb"
    assert write(made, (table.iloc[i : i + 100] for i in range(0, 344, 100)), found.schema) == 344
    assert count(made) == 344
    pd.testing.assert_frame_equal(read(made, found.schema), table, check_categorical=False)
    assert texts_in(export(made, found.schema, "csv", tmp_path / "made.csv")) == texts_in(PENGUINS)


def test_a_table_half_written_leaves_nothing(tmp_path):
    def broken():
        yield pd.DataFrame({"x": [1]})
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "t.duckdb", broken(), Schema(columns=[Column(name="x", kind="integer")]))
    assert list(tmp_path.iterdir()) == []


def test_formulas_are_neutralised_when_asked(kept, tmp_path):
    path = file_of(tmp_path, "a,n\n=cmd|' /C calc'!A0,-1\n@x,2\nplain,3\n")
    found = ingest(path, path.name, kept)
    safe = texts_in(export(kept, found.schema, "csv", tmp_path / "safe.csv", spreadsheet_safe=True))
    assert safe[1:] == [["'=cmd|' /C calc'!A0", "-1"], ["'@x", "2"], ["plain", "3"]]
    book = openpyxl.load_workbook(export(kept, found.schema, "xlsx", tmp_path / "a.xlsx"))
    assert [cell.data_type for cell in next(book.active.iter_rows(min_row=2))] == ["s", "n"]


def test_a_lone_column_keeps_its_empty_cells(kept, tmp_path):
    path = file_of(tmp_path, "a\n1\n\n3\n")
    found = ingest(path, path.name, kept)
    assert texts_in(export(kept, found.schema, "csv", tmp_path / "out.csv")) == [["a"], ["1"], [""], ["3"]]


# Files that are no tables ------------------------------------------------------------------------------------------


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


NOISE = random.Random(0).randbytes(5_000)
PACKED = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * 7919 % 1_000_003) for i in range(50_000)))


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "This file is empty"),
        (b"\n \n\n", "This file is empty"),
        (b"a,b,c\n", "has a header but no rows"),
        (NOISE, "holds binary data"),
        (b"\x89PNG\r\n" + NOISE, "a PNG picture"),
        (b"%PDF-1.4\n" + NOISE, "a PDF document"),
        (b"<!DOCTYPE html>\n<html><body>404, not found</body></html>\n", "a web page"),
        (PACKED[:-3_000], "is cut off"),
        (PACKED[:5_000] + b"XXXXXXXX" + PACKED[5_008:], "is damaged"),
        (gzip.compress(b"a,b\n" + b"1,1\n" * 20_000_000, 1), "unpacks to more than"),
        (zipped("x.csv", b"a,b\n1,2\n"), "a ZIP archive"),
        (zipped("[Content_Types].xml", b"0" * 100_000_000), "unpacks to more than"),
        (b"PK\x03\x04" + b"junk" * 100, "Excel file is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1_000, "Excel file is damaged"),
        (b"PAR1" + b"junk" * 100, "Parquet file is damaged"),
        (b'[{"a": 1}, {"a": ', "breaks off or is not valid at line 1"),
        (b"[" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_what_is_no_table_is_refused_in_words(kept, tmp_path, content, said):
    path = file_of(tmp_path, content)
    with pytest.raises(ReadError) as refused:
        ingest(path, "table.csv", kept)
    assert said in str(refused.value)
    assert str(refused.value)[-1] == "."
    assert not kept.exists()


def test_one_line_of_100_mb_is_named_and_the_rest_is_read(kept, tmp_path):
    path = file_of(tmp_path, b"a,b\n1,2\n" + b"x" * 100_000_000 + b",2\n3,4\n")
    found = ingest(path, path.name, kept)
    assert found.rows == 2
    assert [(line.line, line.reason) for line in found.rejected] == [(3, "is 100 MB long; a line may be 16 MB")]


@pytest.mark.parametrize(
    "text, kinds",
    [
        ("a,b\n1,x\n", ["integer", "category"]),
        ("a\n1\n2\n", ["integer"]),
        ("a,b\n,1\n,2\n", ["category", "integer"]),
        ("a,a,\n1,2,3\n4,5,6\n", ["integer"] * 3),
    ],
)
def test_small_and_odd_tables_are_tables(kept, tmp_path, text, kinds):
    path = file_of(tmp_path, text)
    found = ingest(path, path.name, kept)
    assert [column.kind for column in found.schema] == kinds
    assert len(read(kept, found.schema)) == found.rows
    assert len(profile(kept, found.schema)) == len(kinds)


def test_an_export_of_an_unknown_format_is_refused(kept, tmp_path):
    found = ingest(PENGUINS, "penguins.csv", kept)
    with pytest.raises(ValueError, match="'pdf' is none of them"):
        export(kept, found.schema, "pdf", tmp_path / "x")


def test_exported_json_has_types(kept, tmp_path):
    path = file_of(tmp_path, "n,x,b,day,c\n1,1.5,yes,05.01.2020,a\n,2.5,no,06.02.2021,\n3,3.5,yes,28.02.2021,b\n")
    found = ingest(path, path.name, kept)
    lines = export(kept, found.schema, "jsonl", tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"n": 1, "x": 1.5, "b": True, "day": "05.01.2020", "c": "a"}
    assert json.loads(lines[1]) == {"n": None, "x": 2.5, "b": False, "day": "06.02.2021", "c": None}
