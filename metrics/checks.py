"""What every metric must do, for those who write one.

    from metrics.checks import check_metric

    def test_mean_income_does_what_a_metric_must():
        check_metric(mean_income)

Each check is a function of a metric. `TABLE_CHECKS` lists those of a metric of tables and `DIALOGUE_CHECKS` those of
a metric of conversations; our own tests run them one by one.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from metrics.base import Card, Metric, Score, Tables
from metrics.dialogue.base import Conversations, Texts
from metrics.verdict import verdict
from synth.awkward_tables import AWKWARD, WIDE
from synth.conversations.dialogue import Dialogue, Turn
from synth.schema import Column, Schema
from synth.schema.casting import conform

Check = Callable[[Metric[Any]], None]
TABLE_CHECKS: list[Check] = []
DIALOGUE_CHECKS: list[Check] = []
SIDES = ("train", "holdout", "synthetic")


def check_metric(metric: Metric[Any]) -> None:
    """Raise AssertionError (or what the metric raises) unless a metric does all that a metric must.

    `metric` is the decorated function. Some forty small tables are scored, or ten sets of conversations.
    """
    for check in checks_of(metric):
        check(metric)


def checks_of(metric: Metric[Any]) -> list[Check]:
    """The checks of a metric, by what it looks at."""
    return DIALOGUE_CHECKS if metric.card.family == "dialogue" else TABLE_CHECKS


def _check(*lists: list[Check]) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        for checks in lists:
            checks.append(check)
        return check

    return add


def check_score(card: Card, score: Score) -> Score:
    """The score, if it is a number in its range beside others, or a reason in words. Raises AssertionError if not."""
    name = card.name
    json.dumps(score.model_dump(mode="json"), allow_nan=False)
    if score.value is None:
        assert len(score.note) > 20 and score.note.endswith((".", "?")), f"{name} gives no reason: {score.note!r}"
    for value in (score.value, score.reference, score.at_holdout_size):
        if value is not None:
            assert math.isfinite(value), name
            assert card.low is None or value >= card.low - 1e-9, f"{name}: {value} is below {card.low}"
            assert card.high is None or value <= card.high + 1e-9, f"{name}: {value} is above {card.high}"
    for value, interval in ((score.value, score.ci), (score.reference, score.reference_ci)):
        if interval is not None and value is not None:
            assert interval[0] - 1e-9 <= value <= interval[1] + 1e-9, f"{name}: {value} lies outside of {interval}"
    assert verdict(card, score).text
    return score


def quietly(metric: Metric[Any], given: Any) -> Score:
    """The metric's score, checked; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return check_score(metric.card, metric(given))


# Tables ----------------------------------------------------------------------------------------------------------

MIXED = Schema(
    columns=[
        Column(name="group", kind="category"),
        Column(name="age", kind="integer"),
        Column(name="income", kind="number"),
        Column(name="member", kind="boolean"),
        Column(name="joined", kind="datetime"),
        Column(name="buys", kind="category", role="target"),
    ]
)


def mixed(count: int, seed: int = 0, missing: float = 0.1) -> pd.DataFrame:
    """A table with a column of every kind, which depend on each other, and missing values."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 4, count)
    table = pd.DataFrame(
        {
            "group": np.array(["north", "south", "east", "west"])[group],
            "age": (20 + 10 * group + rng.integers(0, 12, count)).astype(float),
            "income": np.round(np.exp(rng.normal(10 + 0.3 * group, 0.4)), 2),
            "member": (rng.random(count) < 0.2 + 0.2 * group).astype(object),
            "joined": pd.Timestamp("1965-01-01") + pd.to_timedelta(rng.integers(0, 9000, count) + 900 * group, "D"),
            "buys": np.where(rng.random(count) < 0.15 + 0.2 * group, "yes", "no"),
        }
    )
    for name in ("group", "income", "member", "joined"):
        table[name] = table[name].where(rng.random(count) >= missing)
    return table


def mixed_tables(train: int = 400, holdout: int = 150, synthetic: int = 300, seed: int = 0, **more: Any) -> Tables:
    """Three independent samples of `mixed`: the synthetic rows are as real as any."""
    first, second, third = (
        conform(mixed(count, 10 * seed + place), MIXED) for place, count in enumerate((train, holdout, synthetic))
    )
    return Tables(first, second, third, MIXED, **more)


def split(table: pd.DataFrame, schema: Schema) -> Tables:
    """A table in three: two thirds to train, the rest held out, and the first forty rows as synthetic."""
    table = conform(table, schema)
    rows = np.random.default_rng(0).permutation(len(table))
    train, rest = table.iloc[rows[: 2 * len(rows) // 3 + 1]], table.iloc[rows[2 * len(rows) // 3 :]]
    return Tables(train, rest, table.head(40), schema)


@cache
def worlds() -> dict[str, Tables]:
    """Tables that try a metric: awkward ones, few rows, missing values, a column too few."""
    small, odd = mixed_tables(90, 45, 60), {}
    odd |= {title: split(*table) for title, table in AWKWARD.items()}
    odd["fresh rows"] = mixed_tables()
    odd["three rows everywhere"] = mixed_tables(3, 3, 3)
    for side in SIDES:
        for rows in (0, 1, 10):
            odd[f"{rows} rows of {side}"] = replace(small, **{side: getattr(small, side).head(rows)})
    empty = conform(pd.DataFrame({name: pd.Series([None] * 80, dtype=object) for name in MIXED.names}), MIXED)
    odd["nothing but missing cells"] = Tables(empty, empty, empty, MIXED)
    for name in MIXED.names:
        lost = conform(small.synthetic.astype({name: object}).assign(**{name: None}), MIXED)
        odd[f"{name} missing"] = replace(small, synthetic=lost)
    odd["no holdout"] = replace(small, holdout=None)
    odd["a column too few"] = replace(small, synthetic=small.synthetic.drop(columns="income"))
    return odd


@_check(TABLE_CHECKS, DIALOGUE_CHECKS)
def the_card_says_how_to_read_it(metric: Metric[Any]) -> None:
    card = metric.card
    assert card.name == metric.measure.__name__
    assert card.question.endswith("?"), "a card asks a question, as a data owner would"
    told = metric.measure.__doc__ or ""
    assert told.startswith(card.question), "the docstring opens with the card's question"
    assert card.family == "dialogue" or (card.why.endswith(".") and card.source), "a card says why, and its source"
    assert card.low is None or card.high is None or card.low < card.high


@_check(TABLE_CHECKS)
def any_table_gets_a_score_or_a_reason(metric: Metric[Any]) -> None:
    for given in worlds().values():
        check_detail(metric, quietly(metric, given))


@_check(TABLE_CHECKS)
def three_hundred_columns_get_a_score_or_a_reason_if_it_is_cheap(metric: Metric[Any]) -> None:
    if metric.card.cost == "cheap":
        table = conform(*WIDE)
        check_score(metric.card, metric(Tables(table.head(20), table.tail(10), table.tail(20), WIDE[1])))


@_check(TABLE_CHECKS)
def a_seed_gives_the_same_score_twice(metric: Metric[Any]) -> None:
    assert metric(mixed_tables(seed=3)) == metric(mixed_tables(seed=3))


@_check(TABLE_CHECKS)
def measuring_changes_no_table(metric: Metric[Any]) -> None:
    given = mixed_tables(100, 60, 80)
    before = [getattr(given, side).copy() for side in SIDES]
    metric(given)
    for side, copy in zip(SIDES, before, strict=True):
        pd.testing.assert_frame_equal(getattr(given, side), copy)


def check_detail(metric: Metric[Any], score: Score) -> None:
    """Raise AssertionError unless a score's detail is of its metric's model, or plain values that JSON gives back."""
    told = json.loads(score.model_dump_json())["detail"]
    if metric.detail is None or not told:
        assert score.detail == told, f"{metric.card.name} declares no model of its detail, so it must be plain values"
        return
    assert isinstance(score.detail, metric.detail), f"{metric.card.name} declares {metric.detail.__name__}"
    assert Score.model_validate_json(score.model_dump_json()).detail_as(metric.detail) == score.detail


# Conversations ---------------------------------------------------------------------------------------------------

WORDS = [
    "please",
    "my",
    "parcel",
    "invoice",
    "is",
    "late",
    "again",
    "refund",
    "the",
    "order",
    "thank",
    "you",
    "number",
    "agent",
    "will",
    "call",
    "back",
    "soon",
]


def dialogues(count: int, seed: int) -> list[Dialogue]:
    """Dialogues of random words, with intents and a few e-mail addresses."""
    rng = np.random.default_rng(seed)
    found = []
    for at in range(count):
        said = [" ".join(rng.choice(WORDS, rng.integers(4, 12))) for _ in range(rng.integers(2, 7))]
        told = [f"write to person{at}@example.org"] if at % 5 == 0 else []
        turns = [Turn(role=("customer", "agent")[place % 2], text=text) for place, text in enumerate([*told, *said])]
        found.append(Dialogue(id=f"{seed}-{at}", turns=turns, labels={"intent": ("parcel", "invoice")[at % 2]}))
    return found


def conversations(seed: int = 0, **more: Any) -> Conversations:
    """Three independent sets: the synthetic dialogues are as real as any."""
    source, held, made = dialogues(30, 1), dialogues(20, 2), dialogues(25, 3)
    asked = [{"intent": "parcel"}] * 20
    return replace(Conversations(Texts(source), Texts(held), Texts(made), asked=asked, seed=seed), **more)


@_check(DIALOGUE_CHECKS)
def any_conversations_get_a_score_or_a_reason(metric: Metric[Any]) -> None:
    few = dialogues(2, 4)
    silent = [Dialogue(id="s", turns=[])]
    for given in (
        conversations(),
        *(conversations(synthetic=Texts(made)) for made in ([], silent, few[:1], few)),
        *(conversations(holdout=held) for held in (None, Texts([]), Texts(few))),
        *(conversations(source=Texts(source)) for source in ([], silent, few)),
    ):
        check_detail(metric, quietly(metric, given))


@_check(DIALOGUE_CHECKS)
def a_seed_gives_the_same_score_of_conversations_twice(metric: Metric[Any]) -> None:
    assert metric(conversations(seed=3)) == metric(conversations(seed=3))


@_check(DIALOGUE_CHECKS)
def measuring_changes_no_dialogue(metric: Metric[Any]) -> None:
    given, before = conversations(), conversations()
    metric(given)
    for side in ("source", "holdout", "synthetic"):
        assert getattr(given, side).dialogues == getattr(before, side).dialogues
