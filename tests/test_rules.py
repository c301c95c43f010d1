"""Rules: kept in every row, by any generator, and reported."""

import numpy as np
import pandas as pd
import pytest

from synth import Synthesizer
from synth.constraints.enforcer import RulesBroken
from synth.generators.bootstrap import Bootstrap
from synth.sampling.conditions import Unmet
from synth.schema import Column, Schema
from synth.schema.casting import conform
from synth.schema.rules import Allowed, Combination, ExactlyOne, Ordering, Range, Sum
from tests.trained import fitted

ROWS = 600
COLUMNS = [
    Column(name="pickup", kind="datetime"),
    Column(name="dropoff", kind="datetime"),
    Column(name="low", kind="integer"),
    Column(name="high", kind="integer"),
    Column(name="fare", kind="number", decimals=2),
    Column(name="tip", kind="number", decimals=2),
    Column(name="total", kind="number", decimals=2),
    Column(name="city", kind="category"),
    Column(name="state", kind="category"),
    Column(name="car", kind="boolean"),
    Column(name="bike", kind="boolean"),
    Column(name="walk", kind="integer"),
    Column(name="country", kind="category"),
    Column(name="remark", kind="text"),
]
RULES = [
    Ordering(low="pickup", high="dropoff"),
    Ordering(low="low", high="high", strict=True),
    Sum(total="total", parts=["fare", "tip"]),
    Combination(columns=["city", "state"]),
    ExactlyOne(columns=["car", "bike", "walk"]),
    Range(column="fare", low=5, high=40),
    Allowed(column="city", values=["Albany", "Austin", "Dallas"]),
    Ordering(low="tip", high="fare"),
]


def trips() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    pickup = pd.Timestamp("2019-03-01") + pd.to_timedelta(rng.integers(0, 30 * 86_400, ROWS), unit="s")
    fare = np.round(5 + 30 * rng.random(ROWS), 2)
    tip = np.round(fare * rng.random(ROWS) / 4, 2)
    city = rng.choice(["Albany", "Austin", "Dallas"], ROWS)
    by = rng.integers(0, 3, ROWS)
    low = rng.integers(0, 50, ROWS)
    return pd.DataFrame(
        {
            "pickup": pd.Series(pickup),
            "dropoff": pd.Series(pickup + pd.to_timedelta(rng.integers(60, 3600, ROWS), unit="s")).mask(by == 2),
            "low": low,
            "high": low + rng.integers(1, 20, ROWS),
            "fare": fare,
            "tip": tip,
            "total": np.round(fare + tip, 2),
            "city": city,
            "state": np.where(city == "Albany", "NY", "TX"),
            "car": by == 0,
            "bike": by == 1,
            "walk": (by == 2) * 1,
            "country": "US",
            "remark": "x",
        }
    )


def schema(*rules) -> Schema:
    return Schema(columns=COLUMNS, rules=list(rules))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_each_rule_is_kept_in_every_row(rule):
    model = fitted(Bootstrap(seed=1), trips(), schema(rule))
    rows = model.sample(500)
    assert model.preparation.enforcer.kept(rows).all()
    assert list(rows.columns) == schema().names


def test_all_rules_are_kept_at_once_in_chunks_and_after_saving(tmp_path):
    model = fitted(Bootstrap(seed=1), trips(), schema(*RULES))
    model.save(tmp_path)
    model = Synthesizer.load(tmp_path)
    rows = pd.concat(model.chunks(700, size=300))
    assert len(rows) == 700 and model.preparation.enforcer.kept(rows.reset_index(drop=True)).all()
    assert (rows["total"].round(2) == rows["total"]).all()


def test_the_gap_of_two_dates_is_learned_and_not_only_their_order():
    """A bootstrap draws both dates alone; a rule makes it keep rides of at most an hour in a month of rides."""
    rows = fitted(Bootstrap(seed=1), trips(), schema(RULES[0])).sample(500)
    rides = (rows["dropoff"] - rows["pickup"]).dropna()
    assert rides.between(pd.Timedelta(0), pd.Timedelta(hours=1)).mean() > 0.95
    assert rows["dropoff"].isna().any()


def test_the_rate_at_which_the_model_alone_breaks_a_rule_is_reported():
    model = fitted(Bootstrap(seed=1), trips(), schema(RULES[0], RULES[3], Range(column="fare", low=0)))
    assert [report.broken for report in model.rule_report] == [0, 0, 0]
    model.sample(2000)
    order, together, never = model.rule_report
    # Two dates drawn alone: in one of two rows. City and state drawn alone: P(NY) = 1/3, so 2 * 1/3 * 2/3.
    assert order.broken == pytest.approx(0.5, abs=0.05) and order.rule == "pickup <= dropoff"
    assert together.broken == pytest.approx(4 / 9, abs=0.05)
    assert never.broken == 0 and never.rows >= 2000


def test_rules_hold_for_completed_rows_and_given_values_stay():
    model = fitted(Bootstrap(seed=1), trips(), schema(*RULES))
    given = pd.DataFrame({"dropoff": pd.to_datetime(["2019-03-10 12:00:00"]), "city": ["Albany"], "total": [30.0]})
    rows = model.complete(pd.concat([given] * 40, ignore_index=True))
    assert model.preparation.enforcer.kept(rows).all()
    assert (rows["state"] == "NY").all() and (rows["total"] == 30).all()
    assert (rows["dropoff"] == pd.Timestamp("2019-03-10 12:00:00")).all()


def test_rules_hold_under_conditions():
    model = fitted(Bootstrap(seed=1), trips(), schema(*RULES))
    rows = model.sample(60, {"state": "NY", "high": {"ge": 65}})
    assert (
        (rows["city"] == "Albany").all() and (rows["high"] >= 65).all() and model.preparation.enforcer.kept(rows).all()
    )
    with pytest.raises(Unmet):
        model.sample(10, {"state": "NY", "city": "Dallas"})


def test_dates_that_every_row_has_in_order_stay_in_order_without_a_rule():
    model = fitted(Bootstrap(seed=1), trips(), schema())
    rows = model.sample(400)
    assert (rows["pickup"] <= rows["dropoff"])[rows["dropoff"].notna()].all()
    assert [report.rule for report in model.rule_report] == ["pickup <= dropoff"]


def test_chained_orders_are_kept():
    table = pd.DataFrame({"a": [1, 2, 3, 50] * 10, "b": [2, 9, 30, 51] * 10, "c": [9, 10, 31, 60] * 10})
    columns = [Column(name=name, kind="integer") for name in "abc"]
    rules = [Ordering(low="b", high="c"), Ordering(low="a", high="b", strict=True), Ordering(low="a", high="c")]
    rows = fitted(Bootstrap(seed=0), table, Schema(columns=columns, rules=rules)).sample(200)
    assert ((rows["a"] < rows["b"]) & (rows["b"] <= rows["c"])).all()


def test_rules_that_contradict_each_other_are_an_error():
    table = pd.DataFrame({"a": range(50), "b": range(50)})
    columns = [Column(name=name, kind="integer") for name in "ab"]
    rules = [Ordering(low="a", high="b", strict=True), Ordering(low="b", high="a", strict=True)]
    with pytest.raises(RulesBroken, match="contradict"):
        fitted(Bootstrap(), table, Schema(columns=columns, rules=rules)).sample(20)


def test_a_rule_on_a_column_that_is_made_new_is_an_error():
    with pytest.raises(ValueError, match="'remark', which is not modelled"):
        fitted(Bootstrap(), trips(), schema(Combination(columns=["city", "remark"])))


def test_a_rule_on_a_column_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="speaks of 'there', which is no column"):
        schema(Ordering(low="pickup", high="there"))


def test_a_rule_with_a_constant_column_is_kept():
    table = pd.DataFrame({"a": [5] * 40, "b": list(range(40))})
    columns = [Column(name=name, kind="integer") for name in "ab"]
    rows = fitted(Bootstrap(), table, Schema(columns=columns, rules=[Ordering(low="a", high="b")])).sample(100)
    assert (rows["b"] >= 5).all()


def test_combinations_of_one_person_are_not_repeated():
    table = pd.DataFrame({"city": ["A"] * 20 + ["B"] * 20 + ["C"], "zip": ["1"] * 20 + ["2"] * 20 + ["3"]})
    columns = [Column(name=name, kind="category") for name in table]
    rule = Combination(columns=["city", "zip"])
    rows = fitted(Bootstrap(), table, Schema(columns=columns, rules=[rule])).sample(300)
    assert set(zip(rows["city"], rows["zip"], strict=True)) == {("A", "1"), ("B", "2")}


def test_rules_are_stored_with_the_schema():
    stored = Schema.model_validate_json(schema(*RULES).model_dump_json())
    assert stored.rules == RULES


def test_rows_without_the_values_keep_a_rule():
    table = conform(
        pd.DataFrame({"a": [1, None, 3], "b": [0, 5, None]}),
        Schema(columns=[Column(name=n, kind="integer") for n in "ab"]),
    )
    assert Ordering(low="a", high="b").kept(table).tolist() == [False, True, True]
