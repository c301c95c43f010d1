"""What the pictures show, worked out on tables small enough to count by hand."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

from metrics.views import (
    associations,
    column_across_view,
    column_view,
    correlation_view,
    missingness_view,
    pair_view,
    projection_view,
    runs_view,
)
from metrics.views.axes import numeric_axis, time_axis
from synth.schema import Column, Schema
from synth.schema.casting import conform


def table(**columns) -> pd.DataFrame:
    """Columns given as (kind, values)."""
    made = {name: pd.Series(typed(kind, values)) for name, (kind, values) in columns.items()}
    return conform(pd.DataFrame(made), schema(**columns))


def typed(kind: str, values: list) -> np.ndarray:
    return np.array(values, dtype={"datetime": "datetime64[us]", "number": float}.get(kind, object))


def schema(**columns) -> Schema:
    return Schema(columns=[Column(name=name, kind=kind) for name, (kind, _) in columns.items()])


def one(kind: str, real: list, synthetic: list, holdout: list | None = None, **more) -> dict:
    """The view of a single column."""
    column = Column(name="x", kind=kind, **more)
    of = {"real": real, "synthetic": synthetic, "holdout": holdout}
    tables = {name: None if values is None else table(x=(kind, values)) for name, values in of.items()}
    return column_view(tables["real"], tables["holdout"], tables["synthetic"], column)


# One column ------------------------------------------------------------------------------------------------------


def test_levels_are_shares_of_all_rows_largest_first():
    view = one("category", ["a", "b", "b", None], ["b", "b", "c", "c"])
    levels = {level["label"]: level["shares"] for level in view["levels"]}
    assert list(levels) == ["b", "a", "not in training rows"]
    assert levels["b"] == {"train": 0.5, "synthetic": 0.5}
    assert levels["a"] == {"train": 0.25, "synthetic": 0.0}
    assert levels["not in training rows"] == {"train": 0.0, "synthetic": 0.5}
    assert view["apart"] == [{"label": "missing", "shares": {"train": 0.25, "synthetic": 0.0}}]
    assert view["note"] == "Levels: 2, 2 of them rare; synthetic: 2, 1 of them new"


def test_levels_beyond_the_twentieth_become_one_bar_and_few_rows_are_marked_rare():
    real = [f"level {n}" for n in range(25) for _ in range(25 - n)]
    view = one("category", real, real)
    assert len(view["levels"]) == 21
    rest = view["levels"][-1]
    # Levels 20 to 24 have 5 + 4 + 3 + 2 + 1 = 15 of 325 rows.
    assert rest["label"] == "5 other levels"
    assert rest["shares"]["train"] == pytest.approx(15 / 325, abs=1e-6)
    # Level 15 has 10 rows, level 16 has 9.
    assert [level["rare"] for level in view["levels"][14:18]] == [False, False, True, True]


def test_a_boolean_has_the_labels_of_the_file():
    view = one("boolean", [True, True, False, None], [False] * 4, labels=("no", "yes"))
    assert {level["label"]: level["shares"]["train"] for level in view["levels"]} == {"yes": 0.5, "no": 0.25}


def test_few_distinct_numbers_are_bars_in_their_own_order():
    view = one("integer", [3, 1, 2, 2], [1, 2, 9, 9])
    assert [level["label"] for level in view["levels"]] == ["1", "2", "3", "other values"]
    assert [level["shares"]["synthetic"] for level in view["levels"]] == [0.25, 0.25, 0.0, 0.5]


def test_bins_of_integers_hold_equally_many_integers():
    rng = np.random.default_rng(0)
    view = one("integer", rng.integers(0, 100, 3000).tolist(), rng.integers(0, 100, 500).tolist())
    assert view["form"] == "histogram"
    widths = np.diff(view["edges"])
    assert np.allclose(widths, widths[0])
    assert widths[0] == round(widths[0])
    assert (view["edges"][0] * 2) % 2 == 1  # between two integers


def test_a_spike_is_set_apart_so_that_the_rest_can_be_seen():
    rest = np.random.default_rng(0).normal(50, 10, 100).tolist()
    view = one("number", [0.0] * 900 + rest, [0.0] * 450 + rest)
    assert view["apart"] == [{"label": "0", "shares": {"train": 0.9, "synthetic": pytest.approx(450 / 550, abs=1e-6)}}]
    assert sum(view["shares"]["train"]) == pytest.approx(0.1, abs=1e-4)


def test_incomes_get_a_log_axis_and_heights_do_not():
    rng = np.random.default_rng(0)
    assert one("number", rng.lognormal(8, 2, 999).tolist(), [1.0])["scale"] == "log"
    assert one("number", rng.normal(170, 10, 999).tolist(), [1.0])["scale"] == "linear"


def test_one_wild_value_does_not_squash_the_axis():
    values = np.random.default_rng(0).normal(0, 1, 999).tolist()
    view = one("number", [*values, 1e9], values)
    assert view["edges"][-1] < 10
    (above,) = view["apart"]
    assert above["label"].startswith("above ")
    assert above["shares"] == {"train": pytest.approx(0.005, abs=0.003), "synthetic": pytest.approx(0.005, abs=0.003)}


def test_hours_weekdays_and_months_are_counted_before_1970_too():
    # 1 March 1965 was a Monday.
    real = ["1965-03-01 05:00", "1965-03-02 05:30", "1965-04-05 23:59", "1965-04-06 00:00"]
    view = one("datetime", real, ["1965-03-01 05:00"])
    cycles = {
        cycle["name"]: dict(zip(cycle["labels"], cycle["shares"]["train"], strict=True)) for cycle in view["cycles"]
    }
    assert cycles["hour of the day"]["05"] == 0.5
    assert cycles["hour of the day"]["23"] == 0.25
    assert cycles["weekday"]["Mon"] == cycles["weekday"]["Tue"] == 0.5
    assert cycles["month"]["Mar"] == cycles["month"]["Apr"] == 0.5


def test_time_bins_begin_where_a_calendar_does():
    def micros(text: str) -> float:
        return float(np.datetime64(text, "us").astype("int64"))

    years = time_axis([np.array([micros("2001-05-06"), micros("2019-07-08")])])
    assert years.plain()["edges"][0] == "2001-01-01T00:00:00"
    assert years.plain()["edges"][1] == "2001-07-01T00:00:00"
    weeks = time_axis([np.array([micros("2024-01-03"), micros("2024-12-05")])])
    assert weeks.plain()["edges"][0] == "2024-01-01T00:00:00"  # a Monday
    hours = time_axis([np.array([micros("2024-01-03T05:17"), micros("2024-01-04T05:17")])])
    assert hours.plain()["edges"][0] == "2024-01-03T05:00:00"


def test_text_shows_its_lengths():
    view = one("text", ["a", "bb", "bb", None], ["ccc"])
    assert [level["label"] for level in view["levels"]] == ["1", "2", "other values"]


AWKWARD = {
    "all missing": ("number", [None] * 40),
    "one value": ("integer", [7] * 40),
    "infinite": ("number", [np.inf, -np.inf, *range(38)]),
    "huge": ("number", [1e308 * (-1) ** n for n in range(40)]),
    "tiny": ("number", [n * 1e-310 for n in range(40)]),
    "no room between": ("number", [2.0**53 + 2 * n for n in range(40)]),
    "many levels": ("category", [f"level {n}" for n in range(40)]),
    "emoji 🎉": ("category", ["🎉", "", " ", "é"] * 10),
    "<script>": ("category", ["<b>", "%{y}", "$x$", None] * 10),
    "flag": ("boolean", [True, None] * 20),
    "when": ("datetime", ["1066-10-14", "9999-12-31", "2020-01-01", None] * 10),
    "one day": ("datetime", ["2020-01-01"] * 40),
    "note": ("text", ["", "x" * 5000, None, "y"] * 10),
    "no level": ("category", [None] * 40),
}


def awkward() -> tuple[pd.DataFrame, Schema]:
    return table(**AWKWARD), schema(**AWKWARD)


@pytest.mark.parametrize(
    "real, holdout, synthetic", [(40, 40, 40), (40, None, 3), (1, None, 1), (0, 0, 40), (40, 0, 0)]
)
def test_awkward_columns_have_a_view_whose_shares_sum_to_one(real, holdout, synthetic):
    whole, columns = awkward()
    for column in columns:
        view = column_view(whole[:real], None if holdout is None else whole[:holdout], whole[:synthetic], column)
        json.dumps(view, allow_nan=False)
        for name, rows in view["rows"].items():
            shares = [level["shares"][name] for level in [*view["apart"], *view.get("levels", [])]]
            shares += view.get("shares", {}).get(name, [])
            assert sum(shares) == pytest.approx(1 if rows else 0, abs=1e-3), (column.name, name)


@pytest.mark.parametrize("real, synthetic", [(40, 40), (1, 0), (0, 40)])
def test_awkward_tables_have_views_of_pairs_and_of_the_whole(real, synthetic):
    whole, columns = awkward()
    for first, second in product(columns, repeat=2):
        json.dumps(pair_view(whole[:real], whole[:synthetic], first, second), allow_nan=False)
    for view in (correlation_view, projection_view, missingness_view):
        json.dumps(view(whole[:real], whole[:synthetic], columns), allow_nan=False)


def test_every_bin_covers_its_values_whatever_the_numbers():
    rng = np.random.default_rng(1)
    for scale in (1e-200, 1e-3, 1, 1e6, 1e200):
        for values in (rng.normal(size=500), rng.lognormal(0, 3, 500), rng.integers(0, 9, 500) / 10.0):
            axis = numeric_axis([values * scale])
            shares, below, above = axis.shares(values * scale, 500)
            assert sum(shares) + below + above == pytest.approx(1, abs=1e-4)
            assert below + above <= 0.012
            assert (np.diff(axis.edges) > 0).all()


# Two columns -----------------------------------------------------------------------------------------------------


def test_two_categories_are_shares_within_the_first():
    columns = {"a": ("category", ["x", "x", "x", "y"]), "b": ("category", ["p", "p", "q", "q"])}
    view = pair_view(table(**columns), table(**columns)[:1], *schema(**columns))
    assert view["form"] == "shares"
    assert view["first_levels"] == ["x", "y"] and view["second_levels"] == ["p", "q"]
    assert view["shares"]["real"] == [pytest.approx([2 / 3, 1 / 3], abs=1e-6), [0.0, 1.0]]
    assert view["shares"]["synthetic"] == [[1.0, 0.0], [None, None]]  # no synthetic row has y
    assert view["weights"]["real"] == [0.75, 0.25]


def test_missing_is_a_level_of_its_own_beside_other():
    many = [f"level {n}" for n in range(14) for _ in range(20 - n)]
    columns = {"a": ("category", [*many, None]), "b": ("boolean", [True] * (len(many) + 1))}
    view = pair_view(table(**columns), table(**columns), *schema(**columns))
    assert view["first_levels"][11:] == ["level 11", "other", "missing"]
    # "Other" holds levels 12 and 13 with 8 and 7 rows.
    assert view["weights"]["real"][12] == pytest.approx(15 / (len(many) + 1), abs=1e-6)


def test_a_number_by_level_is_a_box_of_its_quantiles():
    columns = {"pay": ("number", [*range(101), 7]), "job": ("category", ["cook"] * 101 + ["smith"])}
    view = pair_view(table(**columns), table(**columns)[:101], *schema(**columns))
    assert view["form"] == "boxes" and view["of"] == "job" and view["number"] == "pay"
    cook = view["boxes"]["real"][0]
    assert [cook[name] for name in ("low", "q25", "median", "q75", "high")] == [5, 25, 50, 75, 95]
    assert view["boxes"]["synthetic"][1] is None


def test_two_numbers_of_few_rows_are_points_and_of_many_a_density():
    rng = np.random.default_rng(0)
    columns = {"a": ("number", rng.normal(size=2000)), "b": ("number", rng.normal(size=2000))}
    whole, (first, second) = table(**columns), schema(**columns)
    assert len(pair_view(whole[:500], whole[:400], first, second)["points"]["synthetic"]["x"]) == 400
    view = pair_view(whole, whole[:400], first, second)
    assert view["form"] == "density"
    assert np.sum(view["shares"]["real"]) == pytest.approx(1, abs=0.03)
    assert np.shape(view["shares"]["real"]) == (len(view["y"]["edges"]) - 1, len(view["x"]["edges"]) - 1)


# Whole tables ----------------------------------------------------------------------------------------------------


def test_associations_are_those_of_the_books():
    columns = {
        "n": ("number", [1, 2, 3, 4, 5, 6, 7, 8]),
        "reversed": ("number", [8, 7, 6, 5, 4, 3, 2, 1]),
        "half": ("category", list("aaaabbbb")),
        "same half": ("category", list("xxxxyyyy")),
        "alternating": ("category", list("abababab")),
        "constant": ("integer", [1] * 8),
    }
    matrix = associations(table(**columns), schema(**columns))
    assert matrix[0, 1] == pytest.approx(-1)  # Spearman
    # Ranks 1..8 in two halves: SS within 5 + 5, SS total 42; epsilon² = 1 - (10 / 6) / (42 / 7) = 0.7222.
    assert matrix[0, 2] == pytest.approx(np.sqrt(1 - (10 / 6) / 6))
    assert matrix[2, 3] == pytest.approx(1)  # Cramér's V of the same split
    assert matrix[2, 4] == 0  # independent
    assert np.isnan(matrix[5]).all()


def test_spearman_over_gaps_is_near_scipys():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    y = np.where(rng.random(400) < 0.1, np.nan, x + rng.normal(size=400))
    columns = {"x": ("number", x), "y": ("number", y)}
    expected = spearmanr(x, y, nan_policy="omit").statistic
    assert associations(table(**columns), schema(**columns))[0, 1] == pytest.approx(expected, abs=0.01)


def test_the_largest_changes_of_association_come_first():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    real = {"a": ("number", x), "b": ("number", x), "c": ("number", rng.normal(size=300))}
    synthetic = dict(real, b=("number", rng.permutation(x)))
    view = correlation_view(table(**real), table(**synthetic), schema(**real))
    assert (view["changes"][0]["first"], view["changes"][0]["second"]) == ("a", "b")
    assert view["difference"][0][1] == pytest.approx(view["synthetic"][0][1] - 1, abs=1e-3)
    assert "Spearman" in view["measures"] and "Cramér" in view["measures"]


def test_the_projection_is_fitted_on_real_rows_and_knows_its_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    columns = {"a": ("number", x), "b": ("number", x), "c": ("number", rng.normal(size=300))}
    whole = table(**columns)
    view = projection_view(whole, whole[:50], schema(**columns), points=20)
    # Two equal columns and an independent one: 2 of 3 units of variance lie in the first direction.
    assert view["axes"][0]["explained"] == pytest.approx(2 / 3, abs=0.03)
    assert set(view["axes"][0]["columns"][:2]) == {"a", "b"}
    assert len(view["points"]["real"]["row"]) == 20 and max(view["points"]["synthetic"]["row"]) < 50
    assert view == projection_view(whole, whole[:50], schema(**columns), points=20)


def test_missing_columns_are_counted_alone_and_together():
    real = {"a": ("number", [1, None, None, None]), "b": ("number", [1, 1, None, None]), "c": ("number", [1] * 4)}
    synthetic = {"a": ("number", [1, 2, 3, 4]), "b": ("number", [1, None, 1, 1]), "c": ("number", [1] * 4)}
    view = missingness_view(table(**real), table(**synthetic), schema(**real))
    assert view["columns"] == [
        {"name": "a", "real": 0.75, "synthetic": 0.0},
        {"name": "b", "real": 0.5, "synthetic": 0.25},
    ]
    patterns = {tuple(pattern["missing"]): (pattern["real"], pattern["synthetic"]) for pattern in view["patterns"]}
    assert patterns == {(): (0.25, 0.75), ("a",): (0.25, 0.0), ("a", "b"): (0.5, 0.0), ("b",): (0.0, 0.25)}
    assert view["rest"] == {"real": 0.0, "synthetic": 0.0}


def test_the_front_holds_the_runs_that_nothing_beats():
    def run(name, fidelity, privacy, seconds):
        known = {"id": name, "name": name, "model": "m", "utility": None}
        return known | {"fidelity": fidelity, "privacy": privacy, "seconds": seconds}

    runs = runs_view(
        [run("true", 0.9, 0.9, 100), run("safe", 0.5, 1.0, 1), run("cheap", 0.8, 0.9, 2), run("new", None, None, 5)]
    )["runs"]
    assert {one["name"]: one["front"] for one in runs} == {"true": True, "safe": True, "cheap": False, "new": False}
    assert {one["name"]: one["worthwhile"] for one in runs} == {"true": True, "safe": True, "cheap": True, "new": False}


def test_a_column_across_runs_has_the_shares_of_every_table_on_one_axis():
    real = table(a=("category", ["x", "x", "y", None]), n=("number", np.arange(4.0)))
    one = table(a=("category", ["x", "y", "z", "z"]), n=("number", [0.0, 0, 3, 9]))
    other = table(a=("category", [None] * 2), n=("number", [None, 1.0]))
    view = column_across_view(real, {"one": one, "other": other}, Column(name="a", kind="category"))
    assert (view["form"], view["rows"]) == ("levels", {"real": 4, "one": 4, "other": 2})
    assert {level["label"]: tuple(level["shares"].values()) for level in view["levels"]} == {
        "x": (0.5, 0.25, 0.0),
        "y": (0.25, 0.25, 0.0),
        "all others": (0.0, 0.5, 0.0),
        "missing": (0.25, 0.0, 1.0),
    }
    few = column_across_view(real, {"one": one}, Column(name="n", kind="number"))
    assert [level["label"] for level in few["levels"]] == ["0", "1", "2", "3", "all others"]
    rng = np.random.default_rng(0)
    many, more = (table(n=("number", rng.normal(size=500))) for _ in range(2))
    lines = column_across_view(many, {"one": more}, Column(name="n", kind="number"))
    assert lines["form"] == "lines" and len(lines["edges"]) == len(lines["shares"]["one"]) + 1
    assert sum(lines["shares"]["real"]) == pytest.approx(1, abs=0.02)


def test_half_a_million_rows_take_a_blink():
    import time

    rng = np.random.default_rng(0)
    whole = pd.DataFrame({"x": rng.lognormal(3, 2, 500_000)})
    start = time.process_time()
    column_view(whole, None, whole, Column(name="x", kind="number"))
    assert time.process_time() - start < 2
