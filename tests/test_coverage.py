"""What is left out, made up and missing, worked out by hand and as SDMetrics has it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdmetrics.single_column import BoundaryAdherence, CategoryCoverage, MissingValueSimilarity, RangeCoverage

from metrics.fidelity.coverage import boundary_adherence, coverage, missingness
from tests.judging import tables


def test_the_share_of_levels_and_of_the_range_that_occurs():
    # Levels: x and y of w, x, y, z: 2/4. Range 0 to 10: from 2 to 7 is 1/2.
    score = coverage(
        tables({"a": list("wxyz"), "b": [0.0, 3.0, 6.0, 10.0]}, {"a": list("xyxy"), "b": [2.0, 7.0, 3.0, 3.0]})
    )
    assert score.value == pytest.approx(0.5)


def test_a_constant_column_has_no_range_to_cover():
    score = coverage(tables({"a": list("wx"), "b": [1.0, 1.0]}, {"a": list("wx"), "b": [1.0, 2.0]}))
    assert score.value == 1.0


def test_the_share_of_values_within_what_occurs():
    # Levels: q is new: 3/4. Numbers: 11 and -1 are outside 0 to 10: 2/4.
    score = boundary_adherence(
        tables({"a": list("wxyz"), "b": [0.0, 3.0, 6.0, 10.0]}, {"a": list("xyxq"), "b": [11.0, -1.0, 3.0, 10.0]})
    )
    assert score.value == pytest.approx((3 / 4 + 2 / 4) / 2)


def test_a_missing_value_is_outside_where_the_real_column_has_none():
    score = boundary_adherence(tables({"a": [0.0, 10.0]}, {"a": [5.0, None]}))
    assert score.value == pytest.approx(0.5)


def test_values_missing_alone_and_together():
    # Real: a lacks 2 of 4, b lacks the same 2. Synthetic: a lacks 2, b the other 2.
    # Columns: both 1. Pair: real 2/4 lack both, synthetic 0: 1 - 1/2. Mean of 1 and 1/2.
    real = {"a": [1.0, 2.0, None, None], "b": ["x", "y", None, None]}
    made = {"a": [1.0, 2.0, None, None], "b": [None, None, "x", "y"]}
    score = missingness(tables(real, made))
    assert score.value == pytest.approx(0.75)
    assert score.detail.pairs[0].columns == ["a", "b"]


def test_tables_that_lack_nothing_agree():
    score = missingness(tables({"a": [1.0, 2.0]}, {"a": [1.0, 2.0]}))
    assert score.value == 1.0
    assert "Neither" in score.note


NUMBERS = st.lists(st.one_of(st.none(), st.floats(-50, 50)), min_size=2, max_size=30)


@settings(max_examples=50, deadline=None)
@given(NUMBERS, NUMBERS, st.lists(st.sampled_from("abcd"), min_size=1), st.lists(st.sampled_from("abcde"), min_size=1))
def test_values_are_those_of_sdmetrics(numbers, made_numbers, levels, made_levels):
    real, made = pd.Series(numbers, dtype=float), pd.Series(made_numbers, dtype=float)
    judged = tables({"n": real}, {"n": made})
    score, theirs = coverage(judged), RangeCoverage.compute(real, made)
    if np.isfinite(theirs):
        assert score.value == pytest.approx(theirs)
    score = boundary_adherence(judged)
    if real.notna().any() and score.value is not None:
        assert score.value == pytest.approx(BoundaryAdherence.compute(real, made))
    if real.isna().any() or made.isna().any():
        assert missingness(judged).value == pytest.approx(MissingValueSimilarity.compute(real, made))
    judged = tables({"n": levels}, {"n": made_levels})
    assert coverage(judged).value == pytest.approx(CategoryCoverage.compute(pd.Series(levels), pd.Series(made_levels)))
