"""Conditions: n rows that meet them, or the reason why not."""

import numpy as np
import pandas as pd
import pytest

from synth.generators.bootstrap import Bootstrap
from synth.sampling.conditions import Case, Conditions, Unmet
from synth.sampling.matching import matches
from synth.schema import Column, Schema
from synth.schema.casting import conform
from tests.trained import fitted

ROWS = 1000
SCHEMA = Schema(
    columns=[
        Column(name="key", kind="text", role="id"),
        Column(name="income", kind="category"),
        Column(name="age", kind="integer"),
        Column(name="price", kind="number"),
        Column(name="member", kind="boolean", labels=("no", "yes")),
        Column(name="joined", kind="datetime"),
        Column(name="country", kind="category"),
    ]
)


def people() -> pd.DataFrame:
    """Three in four earn `<=50K`, two in 1,000 `rich`; ages 20 to 69; the price is missing in every tenth row."""
    number = np.arange(ROWS)
    return pd.DataFrame(
        {
            "key": [f"K{i:04d}" for i in number],
            "income": np.where(number % 500 == 0, "rich", np.where(number % 4 == 0, ">50K", "<=50K")),
            "age": 20 + number % 50,
            "price": np.where(number % 10 == 3, np.nan, number / 8),
            "member": number % 3 == 0,
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(number, unit="D"),
            "country": "NL",
        }
    )


@pytest.fixture(scope="module")
def model() -> Bootstrap:
    return fitted(Bootstrap(seed=1), people(), SCHEMA)


@pytest.mark.parametrize(
    "where",
    [
        {"income": ">50K"},
        {"income": "rich"},
        {"income": ["rich", ">50K"]},
        {"income": {"except": ["<=50K"]}},
        {"age": 33},
        {"age": {"ge": 30, "lt": 32}},
        {"age": {"gt": 67}, "income": "rich", "member": "yes"},
        {"price": None},
        {"price": {"le": 2.5}},
        {"price": 77.7},
        {"member": True},
        {"joined": {"ge": "2022-09-01"}},
        {"joined": pd.Timestamp("2021-05-05")},
        {"country": "NL", "age": [20, 21]},
    ],
)
def test_all_rows_meet_the_condition(model, where):
    rows = model.sample(120, where)
    asked = Conditions.of(where).cases[0].where
    assert len(rows) == 120
    assert matches(asked, rows, SCHEMA).all()
    assert rows["key"].is_unique


def test_each_case_gets_its_count_and_the_rest_come_as_they_are(model):
    conditions = {"cases": [{"where": {"income": "rich"}, "rows": 50}, {"where": {"age": {"lt": 25}}, "rows": 200}]}
    rows = model.sample(1000, conditions)
    # Beside the 50, 950 rows have one chance in 1,000 each.
    assert 50 <= (rows["income"] == "rich").sum() <= 58
    # 200, and a tenth of the 800 others.
    assert 240 <= (rows["age"] < 25).sum() <= 330


def test_cases_keep_their_counts_over_chunks(model):
    conditions = Conditions(cases=[Case(where={"income": "rich"}, rows=70), Case(where={"income": "<=50K"})])
    chunks = list(model.chunks(333, size=100, conditions=conditions))
    assert [len(chunk) for chunk in chunks] == [100, 100, 100, 33]
    assert pd.concat(chunks)["income"].astype(str).value_counts().to_dict() == {"<=50K": 263, "rich": 70}


def test_shares_rebalance_a_column(model):
    rows = model.sample(401, {"shares": {"income": {">50K": 0.5, "<=50K": 0.5}}})
    assert sorted(rows["income"].value_counts()[[">50K", "<=50K"]]) == [200, 201]


def test_shares_of_some_values_leave_the_rest_to_the_others(model):
    rows = model.sample(100, {"shares": {"income": {">50K": 0.2}, "member": {"yes": 0.5}}})
    assert (rows["income"] == ">50K").sum() == 20 and rows["member"].sum() == 50


@pytest.mark.parametrize(
    "where, reason",
    [
        ({"income": "unheard of"}, "0 of .* rows drawn were such that income is unheard of"),
        ({"age": {"gt": 200}}, "0 of .* rows drawn"),
        ({"age": {"gt": 40, "lt": 30}}, "0 of .* rows drawn"),
        ({"income": None}, "income is missing"),
        ({"country": "FR"}, "'country' has the same value in every row"),
        ({"nowhere": 1}, "no column 'nowhere'"),
        ({"key": "K0001"}, "'key' is made new"),
        ({"income": {"gt": 3}}, "only numbers and dates have ranges"),
        ({"member": "perhaps"}, "true or false"),
        ({"age": "old"}, "cannot be compared"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_with_the_reason(model, where, reason):
    with pytest.raises(ValueError, match=reason):
        model.sample(10, where)


def test_more_rows_in_cases_than_asked_for_are_an_error(model):
    with pytest.raises(Unmet, match="ask for 20 rows, but only 10"):
        model.sample(10, {"cases": [{"where": {"age": 30}, "rows": 20}]})


def test_the_error_says_how_many_rows_were_possible(model):
    with pytest.raises(Unmet) as error:
        model.sample(100_000, {"income": "rich", "price": None})
    assert 0 <= error.value.possible < 100_000


def test_missing_cells_are_filled_and_nothing_else_changes(model):
    table = conform(people(), SCHEMA).head(200)
    holes = table.copy()
    holes.loc[::7, "age"] = pd.NA
    holes.loc[::5, "income"] = np.nan
    filled = model.complete(holes)
    assert filled[SCHEMA.modelled.names].notna().all(axis=None)
    for name in SCHEMA.names:
        there = holes[name].notna()
        assert (filled.loc[there, name].astype(object) == table.loc[there, name].astype(object)).all()


def test_rows_are_completed_from_some_columns(model):
    given = pd.DataFrame({"age": [33, 21, 33], "income": ["rich", "rich", ">50K"]})
    rows = model.complete(given)
    assert list(rows.columns) == SCHEMA.names
    assert rows["age"].tolist() == [33, 21, 33] and rows["income"].tolist() == ["rich", "rich", ">50K"]
    assert rows["key"].is_unique and (rows["country"] == "NL").all() and rows["joined"].notna().all()


def test_completing_with_a_column_the_model_lacks_is_an_error(model):
    with pytest.raises(ValueError, match="no column 'zip'"):
        model.complete(pd.DataFrame({"zip": [1]}))


def test_the_same_seed_gives_the_same_rows_under_conditions(model):
    first, again = (model.sample(50, {"income": "rich"}, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
