"""What every metric keeps: any table gives a score or a reason, plain JSON, within its range, the same each time."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import METRICS, NotMeasurable, Score, Tables, evaluate, gate, plain_names, summary
from metrics.base import Card, Metric, conformed, once
from metrics.checks import TABLE_CHECKS, check_metric, check_score
from metrics.detail import ColumnScores, PairScores
from metrics.fidelity.shapes import ColumnShapesDetail
from metrics.verdict import verdict
from synth.schema import Column, Schema
from synth.schema.casting import conform
from tests.judging import MIXED, mixed, mixed_tables, tables

EVERY = pytest.mark.parametrize("name", METRICS)


def checked(scores: dict[str, Score]) -> dict[str, Score]:
    """The scores, each a number in its range or a reason in words; what reads them gets through."""
    for name, score in scores.items():
        check_score(METRICS[name].card, score)
    summary(scores)
    gate(scores)
    plain_names(scores)
    return scores


def judged_without_warnings(given: Tables) -> dict[str, Score]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return checked(evaluate(given))


@pytest.mark.parametrize("check", TABLE_CHECKS, ids=lambda check: check.__name__)
@EVERY
def test_every_metric_does_what_a_metric_must(name, check):
    check(METRICS[name])


MEAN_INCOME = Card(
    name="mean_income",
    title="Mean income",
    family="fidelity",
    question="Is the mean income that of the real rows?",
    low=0,
    high=None,
    good="low",
    why="0 means that it is the same.",
    source="Any textbook",
)


def mean_income(tables: Tables) -> Score:
    """Is the mean income that of the real rows?"""
    if "income" not in tables.schema.names or tables.train["income"].isna().all():
        raise NotMeasurable("There is no income in the training rows to compare with.")
    means = {side: float(getattr(tables, side)["income"].mean()) for side in ("train", "synthetic")}
    return Score(value=abs(means["synthetic"] - means["train"]), detail={"means": means})


def test_a_metric_of_somebody_else_is_checked_as_ours_are():
    # The mean of no income is not a number, and no JSON value.
    with pytest.raises(ValueError, match="not JSON compliant"):
        check_metric(Metric(MEAN_INCOME, mean_income))

    def careful(tables: Tables) -> Score:
        if tables.synthetic.get("income", pd.Series(dtype=float)).isna().all():
            raise NotMeasurable("There is no income in the synthetic rows to compare with.")
        return mean_income(tables)

    careful.__name__, careful.__doc__ = mean_income.__name__, mean_income.__doc__
    check_metric(Metric(MEAN_INCOME, careful))


def test_a_card_without_a_question_is_told():
    with pytest.raises(AssertionError, match="asks a question"):
        check_metric(Metric(MEAN_INCOME.model_copy(update={"question": "The mean."}), mean_income))


def test_fresh_rows_are_scored_by_every_metric_that_applies():
    scores = judged_without_warnings(mixed_tables())
    assert {name for name, score in scores.items() if score.value is None} <= {"pii_replay", "epsilon", "rare_values"}
    without = {name for name, score in scores.items() if score.value is not None and score.ci is None}
    assert not without, "every value has an interval"
    assert not [name for name, score in scores.items() if score.value is not None and score.reference is None]


@pytest.mark.parametrize("rows", [1, 2, 3, 10])
@pytest.mark.parametrize("side", ["train", "holdout", "synthetic"])
def test_few_rows_get_a_score_or_a_reason(side, rows):
    given = mixed_tables(200, 100, 150)
    judged_without_warnings(replace(given, **{side: getattr(given, side).head(rows)}))


def test_three_rows_everywhere_get_a_score_or_a_reason():
    given = mixed_tables(3, 3, 3)
    judged_without_warnings(given)


@pytest.mark.parametrize("column", MIXED.names)
@pytest.mark.parametrize(
    "value, sides",
    [(None, ("synthetic",)), (None, ("train", "holdout", "synthetic")), ("the first", ("train", "holdout"))],
    ids=["missing in synthetic", "missing everywhere", "constant in real"],
)
def test_a_column_without_values_or_with_one_gets_a_score_or_a_reason(column, value, sides):
    given = mixed_tables(90, 45, 60)
    emptied = {}
    for side in sides:
        table = getattr(given, side)
        first = table[column].dropna().iloc[0] if value else None
        constant = pd.Series([first] * len(table), dtype=object)
        emptied[side] = conform(table.astype({column: object}).assign(**{column: constant}), MIXED)
    judged_without_warnings(replace(given, **emptied))


def test_nothing_but_missing_cells_gets_a_score_or_a_reason():
    empty = conform(pd.DataFrame({name: pd.Series([None] * 80, dtype=object) for name in MIXED.names}), MIXED)
    judged_without_warnings(Tables(empty, empty, empty, MIXED))


def test_without_a_holdout_no_privacy_verdict_is_given_and_the_note_says_why():
    given = replace(mixed_tables(), holdout=None)
    scores = judged_without_warnings(given)
    for name, score in scores.items():
        if METRICS[name].card.family == "privacy" and name != "epsilon":
            assert verdict(METRICS[name].card, score).level == "unknown", name
    assert "No rows were held out" in scores["distance_to_closest_record"].note
    assert not gate(scores).passed


def test_different_columns_are_named():
    given = mixed_tables()
    scores = judged_without_warnings(replace(given, synthetic=given.synthetic.drop(columns="income")))
    assert all(score.value is None and "'income'" in score.note for score in scores.values())


def test_values_of_another_kind_are_told_without_quoting_them():
    given = mixed_tables()
    odd = given.synthetic.astype({"age": object}).assign(age="Ann Smith")
    scores = judged_without_warnings(replace(given, synthetic=odd))
    assert all(score.value is None and "'age'" in score.note for score in scores.values())
    assert not any("Ann" in score.note for score in scores.values())


def test_tables_without_rows_say_so():
    given = mixed_tables()
    scores = judged_without_warnings(replace(given, synthetic=given.synthetic.head(0)))
    assert all("no rows" in score.note for score in scores.values())


def test_twenty_thousand_levels_are_judged():
    rng = np.random.default_rng(0)
    values = {
        "city": [f"city {place}" for place in rng.integers(0, 20_000, 24_000)],
        "shop": [f"shop {place}" for place in rng.integers(0, 20_000, 24_000)],
        "paid": rng.normal(size=24_000),
    }
    table = pd.DataFrame(values)
    cheap = [name for name, one in METRICS.items() if one.card.cost == "cheap"]
    given = tables(table[:10_000], table[14_000:], table[10_000:14_000], target="city")
    scores = checked(evaluate(given, [*cheap, "train_on_synthetic"]))
    assert "classes" in scores["train_on_synthetic"].note
    assert scores["column_pair_trends"].value is not None


def test_a_table_of_ids_only_says_that_nothing_can_be_compared():
    schema = Schema(columns=[Column(name="id", kind="integer", role="id"), Column(name="t", kind="text")])
    table = pd.DataFrame({"id": range(90), "t": ["a text"] * 90})
    scores = judged_without_warnings(Tables(table[:40], table[40:70], table[70:], schema))
    assert "Set a column's role to feature" in scores["column_shapes"].note
    assert scores["pii_replay"].value is not None


def test_plain_pandas_columns_are_judged_like_conformed_ones():
    sides = [mixed(count, seed) for seed, count in enumerate((100, 60, 80))]
    raw = Tables(*sides, MIXED)
    ready = Tables(*(conform(side, MIXED) for side in sides), MIXED)
    for name in ("column_shapes", "column_pair_trends", "exact_copies"):
        assert METRICS[name](raw).value == METRICS[name](ready).value


CELLS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from(["x", "y", "z"])),
        st.one_of(st.none(), st.floats(-1e6, 1e6)),
        st.one_of(st.none(), st.booleans()),
    ),
    min_size=1,
    max_size=12,
)
ANY = Schema(
    columns=[Column(name="a", kind="category"), Column(name="b", kind="number"), Column(name="c", kind="boolean")]
)


@settings(max_examples=25, deadline=None)
@given(CELLS, CELLS, CELLS)
def test_any_tables_get_a_score_or_a_reason(train, holdout, synthetic):
    sides = [
        conform(pd.DataFrame(rows, columns=["a", "b", "c"]).astype(object), ANY) for rows in (train, holdout, synthetic)
    ]
    judged_without_warnings(Tables(*sides, ANY))


def test_evaluating_tells_how_far_it_is_and_can_be_stopped():
    heard = []
    evaluate(mixed_tables(60, 40, 50), ["column_shapes", "exact_copies"], lambda done, note: heard.append((done, note)))
    assert heard == [(0.0, "Column shapes"), (0.5, "Exact copies"), (1.0, "Scored")]

    class Stop(Exception):
        pass

    def stop(done, note):
        raise Stop

    with pytest.raises(Stop):
        evaluate(mixed_tables(60, 40, 50), ["column_shapes"], stop)


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError):
        evaluate(mixed_tables(), ["beauty"])


def test_very_large_tables_are_judged_on_a_sample_and_the_note_says_so():
    rng = np.random.default_rng(0)
    large = pd.DataFrame({"x": rng.normal(size=250_000), "y": rng.integers(0, 9, 250_000)})
    given = tables(large, large, large[:1000])
    scores = evaluate(given, ["column_shapes", "exact_copies"])
    assert "sample of at most 100,000 rows" in scores["column_shapes"].note
    assert "sampling error ±0.0" in scores["column_shapes"].note
    # Every row is looked at where a copy must be found.
    assert scores["exact_copies"].value == 1.0
    assert scores["exact_copies"].detail.rows == 250_000


def test_a_score_shows_nothing_of_rounding():
    score = Score(value=0.1 + 0.2, ci=(1e-20, 0.9999999999999999))
    score.reference = 1 - 1e-16
    assert (score.value, score.reference, score.ci) == (0.3, 1.0, (0.0, 1.0))


def test_a_stored_score_is_read_as_a_fresh_one_and_keys_of_another_version_are_ignored():
    fresh = METRICS["column_shapes"](mixed_tables(60, 40, 50))
    told = fresh.model_dump(mode="json")
    told["detail"]["columns"][0]["added_later"] = 1
    stored = Score.model_validate(told | {"added_later": 1}, extra="ignore")
    assert stored.detail_as(ColumnShapesDetail) == fresh.detail
    assert stored.detail_as(ColumnScores).by_column() == fresh.detail.by_column()
    assert stored.detail_as(PairScores) is fresh.detail_as(PairScores) is None


def test_a_detail_without_a_model_is_plain_values():
    score = Score(value=1, detail={"columns": [{"column": "a", "score": 0.5}], "words": ["x"]})
    assert score.detail["words"] == ["x"]
    assert score.detail_as(ColumnScores).by_column() == {"a": 0.5}


def test_the_api_describes_a_score_without_the_models_of_single_metrics():
    told = Score.model_json_schema(mode="serialization")
    assert told["title"] == "Score" and "$defs" not in told
    assert told["properties"]["detail"]["type"] == "object"


# No number, so that the metric that reads it fails.
NO_EPSILON = {"epsilon": "much"}


def test_an_unexpected_error_travels():
    given = mixed_tables(options=NO_EPSILON)
    with pytest.raises(ValueError, match="could not convert"):
        evaluate(given, ["epsilon"])
    with pytest.raises(ValueError, match="could not convert"):
        evaluate(given, ["epsilon"], explain=lambda card, error: None)


def test_a_metric_that_fails_leaves_the_others_when_there_are_words_for_it():
    scores = checked(
        evaluate(
            mixed_tables(options=NO_EPSILON),
            ["epsilon", "column_shapes"],
            explain=lambda card, error: f"{card.title} met a {type(error).__name__}.",
        )
    )
    assert scores["epsilon"] == Score(value=None, note="Epsilon met a ValueError.")
    assert scores["column_shapes"].value > 0.5


def test_what_metrics_share_is_computed_once():
    calls = []

    @once
    def shared(given: Tables, about: str) -> int:
        calls.append(about)
        return len(calls)

    given = mixed_tables()
    assert (shared(given, "a"), shared(given, "a"), shared(given, "b")) == (1, 1, 2)
    # Other tables share nothing with them, even when made of them.
    assert shared(replace(given, seed=1), "a") == 3


def test_conforming_twice_is_conforming_once():
    given = conformed(mixed_tables())
    assert conformed(given) is given


def test_what_cannot_be_measured_is_a_reason_not_an_error():
    with pytest.raises(NotMeasurable):
        conformed(replace(mixed_tables(), synthetic=pd.DataFrame()))
