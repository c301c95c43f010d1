"""What will hurt is said in words, and each fix can be applied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synth.schema import Schema
from synth.schema.pii import PII
from workspace.ingest.ingest import examine, ingest, read, retype
from workspace.tables.preflight import SAID, preflight
from workspace.tables.protection import protections_of

ROWS = 400
COLUMNS = {
    "row_id": [1000 + 3 * i for i in range(ROWS)],
    "customer_id": [7000 + i % 90 for i in range(ROWS)],
    "constant": ["x"] * ROWS,
    "empty": [""] * ROWS,
    "sparse": [""] * (ROWS - 3) + ["1", "2", "3"],
    "day": [f"{2000 + i % 20}{1 + i % 12:02}{1 + i % 28:02}" for i in range(ROWS)],
    "created_at": [1_500_000_000 + 7_777 * i for i in range(ROWS)],
    "due": ["soon" if i % 50 == 0 else f"2020-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(ROWS)],
    "amount": ["about 5" if i % 90 == 0 else str(i % 37) for i in range(ROWS)],
    "slashed": [f"{1 + i % 12:02}/{1 + 5 * i % 12:02}/2020" for i in range(ROWS)],
    "grade": ["AB?"[i % 3] for i in range(ROWS)],
    "score": ["?" if i % 10 == 0 else str(i % 7) for i in range(ROWS)],
    "ticket": [f"T{2 * i // 3}" for i in range(ROWS)],
    "e-mail": [f"a{i}@example.org" for i in range(ROWS)],
    "remark": [f"On day {i} nothing happened that would have been worth a word." for i in range(ROWS)],
}
EXPECTED = {
    "row_id": "id",
    "customer_id": "repeated_id",
    "constant": "constant",
    "empty": "empty",
    "sparse": "nearly_empty",
    "day": "date_as_number",
    "created_at": "date_as_number",
    "slashed": "day_or_month",
    "grade": "stand_in",
    "score": "read_as_missing",
    "ticket": "many_levels",
    "e-mail": "personal",
    "remark": "free_text",
}


@pytest.fixture
def hurting(tmp_path) -> Path:
    path = tmp_path / "hurting.csv"
    pd.DataFrame(COLUMNS).to_csv(path, index=False)
    return path


def test_each_trouble_is_found_once(hurting):
    schema, profiles = examine(hurting, hurting.name)
    assert [(finding.column, finding.code) for finding in preflight(profiles, schema)] == list(EXPECTED.items())


def test_every_fix_can_be_applied_and_ends_the_finding(hurting, tmp_path):
    kept = tmp_path / "table.duckdb"
    found = ingest(hurting, hurting.name, kept)
    for finding in preflight(found.profiles, found.schema):
        assert finding.fix_label
        fixed = Schema(columns=[finding.fix])
        assert retype(kept, fixed) == [], finding.code
        assert len(read(kept, fixed)) == ROWS


@pytest.mark.parametrize(
    "name, first",
    [
        ("day", pd.Timestamp("2000-01-01")),
        ("created_at", pd.Timestamp("2017-07-14 02:40:00")),
        ("slashed", pd.Timestamp("2020-01-01")),
    ],
)
def test_dates_are_read_as_the_fix_says(hurting, tmp_path, name, first):
    kept = tmp_path / "table.duckdb"
    found = ingest(hurting, hurting.name, kept)
    [fix] = [finding.fix for finding in preflight(found.profiles, found.schema) if finding.column == name]
    value = read(kept, Schema(columns=[fix]))[name].iloc[0]
    assert value == first


def test_words_among_dates_and_numbers_are_no_trouble(hurting):
    schema, _ = examine(hurting, hurting.name)
    assert [(name, schema[name].kind, schema[name].mixed) for name in ("due", "amount")] == [
        ("due", "datetime", True),
        ("amount", "integer", True),
    ]


def test_ordinary_columns_raise_no_alarm():
    penguins = Path(__file__).parent / "data" / "penguins.csv"
    schema, profiles = examine(penguins, penguins.name)
    assert preflight(profiles, schema) == []


def test_columns_left_out_have_no_findings(hurting):
    schema, profiles = examine(hurting, hurting.name)
    dropped = Schema(columns=[column.model_copy(update={"role": "drop"}) for column in schema])
    assert preflight(profiles, dropped) == []


def test_personal_data_that_would_be_learned_is_pointed_out(hurting):
    schema, profiles = examine(hurting, hurting.name)
    learned = Schema(columns=[column.model_copy(update={"role": "feature"}) for column in schema])
    [finding] = [finding for finding in preflight(profiles, learned) if finding.code == "personal_learned"]
    assert (finding.column, finding.fix.role) == ("e-mail", "pii")


def test_every_kind_of_personal_data_has_words():
    assert set(SAID) == set(PII)


RARE = {
    "job_title": ["clerk"] * 200 + ["nurse"] * 5 + ["bishop"] * 4 + ["spy"],
    "employer": [f"Firm {i}" for i in range(150)] + ["Acme"] * 60,
    "part": [f"P-{i}x" for i in range(150)] + ["bolt"] * 60,
    "site": ["Ulm"] * 150 + ["Bonn"] * 59 + ["Jena"],
    "default": ["no"] * 207 + ["yes"] * 3,
}


def test_what_is_done_about_rare_values_is_said_with_its_figures(tmp_path):
    path = tmp_path / "rare.csv"
    pd.DataFrame(RARE).to_csv(path, index=False)
    schema = ingest(path, path.name, tmp_path / "rare.duckdb").schema
    profiles = examine(path, path.name)[1]
    found = protections_of(tmp_path / "rare.duckdb", schema, profiles)
    said = {f.column: f for f in preflight(profiles, schema, found) if f.code.startswith("rare")}
    assert {name: (f.code, f.severity) for name, f in said.items()} == {
        "job_title": ("rare_replaced", "handled"),
        "employer": ("rare_lost", "lost"),
        "part": ("rare_kept", "worth a look"),
        "site": ("rare_replaced", "handled"),
        "default": ("rare_class", "worth a look"),
    }
    assert "2 of 4 values are held by fewer than 5 rows each (5 rows, 2.4%)" in said["job_title"].text
    assert "about people (a job)" in said["job_title"].text
    assert "1 of 3 values are held by a single row each (1 row, 0.5%)" in said["site"].text
    assert "150 of 151 values" in said["employer"].text and "less than half" in said["employer"].text
    assert "“yes” is held by 3 rows only" in said["default"].text
    # Once the owner has chosen, nothing is lost any more.
    fixed = schema.model_copy(update={"columns": [said["employer"].fix if c.name == "employer" else c for c in schema]})
    again = preflight(profiles, fixed, protections_of(tmp_path / "rare.duckdb", fixed, profiles))
    assert [f.code for f in again if f.column == "employer" and f.code.startswith("rare")] == ["rare_chosen"]


def test_only_the_rows_that_a_generator_sees_are_counted(tmp_path):
    path = tmp_path / "rare.csv"
    pd.DataFrame(RARE).to_csv(path, index=False)
    schema = ingest(path, path.name, tmp_path / "rare.duckdb").schema
    profiles = examine(path, path.name)[1]
    found = {one.column: one for one in protections_of(tmp_path / "rare.duckdb", schema, profiles, np.arange(204))}
    assert (found["job_title"].rare_levels, found["job_title"].rare_rows) == (1, 4)
