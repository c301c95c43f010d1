"""Suggested rules: found where the table keeps them and chance would not."""

import numpy as np
import pandas as pd

from synth.constraints.discovery import suggest_rules
from synth.schema import Column, Schema
from synth.schema.rules import Combination, ExactlyOne, Ordering, Range, Sum

ROWS = 400


def orders() -> tuple[pd.DataFrame, Schema]:
    rng = np.random.default_rng(0)
    ordered = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, ROWS), unit="D")
    sent = ordered + pd.to_timedelta(rng.integers(0, 9, ROWS), unit="D")
    city = rng.choice(["Albany", "Austin", "Dallas"], ROWS)
    net, tax = rng.integers(10, 99, ROWS) / 4, rng.integers(1, 60, ROWS) / 4
    by = rng.integers(0, 3, ROWS)
    phone = rng.choice(["none", "one", "two"], ROWS)
    table = {
        ("ordered", "datetime"): ordered,
        ("sent", "datetime"): sent,
        ("arrived", "datetime"): sent + pd.to_timedelta(rng.integers(1, 9, ROWS), unit="D"),
        ("city", "category"): city,
        ("state", "category"): np.where(city == "Albany", "NY", "TX"),
        ("net", "number"): net,
        ("tax", "number"): tax,
        ("gross", "number"): net + tax,
        ("by_car", "boolean"): by == 0,
        ("by_bike", "boolean"): by == 1,
        ("by_foot", "boolean"): by == 2,
        ("phone", "category"): phone,
        ("lines", "category"): np.where(phone == "none", "no phone", rng.choice(["a", "b"], ROWS)),
        ("share", "number"): np.round(np.linspace(0, 1, ROWS), 4),
        ("noise", "number"): rng.normal(size=ROWS),
        ("above", "number"): 1000 + rng.normal(size=ROWS),
    }
    schema = Schema(columns=[Column(name=name, kind=kind) for name, kind in table])
    return pd.DataFrame({name: values for (name, _), values in table.items()}), schema


def test_rules_of_each_kind_are_found_with_their_support():
    found = {str(suggestion.rule): suggestion for suggestion in suggest_rules(*orders())}
    expected = [
        Ordering(low="ordered", high="sent"),
        Ordering(low="sent", high="arrived", strict=True),
        Combination(columns=["city", "state"]),
        Sum(total="gross", parts=["net", "tax"]),
        ExactlyOne(columns=["by_car", "by_bike", "by_foot"]),
        Combination(columns=["phone", "lines"]),
        Range(column="share", low=0, high=1),
    ]
    assert {str(rule) for rule in expected} <= set(found)
    assert all(found[str(rule)].support == 1.0 and found[str(rule)].rows == ROWS for rule in expected)


def test_what_follows_from_other_rules_or_from_nothing_is_not_suggested():
    found = [str(suggestion.rule) for suggestion in suggest_rules(*orders())]
    assert "ordered < arrived" not in found and "ordered <= arrived" not in found
    # Always so, but only because the one is far above the other.
    assert not any("above" in rule or "noise" in rule for rule in found)


def test_a_rule_with_a_few_exceptions_tells_its_support():
    table, schema = orders()
    table.loc[0, "sent"] = table.loc[0, "ordered"] - pd.Timedelta(days=30)
    [rule] = [found for found in suggest_rules(table, schema) if str(found.rule) == "ordered <= sent"]
    assert rule.support == 1 - 1 / ROWS


def test_rules_that_the_schema_states_are_not_suggested_again():
    table, schema = orders()
    stated = schema.model_copy(update={"rules": [Ordering(low="ordered", high="sent")]})
    assert "ordered <= sent" not in [str(found.rule) for found in suggest_rules(table, stated)]


def test_a_table_too_small_to_tell_suggests_nothing():
    table, schema = orders()
    assert suggest_rules(table.head(10), schema) == []
