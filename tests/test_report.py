"""The report that leaves the house: complete, escaped, and without anybody's row."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from metrics import THRESHOLDS, Score, Tables, report
from synth.schema import Column, Schema
from tests.test_views import table

NASTY = "</script><script>alert(1)</script>"


def tables(rows: int = 200, holdout: bool = True) -> Tables:
    """A table with a rare level, personal data and a name that would like to be markup."""
    rng = np.random.default_rng(0)
    town = np.where(np.arange(rows) == 3, "Nowhere-on-Sea", rng.choice(["Leeds", "York"], rows))
    columns = {
        "age": ("integer", rng.integers(18, 90, rows)),
        NASTY: ("category", town),
        "email": ("category", [f"person{n}@example.org" for n in range(rows)]),
        "when": ("datetime", np.datetime64("2024-01-01", "us") + rng.integers(0, 10**13, rows)),
    }
    roles = {"email": "pii"}
    schema = Schema(columns=[Column(name=n, kind=k, role=roles.get(n, "feature")) for n, (k, _) in columns.items()])
    whole = table(**columns)
    half = whole[: rows // 2]
    return Tables(train=half, holdout=whole[rows // 2 :] if holdout else None, synthetic=half, schema=schema)


SCORES = {
    "column_shapes": Score(
        value=0.9,
        reference=0.95,
        ci=(0.88, 0.92),
        detail={"columns": [{"column": NASTY, "score": 0.8, "reference": 0.9}, {"column": "age", "score": 1.0}]},
    ),
    "exact_copies": Score(value=None, note="No rows were held back.", detail={"rows_found": [["Leeds", 44]]}),
}


def made(**more) -> report.Report:
    return report.gather(f"About {NASTY}", {"Seed": "0", "File": NASTY}, tables(**more), SCORES, THRESHOLDS)


def test_the_page_is_small_and_asks_no_network():
    page = report.as_html(made())
    assert len(page.encode()) < 5_000_000
    unpacked = re.sub(r'<script type="application/octet-stream".*?</script>', "", page, flags=re.DOTALL)
    assert "http://" not in unpacked and "https://" not in unpacked
    assert "default-src 'none'" in page


def test_a_hundred_columns_stay_under_five_megabytes():
    rng = np.random.default_rng(0)
    columns = {f"a column of some length {n}": ("number", rng.normal(size=200)) for n in range(100)}
    whole = table(**columns)
    schema = Schema(columns=[Column(name=name, kind="number") for name in columns])
    names = list(columns)
    pairs = [{"columns": [a, b], "score": 0.5, "reference": 0.9} for n, a in enumerate(names) for b in names[:n]]
    scores = {"column_pair_trends": Score(value=0.5, reference=0.9, detail={"pairs": pairs})}
    found = report.gather("Wide", {}, Tables(whole, whole, whole, schema), scores)
    assert found.columns_left_out == 40
    assert len(report.as_html(found).encode()) < 5_000_000


def test_names_are_text_and_never_markup():
    page = report.as_html(made())
    assert "<script>alert" not in page
    assert page.count("<script") == page.count("</script>") == 5


def test_a_report_holds_nobody():
    found = made()
    for text in (report.as_html(found), report.as_json(found), report.as_csv(found)):
        assert "person3@" not in text
        assert "Nowhere-on-Sea" not in text
        assert "rows_found" not in text
    towns = next(view for view in found.columns if view["column"] == NASTY)
    rare = next(level for level in towns["levels"] if level["label"] == "1 rare level")
    assert rare["shares"]["train"] == pytest.approx(0.01)


def test_json_and_csv_say_the_same_as_the_page():
    found = made()
    assert report.Report.model_validate_json(report.as_json(found)) == found
    json.dumps(json.loads(report.as_json(found)), allow_nan=False)
    shapes, copies = csv.DictReader(io.StringIO(report.as_csv(found)))
    assert (float(shapes["value"]), float(shapes["real_rows_score"])) == (0.9, 0.95)
    assert (copies["value"], copies["note"]) == ("", "No rows were held back.")
    page = report.as_html(found)
    assert "0.900" in page and "0.950" in page and "No rows were held back." in page


def test_the_gate_is_told_when_the_owner_has_set_one():
    assert not made().gate.passed
    assert "not passed" in report.as_html(made())
    free = report.gather("Free", {}, tables(), SCORES)
    assert free.gate is None and "Release gate" not in report.as_html(free)


def test_without_a_holdout_the_page_says_so():
    page = report.as_html(made(holdout=False))
    assert "no rows were held out, so there is no" in page


def test_tables_that_do_not_fit_their_schema_are_reported_on_without_pictures():
    given = tables()
    for synthetic, why in ((given.synthetic.drop(columns="age"), "lacks"), (given.synthetic.assign(age="x"), "fit")):
        made = report.gather("Odd", {}, replace(given, synthetic=synthetic), SCORES)
        assert "'age'" in made.facts["Charts"] and why in made.facts["Charts"]
        assert "Charts" in report.as_html(made) and not made.columns


def test_a_single_row_and_no_scores_make_a_report():
    few = tables(rows=2)
    assert "<h1>Little</h1>" in report.as_html(report.gather("Little", {}, few, {}))
