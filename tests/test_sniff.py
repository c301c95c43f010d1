"""How a delimited text is written and where its table stands, found from the text alone."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from bench.robust import scores
from workspace.ingest.ingest import ReadOptions, texts_of
from workspace.ingest.layout import layout_of, unique_names
from workspace.ingest.lenient import read_lines
from workspace.ingest.records import Dialect, records, requoted
from workspace.ingest.sniff import lines_of, sniff
from workspace.ingest.unpack import encoding_of

DATA = Path(__file__).parent / "data"


def rows_of(path: Path, options: ReadOptions | None = None) -> tuple[list[str], list[tuple[str, ...]]]:
    texts = texts_of(path, path.name, options)
    return texts.names, list(zip(*(column.to_pylist() for column in texts.columns.columns), strict=True))


# Encodings ---------------------------------------------------------------------------------------------------------

WESTERN = "name,città\nMüller,Zürich\nGarcía,Málaga\n"
JAPANESE = "名前,住所\n山田太郎,東京都新宿区\n鈴木花子,テスト\n"
CYRILLIC = "имя,город\nИван,Москва\nОльга,Санкт-Петербург\n" * 5


@pytest.mark.parametrize(
    "text, written, found",
    [
        (WESTERN, "utf-8", "utf-8"),
        (WESTERN, "utf-8-sig", "utf-8"),
        (WESTERN, "utf-16", "utf-16-le"),
        (WESTERN, "utf-16-le", "utf-16-le"),
        (WESTERN, "utf-16-be", "utf-16-be"),
        (WESTERN, "latin-1", "cp1252"),  # all Latin-1 letters stand in the same places
        (WESTERN + "it’s,“5 €”\n", "cp1252", "cp1252"),
        (JAPANESE, "cp932", "cp932"),
        (JAPANESE, "utf-8", "utf-8"),
        (CYRILLIC, "cp1251", "cp1251"),
    ],
)
def test_the_encoding_is_found_and_gives_back_the_text(text, written, found):
    data = text.encode(written)
    encoding, mark = encoding_of(data)
    assert encoding == found
    assert data[mark:].decode(encoding) == text


def test_an_encoding_that_shows_late_is_found_by_reading_on(tmp_path):
    path = tmp_path / "late.csv"
    path.write_bytes(b"name,city\n" + b"plain,ascii\n" * 60_000 + "Müller,Köln\n".encode("cp1252"))
    _, rows = rows_of(path)
    assert rows[-1] == ("Müller", "Köln")
    assert len(rows) == 60_001


def test_lines_that_break_the_encoding_are_named(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes(b"name,age\n" + "Müller,5\n".encode() * 20 + "Müller,6\n".encode("cp1252") + b"x,7\n")
    texts = texts_of(path, path.name)
    assert [(line.number, line.reason) for line in texts.columns.rejected] == [
        (22, "holds bytes that are not in the file's encoding")
    ]
    assert texts.columns.rows == 21


# Dialects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, delimiter, quote",
    [
        ("a,b\n1,2\n3,4\n", ",", '"'),
        ("a;b\n1,5;2,5\n2,5;3,5\n", ";", '"'),
        ("a\tb\nx y\t2\nz, w\t4\n", "\t", '"'),
        ("a|b|c\n1|x y|3\n2|z, q|4\n", "|", '"'),
        ("a b c\n1 2 3\n4 5 6\n", " ", '"'),
        ("a, b, c\n1, 2, x\n3, 4, y\n", ", ", '"'),
        ("a,b\n'x, y',1\n'z, w',2\n", ",", "'"),
        ("a\n1\n2\n", "", '"'),
        ("name\nJohn Smith\nJane Doe\n", "", '"'),
        ("at\n2020-01-01 00:00:00\n2020-01-02 00:00:00\n", "", '"'),
        ("time\n10:30\n11:30\n", "", '"'),
        ('id,said\n1,"a;b;c"\n2,"d;e"\n', ",", '"'),
    ],
)
def test_delimiter_and_quote(text, delimiter, quote):
    dialect = sniff(text).dialect
    assert (dialect.delimiter, dialect.quote) == (delimiter, quote)


@pytest.mark.parametrize(
    "line, dialect, cells",
    [
        ('1,"x, ""y""",2', Dialect(), ["1", 'x, "y"', "2"]),
        (r'1,"x \"y\" \n",2', Dialect(escape="\\"), ["1", r'x "y" \n', "2"]),  # \n needs no escape: it is text
        ("1,'it''s',2", Dialect(quote="'"), ["1", "it's", "2"]),
        ('1, "x, y", 2', Dialect(", "), ["1", "x, y", "2"]),
        ("1,a\0b,2", Dialect(), ["1", "a\0b", "2"]),
        ('a "b" c', Dialect(""), ['a "b" c']),
        ('""', Dialect(), [""]),
        (",", Dialect(), ["", ""]),
        (' "a",b', Dialect(), [' "a"', "b"]),
    ],
)
def test_a_well_formed_line_is_split(line, dialect, cells):
    assert dialect.split(line) == cells


@pytest.mark.parametrize(
    "line, cells",
    [
        ('a,"b,c', ["a", '"b', "c"]),  # opens a quote that nothing closes
        ('a,""b c",d', ["a", '"b c', "d"]),  # a quote too many
        ('a,b,"', ["a", "b", '"']),
        ('"x 48"","y, z",w', ['x 48"', "y, z", "w"]),  # the quote within is not doubled
        ('a,"b" c,d', ["a", '"b" c', "d"]),
    ],
)
def test_misplaced_quotes_are_plain_characters(line, cells):
    assert requoted(line, Dialect(), 3) == cells


def test_a_quoted_cell_goes_on_over_lines_but_a_lone_quote_does_not():
    found = [(r.line, r.lines, r.cells) for r in records(['1,"x', 'y"', '2,"z', "3,w"], Dialect(), 2)]
    assert found == [(1, 2, ["1", "x\ny"]), (3, 1, ["2", '"z']), (4, 1, ["3", "w"])]


# Where the table stands --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, skip, header, names",
    [
        ("a,b\n1,2\n", 0, 1, ["a", "b"]),
        ("1,2\n3,4\n5,6\n", 0, 0, []),
        ("city,kind\nRome,x\nParis,y\nRome,x\n", 0, 1, ["city", "kind"]),
        ("Rome,x\nParis,y\nRome,x\nRome,y\n", 0, 0, []),
        ("Report 2020\n\nname,v,w\nx,1,2\ny,3,4\n", 2, 1, ["name", "v", "w"]),
        ("# made by me, yesterday\nname,v,w\nx,1,2\ny,3,4\n", 1, 1, ["name", "v", "w"]),
        ("TITLE,,\n,,\nname,v,w\nx,1,2\ny,3,4\n", 2, 1, ["name", "v", "w"]),
        ("len,mass\ncm,kg\n1,2\n3,4\n5,6\n", 0, 2, ["len cm", "mass kg"]),
        ("a,b\na,b\n1,2\n3,4\n", 0, 2, ["a a", "b b"]),
        ("country,1990,1991,1992\nItaly,5,6,7\nSpain,6,7,8\n", 0, 1, ["country", "1990", "1991", "1992"]),
        ('"a","b"\n"r1",1,2\n"r2",3,4\n', 0, 1, ["", "a", "b"]),  # as R writes row names
        ("a,b,c,\n1,2,3\n4,5,6\n", 0, 1, ["a", "b", "c"]),
        ("id;name;mass\n1,x,2\n3,y,4\n5,z,6\n", 0, 1, ["id", "name", "mass"]),  # parted otherwise than its rows
    ],
)
def test_header_and_what_stands_before_it(text, skip, header, names):
    layout = layout_of(text)
    assert (layout.skip, layout.header, layout.names) == (skip, header, names)


def test_names_are_made_to_differ_and_told():
    names, notes = unique_names(["a", "a", "", "b", " ", "a_2"])
    assert names == ["a", "a_3", "column3", "b", "column5", "a_2"]
    assert len(notes) == 3


# Every line accounted for ------------------------------------------------------------------------------------------


def read(text: str, **options):
    return read_lines(lines_of(text), layout_of(text), **options)


def test_ragged_rows_are_mended_where_nothing_is_lost_and_named_where_not():
    rows = "".join(f"2020-01-{day:02},{day % 3},{'north' if day % 2 else 'south'},{day}.50\n" for day in range(1, 21))
    text = (
        "day,code,region,price\n" + rows
        + "2020-01-21,,2,north,1.50\n"  # line 22: a delimiter too many
        + "2020-01-222,south,2.50\n"  # line 23: one too few
        + "2020-01-23;1;north;3.50\n"  # line 24: other delimiters
        + "2020-01-24,1,south\n"  # line 25: the last cell is not there
        + "completely,different,thing,altogether,and,longer\n"  # line 26: no row
        + rows
    )  # fmt: skip
    careful = read(text)
    assert careful.rows[20:24] == [
        ["2020-01-21", "2", "north", "1.50"],
        ["2020-01-22", "2", "south", "2.50"],
        ["2020-01-23", "1", "north", "3.50"],
        ["2020-01-24", "1", "south", ""],
    ]
    assert [line.number for line in careful.mended] == [22, 23, 24, 25]
    assert [(line.number, line.reason) for line in careful.rejected] == [(26, "6 cells where 4 were expected")]
    assert careful.lines == 46


def test_numbers_are_never_joined_to_fit():
    careful = read("a,b,c\n" + "1,2,3\n" * 9 + "1,2,3,4\n" + "4,5,6\n" * 3)
    assert [line.number for line in careful.rejected] == [11]


def test_lines_below_the_table_are_no_rows():
    careful = read("name,v,w\n" + "x,1,2\n" * 9 + "Total,9\n\nSource: me\n")
    assert len(careful.rows) == 9
    assert [line.number for line in careful.rejected] == [11, 13]
    assert careful.blank_lines == 1
    assert careful.lines == 13


def test_a_further_table_is_told_apart():
    careful = read("name,v,w\n" + "x,1,2\n" * 3 + "name,v\nx,1\ny,2\n")
    assert len(careful.rows) == 3
    assert careful.rejected[0].reason == "a further table begins here; the first one ends on line 4"
    assert [line.number for line in careful.rejected] == [5, 6, 7]


def test_files_joined_with_their_headers_are_one_table():
    careful = read("name,v\n" + "x,1\n" * 3 + "name,v\n" + "y,2\n" * 2)
    assert len(careful.rows) == 5
    assert careful.repeated_headers == [5]
    assert len(read("name,v\nx,1\nname,v\ny,2\n", table=1).rows) == 1


def test_blank_lines_are_missing_values_of_a_lone_column_and_nothing_elsewhere():
    assert read("a\n1\n\n3\n").rows == [["1"], [""], ["3"]]
    assert read("a,b\n1,2\n\n3,4\n").rows == [["1", "2"], ["3", "4"]]


# Files that break readers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((DATA / "csv-spectrum" / "csvs").iterdir()), ids=lambda path: path.stem)
def test_csv_spectrum_reads_exactly(path):
    names, rows = rows_of(path)
    expected = json.loads((DATA / "csv-spectrum" / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
    assert [dict(zip(names, row, strict=True)) for row in rows] == expected


@pytest.mark.parametrize(
    "path, least",
    [
        (path, {"file_quotation_char_0x27": 9.7}.get(path.stem, 10.0))  # its doubled quotes are no quotes any more
        for path in sorted((DATA / "pollock" / "csv").iterdir())
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_polluted_files_read_as_their_clean_versions(path, least):
    assert sum(scores(DATA / "pollock", path.name)) >= least - 1e-9


def test_options_overrule_what_is_detected(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x;y\n1;2\n3;4\n", encoding="utf-8")
    assert rows_of(path, ReadOptions(delimiter=","))[0] == ["x;y"]
    assert rows_of(path, ReadOptions(header=0))[1][0] == ("x", "y")
    assert rows_of(path, ReadOptions(skip_rows=1))[1] == [("1", "2"), ("3", "4")]
    assert rows_of(path, ReadOptions(skip_footer=1))[1] == [("1", "2")]


def test_the_quick_and_the_careful_way_agree(tmp_path):
    awkward = ["plain", 'a "quoted" word', "comma, here", "line\nend", "", " blank ", "é😀", "1.50", "it's"]
    table = [[awkward[(i * 7 + j * 3) % len(awkward)] for j in range(4)] for i in range(500)]
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["a", "b", "c", "d"], *table])
    text = path.read_bytes().decode()
    _, quick = rows_of(path)
    careful = read_lines(lines_of(text), layout_of(text))
    assert [list(row) for row in quick] == careful.rows == table


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_agree_on_ragged_rows_and_account_for_every_line(tmp_path, seed):
    draw = random.Random(seed)
    lines = ["day,code,region,price"]
    lines += [f"2020-01-{1 + i % 28:02},{i},{'north' if i % 3 else 'south'},{i % 17}.50" for i in range(300)]
    spoil = [
        lambda line: line.replace(",", "", 1),
        lambda line: line.replace(",", ",,", 1),
        lambda line: line.replace(",", ";"),
        lambda line: line.rsplit(",", 2)[0],
        lambda line: line + ",x,y",
        lambda line: "Section",
    ]
    for _ in range(draw.randrange(6)):
        i = draw.randrange(2, 290)
        lines[i] = draw.choice(spoil)(lines[i])
    lines = draw.choice([[], ["Report", ""]]) + lines + draw.choice([[], ["Total,,"]])
    text = draw.choice(["\n", "\r\n"]).join(lines)
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    texts = texts_of(path, path.name)
    careful = read_lines(lines_of(text), layout_of(text))
    assert [list(row) for row in rows_of(path)[1]] == careful.rows
    assert (texts.columns.rejected, texts.columns.mended) == (careful.rejected, careful.mended)
    assert texts.lines == careful.lines == len(lines)
