"""The detector: guesses where it must, and names what gave the rows away."""

from dataclasses import replace

import pandas as pd
import pytest

from metrics.fidelity.detector import detector, indistinguishable, indistinguishable_interval
from metrics.verdict import verdict
from tests.judging import mixed_tables, shuffled


@pytest.mark.parametrize("auc, score", [(0.5, 1.0), (1.0, 0.0), (0.75, 0.5), (0.3, 1.0)])
def test_the_score_is_1_for_guessing_and_0_for_certainty(auc, score):
    assert indistinguishable(auc) == pytest.approx(score)
    low, high = indistinguishable_interval(auc, 100)
    assert 0 <= low <= score <= high <= 1


def test_fresh_rows_cannot_be_told():
    score = detector(mixed_tables(800, 400, 800, seed=1))
    assert verdict(detector.card, score).level == "as_good"
    assert score.value > 0.85


def test_a_shifted_column_gives_the_rows_away():
    judged = mixed_tables(800, 400, 800, seed=1)
    shifted = judged.synthetic.assign(income=judged.synthetic["income"] * 3)
    score = detector(replace(judged, synthetic=shifted))
    assert score.value < 0.4
    assert score.detail.gave_it_away[0].column == "income"


def test_columns_that_no_longer_go_together_give_the_rows_away():
    judged = mixed_tables(1500, 700, 1500, seed=2)
    score = detector(replace(judged, synthetic=shuffled(judged.synthetic)))
    assert verdict(detector.card, score).level == "worse"


def test_the_curve_rises_from_0_to_1():
    roc = detector(mixed_tables(200, 100, 200)).detail.roc
    rates = pd.Series(roc.true_positive_rate)
    assert rates.is_monotonic_increasing
    assert rates.iloc[-1] == 1.0
    assert roc.false_positive_rate[0] == 0.0


def test_few_rows_say_what_is_needed():
    score = detector(mixed_tables(100, 20, 100))
    assert score.value is None
    assert "at least 50" in score.note
