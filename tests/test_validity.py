"""Rules found in the data and rules given, on rows that keep or break them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from metrics.fidelity.validity import validity
from tests.judging import tables


def broken(score) -> dict[str, float]:
    return {rule.rule: rule.broken for rule in score.detail.rules}


def test_a_trip_that_ends_before_it_starts_breaks_the_order_found():
    rng = np.random.default_rng(0)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, 200), "h")
    end = start + pd.to_timedelta(rng.integers(1, 500, 200), "h")
    judged = tables({"start": start, "end": end}, {"start": end[:100], "end": start[:100]})
    score = validity(judged)
    assert score.value == 0.0
    assert broken(score)["start is at most end"] == 1.0
    assert validity(replace(judged, synthetic=judged.train)).value == 1.0


def test_columns_that_never_meet_make_no_rule():
    # Ages 20 to 60 are below salaries of thousands in any order of rows: that tells nothing.
    rng = np.random.default_rng(0)
    judged = {"age": rng.integers(20, 60, 200), "salary": rng.integers(2000, 9000, 200)}
    assert not any("at most" in rule for rule in broken(validity(tables(judged, judged))))


def test_a_town_settles_its_country():
    towns = ["Graz", "Linz", "Bern", "Genf"] * 25
    countries = ["Austria", "Austria", "Switzerland", "Switzerland"] * 25
    wrong = {"town": ["Graz", "Bern", "Genf", "Linz"], "country": ["Austria", "Austria", "Switzerland", "Austria"]}
    score = validity(tables({"town": towns, "country": countries}, wrong))
    assert broken(score)["town settles country"] == 0.25  # Bern lies in Switzerland
    assert "country settles town" not in broken(score)
    assert score.value == 0.75


def test_keys_must_differ_and_be_there():
    real = {"id": [f"k{place}" for place in range(10)], "x": [1.0, 2.0] * 5}
    made = {"id": ["a", "a", None, "b"], "x": [1.0] * 4}
    score = validity(tables(real, made, roles={"id": "id"}))
    # The second "a" repeats, the third is missing.
    assert broken(score)["id is there and differs in every row"] == 0.5


def test_always_filled_and_always_whole_columns_stay_so():
    score = validity(
        tables({"a": [1.0, 2.0, 3.0], "b": list("xyz")}, {"a": [1.0, 2.5, 3.0, 3.0], "b": ["x", "y", None, "z"]})
    )
    assert broken(score)["a is a whole number"] == 0.25
    assert broken(score)["b is never missing"] == 0.25
    assert score.value == 0.5


@pytest.mark.parametrize(
    "rule, share",
    [("a >= 2", 0.25), ("a < b", 0.5), ("c == x", 0.25), ("d >= 2020-01-02", 0.5), ("a != 3", 0.25)],
)
def test_a_given_rule_is_checked_on_every_row(rule, share):
    made = {
        "a": [1.0, 2.0, 3.0, 4.0],
        "b": [0.0, 9.0, 9.0, 1.0],
        "c": ["x", "x", "y", None],
        "d": pd.to_datetime(["2020-01-01", "2020-01-01", "2020-01-02", "2020-01-03"]),
    }
    score = validity(tables(made, made, options={"rules": [rule]}))
    assert broken(score)[rule] == share


@pytest.mark.parametrize("rule", ["zip == 1", "a ~ 3", "a >= tall", "c > x", "__import__('os').system('true') == 0"])
def test_a_rule_that_cannot_be_read_is_named_and_left_out(rule):
    made = {"a": [1.0, 2.0], "c": ["x", "y"]}
    score = validity(tables(made, made, options={"rules": [rule]}))
    assert rule in score.note
    assert rule not in broken(score)


def test_the_holdout_tells_how_many_fresh_rows_keep_the_rules():
    real = {"a": [1.0, 2.0, 3.0, 4.0]}
    score = validity(tables(real, real, {"a": [1.0, 2.5]}))
    assert score.value == 1.0
    assert score.reference == 0.5
