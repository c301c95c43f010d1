"""Columns whose cells are written in several forms come out in these forms, each with values of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synth import GENERATORS, Synthesizer
from synth.columns.endings import Endings
from synth.schema import Column, Schema
from synth.schema.detection import detect
from synth.schema.forms import take_apart
from workspace.ingest.ingest import export, ingest, read
from workspace.tables.duckdb_file import write

NUMBERS = [
    *("12", "12.50", "-3", "+5", "1,234.50", "4.123e-06", "1E+5", ".5", "20.510000014", "-0.00", "12.00-", "($12.00)"),
    *("-$5.25", "300 g", "1.2 kg", "128/82", "176 x 81", "<0.5", "90+", "18-24", "8h 30m", "3 of 5", "n/a", "see note"),
    *("", " 7", "CHF 1,200", "~5 %", "5 ± 0.3", "2×4", "-40 °C", "١٢", "1.2.3", "9" * 40, "=1+1"),
]
MOMENTS = [
    *("2023-04-17 13:05", "17/04/2023 13:05", "2024-04-27T21:41:00+01:00", "2024-04-27T21:41:00-0800"),
    *("2024-04-27T21:41:00Z", "unknown", "", "31-Oct-2023", "2024-02-30", "9999-12-31", "Mar 3, 2020"),
]


@pytest.mark.parametrize(("kind", "cells"), [("number", NUMBERS), ("datetime", MOMENTS)])
def test_what_is_taken_apart_gives_back_every_cell(kind: str, cells: list[str]):
    taken = take_apart(pd.Series(cells, dtype="string"), Column(name="x", kind=kind, mixed=True))
    for row, cell in enumerate(cells):
        form = taken.forms[taken.codes[row]]
        values = [part[row : row + 1] for part in taken.values[: form.values]]
        assert (form.write(values)[0] if values else form.texts[0]) == cell


def test_values_have_their_sign_and_moments_their_offset():
    amounts = take_apart(pd.Series(["($12.00)", "-$5.25", "3.00-", "$7"]), Column(name="x", kind="number", mixed=True))
    assert amounts.values[0].tolist() == [-12.0, -5.25, -3.0, 7.0]
    stamps = pd.Series(["2024-04-27T21:41:00+01:00", "2024-04-27T20:41:00Z"])
    assert len(set(take_apart(stamps, Column(name="x", kind="datetime", mixed=True)).values[0])) == 1


@pytest.mark.parametrize(
    "cells",
    [
        [f"{i % 90 + 10}_{i % 7}_{i}" for i in range(60)],
        [f"192.168.{i % 9}.{i}" for i in range(60)],
        [f"INV-{1000 + 7 * i}" for i in range(60)],
        [f"{i:03d}-{i * 37 % 100:02d}-{i * 91 % 10000:04d}" for i in range(60)],
        [f"Q{i % 4 + 1} {1950 + i}" for i in range(60)],
        [f"{i:05d}" for i in range(60)],
        [f"house {i} in the {i % 11}th street of town {i % 17} beside {i % 5}" for i in range(60)],
        [f"{i:x}f{i * 7:x}" for i in range(200, 260)],
    ],
)
def test_codes_addresses_and_texts_are_not_numbers(cells: list[str]):
    assert not detect(pd.DataFrame({"x": pd.Series(cells, dtype="string")}))["x"].mixed


def weights(rng: np.random.Generator, rows: int) -> list[str]:
    heavy = rng.random(rows) < 0.4
    return [f"{rng.uniform(1, 9):.1f} kg" if one else f"{rng.integers(3, 99) * 10} g" for one in heavy]


def pressures(rng: np.random.Generator, rows: int) -> list[str]:
    above = rng.integers(95, 180, rows)
    return [f"{a}/{b}" for a, b in zip(above, above - rng.integers(20, 60, rows), strict=True)]


def temperatures(rng: np.random.Generator, rows: int) -> list[str]:
    """As a German office writes them."""
    words = rng.choice(["", "k. A.", "defekt"], rows, p=[0.86, 0.1, 0.04])
    return [word or f"{rng.normal(8, 9):.1f} °C".replace(".", ",") for word in words]


def stamps(rng: np.random.Generator, rows: int) -> list[str]:
    moments = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 900 * 24, rows), unit="h")
    forms = rng.choice(["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M"], rows)
    return [moment.strftime(form) for moment, form in zip(moments, forms, strict=True)]


def decimals(rng: np.random.Generator, rows: int) -> list[str]:
    return [
        f"{x:.{d}f}"
        for x, d in zip(rng.normal(27, 4, rows), rng.choice([1, 2, 3], rows, p=[0.8, 0.1, 0.1]), strict=True)
    ]


MAKERS = {"weight": weights, "pressure": pressures, "temp": temperatures, "seen": stamps, "bmi": decimals}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    cells = {name: pd.Series(make(rng, 500), dtype="string") for name, make in MAKERS.items()}
    return pd.DataFrame(cells | {"site": rng.choice(["north", "south"], 500)})


def skeletons(cells: pd.Series) -> pd.Series:
    return cells.fillna("").str.replace(r"\d+", "9", regex=True).value_counts(normalize=True)


def decimal_counts(cells: pd.Series) -> pd.Series:
    return cells.str.extract(r"[.,](\d+)")[0].str.len().fillna(0).value_counts(normalize=True)


@pytest.mark.parametrize("generator", ["trees", "gaussian_copula"])
def test_forms_come_out_in_their_shares_and_values_in_their_forms(generator: str, table: pd.DataFrame, tmp_path: Path):
    table.to_csv(tmp_path / "t.csv", index=False)
    found = ingest(tmp_path / "t.csv", "t.csv", tmp_path / "t.duckdb")
    assert [column.name for column in found.schema if column.mixed] == list(MAKERS)
    cells = read(tmp_path / "t.duckdb", found.schema, keep_cells=True)
    kind = GENERATORS[generator]
    Synthesizer(kind(kind.Params(), 1), found.schema).fit(cells).save(tmp_path / "model")
    drawn = Synthesizer.load(tmp_path / "model").sample(1000)
    for name in MAKERS:
        for said in (skeletons, decimal_counts):
            assert 0.5 * said(table[name]).sub(said(drawn[name]), fill_value=0).abs().sum() < 0.06, name
    grams = drawn.weight[drawn.weight.str.endswith(" g")].str.removesuffix(" g").astype(int)
    assert (grams % 10 == 0).all() and grams.between(30, 980).all()
    numbers = drawn.pressure.str.split("/", expand=True).astype(int)
    assert (numbers[0] > numbers[1]).all()
    # What is written is read again as the same kinds, and goes out as it is.
    write(tmp_path / "s.duckdb", [drawn], found.schema)
    again = read(tmp_path / "s.duckdb", found.schema)
    assert again.seen.dtype.kind == "M" and again.temp.isna().mean() == pytest.approx(0.14, abs=0.04)
    out = pd.read_csv(
        export(tmp_path / "s.duckdb", found.schema, "csv", tmp_path / "s.csv"), dtype="string", keep_default_na=False
    )
    assert out.temp.tolist() == drawn.temp.fillna("").tolist()
    typed = pd.read_parquet(export(tmp_path / "s.duckdb", found.schema, "parquet", tmp_path / "s.parquet"))
    assert typed.bmi.dtype == "float64" and typed.weight.iloc[0] == drawn.weight.iloc[0]


def test_a_form_of_one_row_is_neither_kept_nor_drawn(tmp_path: Path):
    rng = np.random.default_rng(2)
    cells = [f"{x:.2f}" for x in rng.normal(50, 9, 400)]
    cells[7], cells[200] = "ask Jane Whitlow in room 4", "51.12345678"
    table = pd.DataFrame({"paid": pd.Series(cells, dtype="string")})
    schema = Schema(columns=[Column(name="paid", kind="number", mixed=True)])
    kind = GENERATORS["trees"]
    synthesizer = Synthesizer(kind(kind.Params(), 3), schema).fit(table)
    synthesizer.save(tmp_path)
    assert all("Whitlow" not in file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file())
    assert synthesizer.sample(500).paid.str.fullmatch(r"\d+\.\d\d").all()


def test_a_given_cell_is_kept_when_the_rest_of_the_row_is_drawn(table: pd.DataFrame):
    schema = detect(table)
    kind = GENERATORS["trees"]
    synthesizer = Synthesizer(kind(kind.Params(), 3), schema).fit(table)
    filled = synthesizer.complete(pd.DataFrame({"weight": ["2.5 kg", "120 g"], "site": ["north", "south"]}))
    assert filled.weight.tolist() == ["2.5 kg", "120 g"] and filled.pressure.str.contains("/").all()
    assert filled.columns.tolist() == table.columns.tolist()


@pytest.mark.parametrize(
    ("numbers", "decimals", "rests"),
    [
        (np.round(np.arange(1, 200) * 0.05, 2), 2, {0, 5}),
        (np.arange(1, 200) - 0.01, 2, {99}),
        (np.arange(3, 300) * 50.0, 0, {0, 50}),
        (np.arange(1, 300) * 1.0, 0, None),
    ],
)
def test_endings_are_found_where_they_are_few(numbers: np.ndarray, decimals: int, rests: set[int] | None):
    endings = Endings.learn(numbers, decimals)
    assert (endings and set(endings.rests)) == rests
    if endings is not None:
        drawn = np.random.default_rng(0).uniform(numbers.min(), numbers.max(), 300)
        ended = endings.apply(drawn, (numbers.min(), numbers.max()))
        units = np.round(ended * 10**decimals).astype(int)
        assert set((units % endings.modulus).tolist()) <= rests and np.abs(ended - drawn).max() <= 1000


def test_a_schema_of_an_earlier_version_has_no_mixed_columns():
    old = {"columns": [{"name": "a", "kind": "number"}]}
    assert not Schema.model_validate(json.loads(json.dumps(old)))["a"].mixed
