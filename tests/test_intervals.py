"""Intervals that hold what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from metrics.tools.intervals import auc_interval, mean_interval, resampled, share_interval


@given(st.integers(1, 500), st.data())
def test_the_interval_of_a_share_is_wilsons(of, data):
    hits = data.draw(st.integers(0, of))
    wilson = binomtest(hits, of).proportion_ci(method="wilson")
    assert share_interval(hits, of) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


@pytest.mark.parametrize("of", [1, 7, 30, 2131, 26_049])
def test_the_interval_of_none_begins_at_0_and_that_of_all_ends_at_1(of):
    # Not at 1e-20, as rounding has it: such a bound would be shown.
    assert share_interval(0, of)[0] == 0
    assert share_interval(of, of)[1] == 1


def test_no_trial_tells_nothing():
    assert share_interval(0, 0) == (0, 1)


def test_the_interval_of_a_mean():
    # 0 and 1 alternating, 100 values: deviation 0.5025 / 10, times 1.96.
    low, high = mean_interval(np.tile([0.0, 1.0], 50))
    assert (low, high) == pytest.approx((0.5 - 0.0985, 0.5 + 0.0985), abs=1e-4)


def test_the_interval_of_an_area_holds_95_of_100():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        scores, positive = rng.normal(size=200), np.repeat([True, False], 100)
        scores[positive] += 0.5  # the area is 0.638
        ranks = scores.argsort().argsort() + 1
        auc = (ranks[positive].sum() - 100 * 101 / 2) / 10_000
        low, high = auc_interval(auc, 100, 100)
        held += low <= 0.6382 <= high
    assert 0.91 <= held / 300 <= 0.985


def test_resampling_gives_the_known_interval_of_a_mean():
    values = np.random.default_rng(0).normal(10, 2, 5000)
    low, high = resampled(lambda rows: values[rows].mean(), values.mean(), 5000, seed=0, draws=200, bounds=(None, None))
    # 2 / sqrt(5000) * 1.96 = 0.0554
    assert (high - low) / 2 == pytest.approx(0.0554, rel=0.2)
