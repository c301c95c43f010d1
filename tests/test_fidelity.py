"""Column shapes and pair trends: worked out by hand, for any table, and as SDMetrics has them."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import shuffle

from metrics.fidelity.shapes import column_pair_trends, column_shapes, correlations, cramers_v, kolmogorov_smirnov
from metrics.tools.encode import encoded
from tests.judging import adult, mixed_tables, rows, shuffled, tables

NUMBERS = st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=30)
LEVELS = st.lists(st.sampled_from(["x", "y", "z"]), min_size=2, max_size=40)


@pytest.mark.parametrize(
    "synthetic, expected",
    [
        ([1.0, 2.0, 3.0, 4.0], 1.0),
        # Cumulative at 1, 2, 3, 4: real 1/4 2/4 3/4 1, synthetic 0 0 1/4 1: the largest gap is 2/4.
        ([3.0, 4.0, 4.0, 4.0], 0.5),
        # Nothing in common: the gap is the whole.
        ([9.0, 9.0, 9.0, 9.0], 0.0),
    ],
)
def test_a_column_of_numbers_is_compared_by_the_largest_gap_of_its_curves(synthetic, expected):
    score = column_shapes(tables({"a": [1.0, 2.0, 3.0, 4.0]}, {"a": synthetic}))
    assert score.value == pytest.approx(expected)


def test_a_column_of_levels_is_compared_by_its_shares():
    # Real x 2/4, y 2/4; synthetic x 3/4, y 0, z 1/4: (1/4 + 2/4 + 1/4) / 2 = 1/2 differs.
    score = column_shapes(tables({"a": list("xxyy")}, {"a": list("xxxz")}))
    assert score.value == pytest.approx(0.5)


def test_missing_values_are_left_out_of_a_shape():
    score = column_shapes(tables({"a": ["x", "x", "y", None]}, {"a": ["x", "x", "y", "x", "x", "y"]}))
    assert score.value == pytest.approx(1.0)


def test_the_shapes_are_averaged_and_listed_worst_first():
    score = column_shapes(
        tables({"a": list("xxyy"), "b": [1.0, 2.0, 3.0, 4.0]}, {"a": list("xxxz"), "b": [1, 2, 3, 4]})
    )
    assert score.value == pytest.approx(0.75)
    assert [column.column for column in score.detail.columns] == ["a", "b"]


def test_a_column_without_values_is_not_counted_and_named():
    score = column_shapes(tables({"a": list("xxyy"), "b": [1.0, 2.0, 3.0, 4.0]}, {"a": list("xxyy"), "b": [None] * 4}))
    assert score.value == 1.0
    assert "b" in score.note


def test_pairs_of_levels_are_compared_cell_by_cell():
    # a settles b in the real rows (Cramér's V is 1). Real cells xu 1/2, yv 1/2; synthetic xu 1/2, xv 1/2:
    # (0 + 1/2 + 1/2) / 2 = 1/2 differs.
    score = column_pair_trends(tables(rows(*[("x", "u"), ("y", "v")] * 5), rows(*[("x", "u"), ("x", "v")] * 5)))
    assert score.value == pytest.approx(0.5)


def test_pairs_of_numbers_are_compared_by_their_correlation():
    # Correlations 1 and -1: 1 - 2 / 2 = 0.
    score = column_pair_trends(
        tables({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0]}, {"a": [1.0, 2.0, 3.0], "b": [6.0, 4.0, 2.0]})
    )
    assert score.value == pytest.approx(0.0)


def test_only_pairs_associated_in_the_real_data_count():
    real = rows(*[("x", "u", "p"), ("y", "v", "q"), ("x", "u", "q"), ("y", "v", "p")] * 5)
    # a and b go together; c goes with neither, so that only the pair (a, b) counts, and it is met.
    score = column_pair_trends(tables(real, real))
    assert score.value == 1.0
    assert [pair.columns for pair in score.detail.pairs if pair.counted] == [["a", "b"]]


def test_one_column_has_no_trends():
    score = column_pair_trends(tables({"a": [1.0, 2.0]}, {"a": [1.0, 2.0]}))
    assert score.value is None
    assert "needs two" in score.note


def test_cramers_v_of_a_two_way_table():
    # x with u thrice and v once, y with v thrice and u once: chi2 = 8 (3*3 - 1*1)² / (4*4*4*4) = 2, V = sqrt(2 / 8).
    left, right = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1, 1, 0])
    assert cramers_v(left, right, 2) == pytest.approx(0.5)
    assert np.isnan(cramers_v(left, np.zeros(8, dtype=int), 1))


def test_correlations_use_the_rows_that_have_both_values():
    judged = tables(
        {"a": [1.0, 2.0, 3.0, None], "b": [1.0, 2.0, 3.0, -9.0], "c": [5.0] * 4}, {"a": [1.0], "b": [1.0], "c": [1.0]}
    )
    found = correlations(encoded(judged).train, ["a", "b", "c"])
    assert found[0, 1] == pytest.approx(1.0)
    assert np.isnan(found[0, 2])


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS)
def test_the_largest_gap_is_scipys(left, right):
    from scipy.stats import ks_2samp

    left, right = (np.sort([value for value in side if value is not None]) for side in (left, right))
    found = kolmogorov_smirnov(left, right)
    if len(left) and len(right):
        assert found == pytest.approx(ks_2samp(left, right).statistic)
    else:
        assert np.isnan(found)


@settings(max_examples=40, deadline=None)
@given(LEVELS, LEVELS)
def test_scores_lie_between_0_and_1_and_a_copy_scores_1(train, synthetic):
    judged = tables({"a": train, "b": train[::-1]}, {"a": synthetic, "b": synthetic})
    for metric in (column_shapes, column_pair_trends):
        score = metric(judged)
        assert 0 <= score.value <= 1
        assert score.ci[0] <= score.value <= score.ci[1]
        assert metric(replace(judged, synthetic=judged.train)).value == pytest.approx(1)


def test_subsets_of_the_holdouts_size_may_lack_every_value():
    # One of twelve synthetic rows has a value, and the subsets of one row miss it.
    small = tables({"a": [1.0, 2.0, 3.0]}, {"a": [None] * 11 + [2.0]}, {"a": [2.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = column_shapes(small)
    assert score.value is not None and score.at_holdout_size is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(seed):
    judged = mixed_tables(60, 30, 60)
    mingled = replace(judged, synthetic=shuffle(judged.synthetic, random_state=seed).reset_index(drop=True))
    for metric in (column_shapes, column_pair_trends):
        assert metric(mingled).value == pytest.approx(metric(judged).value)


def sdmetrics_scores(judged) -> dict[str, float]:
    """SDMetrics' own report on plain pandas columns."""
    from sdmetrics.reports.single_table import QualityReport

    sdtypes = {"number": "numerical", "integer": "numerical", "boolean": "boolean", "datetime": "datetime"}
    metadata = {"columns": {c.name: {"sdtype": sdtypes.get(c.kind, "categorical")} for c in judged.schema}}

    def plain(table: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                c.name: table[c.name].astype("float64")
                if c.kind in ("number", "integer")
                else table[c.name].astype("datetime64[ns]")
                if c.kind == "datetime"
                else table[c.name].astype(object)
                for c in judged.schema
            }
        )

    report = QualityReport()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report.generate(plain(judged.train), plain(judged.synthetic), metadata, verbose=False)
    return dict(report.get_properties().itertuples(index=False))


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_sdmetrics_on_every_kind_of_column(seed):
    judged = mixed_tables(500, 100, 400, seed)
    judged = replace(judged, synthetic=judged.synthetic if seed else shuffled(judged.synthetic))
    theirs = sdmetrics_scores(judged)
    assert column_shapes(judged).value == pytest.approx(theirs["Column Shapes"], abs=1e-6)
    assert column_pair_trends(judged).value == pytest.approx(theirs["Column Pair Trends"], abs=1e-6)


@pytest.mark.parametrize("make", [shuffled, lambda table: table.head(700)])
def test_values_are_those_of_sdmetrics_on_adult(make):
    judged = adult()
    judged = replace(judged, synthetic=make(judged.train))
    theirs = sdmetrics_scores(judged)
    assert column_shapes(judged).value == pytest.approx(theirs["Column Shapes"], abs=1e-6)
    assert column_pair_trends(judged).value == pytest.approx(theirs["Column Pair Trends"], abs=1e-6)


def test_the_reference_is_the_score_of_the_holdout_in_the_synthetics_place():
    judged = mixed_tables()
    for metric in (column_shapes, column_pair_trends):
        as_synthetic = replace(judged, synthetic=judged.holdout)
        assert metric(judged).reference == pytest.approx(metric(as_synthetic).value)


def test_the_interval_holds_what_other_samples_of_the_same_people_score():
    # 20 tables of 300 fresh rows: about one in twenty may lie outside the interval of the first.
    scores = [
        column_shapes(replace(mixed_tables(2000, 50, 300, seed), train=mixed_tables(2000, 50).train))
        for seed in range(20)
    ]
    low, high = scores[0].ci
    assert sum(low - 0.01 <= score.value <= high + 0.01 for score in scores) >= 16
