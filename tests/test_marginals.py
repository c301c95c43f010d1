"""Marginal accuracy: bins, cross tables and the ceiling, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.fidelity.marginals import ceiling, column_groups, inner_breaks, level_bins, marginal_accuracy
from tests.judging import mixed_tables, rows, tables


def test_one_two_and_three_columns_count_equally():
    # Six rows of each kind, so that no level is rare. Singles: a and b right, c half right: (1 + 1 + 1/2) / 3.
    # Pairs: (a, b) 1; (a, c), (b, c): real cells xp 1/2, yq 1/2, synthetic xp 1/2, yp 1/2: 1/2 each: 2 / 3.
    # The triple: xup 1/2, yvq 1/2 against xup 1/2, yvp 1/2: 1/2. Mean (5/6 + 2/3 + 1/2) / 3 = 2/3.
    real = rows(*[("x", "u", "p"), ("y", "v", "q")] * 6)
    made = rows(*[("x", "u", "p"), ("y", "v", "p")] * 6)
    score = marginal_accuracy(tables(real, made))
    assert score.value == pytest.approx(2 / 3)
    assert [way.score for way in score.detail.ways] == pytest.approx([5 / 6, 2 / 3, 1 / 2], abs=1e-6)


def test_a_few_distinct_numbers_are_bins_of_their_own():
    assert inner_breaks(np.array([1.0, 2.0, 2.0, 5.0, np.nan])).tolist() == [2, 5]


def test_many_distinct_numbers_fall_in_about_equally_full_bins():
    breaks = inner_breaks(np.arange(1000.0))
    counts = np.bincount(np.digitize(np.arange(1000.0), breaks))
    assert len(counts) == 10
    assert counts.min() >= 80


def test_one_value_that_fills_half_the_column_does_not_use_up_the_bins():
    breaks = inner_breaks(np.concatenate([np.zeros(500), np.arange(1.0, 501.0)]))
    assert len(np.unique(breaks)) >= 9


def test_no_number_at_all_gives_no_break():
    assert len(inner_breaks(np.array([np.nan, np.nan]))) == 0


def test_rare_levels_share_a_bin_and_missing_has_its_own():
    # Codes: 0 six times, 1 once, 2 (missing) twice. Level 0 is common, 1 is rare, the last is missing.
    assert level_bins(["x", "y"], np.array([0] * 6 + [1] + [2] * 2)).tolist() == [0, 1, 2]


def test_the_ceiling_is_the_expected_accuracy_of_two_samples_of_one_population():
    # Two cells of 1/2, 50 rows each: variance 1/4 * (1/50 + 1/50) = 0.01, mean |difference| 0.1 sqrt(2/pi) = 0.0798
    # in each of two cells, half of the sum is 0.0798.
    assert ceiling(np.array([0.5, 0.5]), 50, 50) == pytest.approx(1 - 0.1 * np.sqrt(2 / np.pi))
    rng = np.random.default_rng(0)
    gaps = [abs(rng.binomial(50, 0.5) - rng.binomial(50, 0.5)) / 50 for _ in range(4000)]
    assert ceiling(np.array([0.5, 0.5]), 50, 50) == pytest.approx(1 - np.mean(gaps), abs=0.005)


def test_fresh_rows_score_about_the_ceiling():
    score = marginal_accuracy(mixed_tables(3000, 3000, 3000))
    assert score.value == pytest.approx(score.detail.ceiling, abs=0.01)


def test_of_very_many_triples_a_thousand_are_drawn():
    names = [f"c{place}" for place in range(30)]
    groups = column_groups(names, seed=1)
    assert len(groups) == 30 + 435 + 1000
    assert len(set(groups)) == len(groups)
    assert groups == column_groups(names, seed=1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(-100, 100)), min_size=1, max_size=60))
def test_every_value_has_a_bin_and_breaks_rise(values):
    numbers = np.array([np.nan if value is None else value for value in values])
    breaks = inner_breaks(numbers)
    assert (np.diff(breaks) >= 0).all()
    assert len(breaks) <= 1000
