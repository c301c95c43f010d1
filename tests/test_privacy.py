"""Copies and distances: tables whose leak is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from metrics.base import NotMeasurable
from metrics.privacy.distances import (
    affordable,
    distance_to_closest_record,
    exact_copies,
    near_copies,
    nearer_share,
    nearest_neighbour_ratio,
    ratios,
    riskiest_rows,
)
from metrics.verdict import verdict
from tests.judging import mixed_tables, rows, tables


@pytest.mark.parametrize(
    "synthetic, expected",
    [
        (rows((1, "x"), (2, "y")), 1.0),  # both rows copied
        (rows((1, "y"), (2, "x")), 0.0),  # values seen, pairs not
        (rows((1, "x"), (2, "x"), (3, "y"), (1, None)), 0.25),  # the first only
    ],
)
def test_the_share_of_copied_rows(synthetic, expected):
    score = exact_copies(tables(rows((1, "x"), (2, "y")), synthetic))
    assert score.value == expected
    assert score.detail.count == expected * score.detail.rows


def test_copies_that_chance_makes_are_told_by_the_holdout():
    score = exact_copies(tables(rows((1, "x"), (1, "x"), (2, "y")), rows((1, "x"), (2, "y")), rows((1, "x"), (3, "z"))))
    assert score.reference == 0.5
    # (1, x) occurs twice in train and names nobody; (2, y) occurs once.
    assert score.detail.copies_of_rows_that_occur_once == 1


def test_ids_do_not_hide_a_copy():
    judged = tables({"id": ["a", "b"], "x": [1, 2]}, {"id": ["c", "d"], "x": [1, 2]}, roles={"id": "id"})
    assert exact_copies(judged).value == 1.0


def test_ties_count_half():
    # Nearer to train, tie, nearer to holdout, nearer to train: (1 + 1/2 + 0 + 1) / 4.
    share, (low, high) = nearer_share(
        np.array([0.1, 0.2, 0.5, 0.0]), np.array([0.2, 0.2, 0.1, 0.3]), np.arange(4), np.arange(4)
    )
    assert share == pytest.approx(0.625)
    assert low < 0.625 < high


def test_many_rows_near_the_same_record_make_the_interval_wider():
    near, far = np.array([0.1] * 50 + [0.3] * 50), np.array([0.2] * 100)
    alone = nearer_share(near, far, np.arange(100), np.arange(100))[1]
    crowded = nearer_share(near, far, np.zeros(100, dtype=int), np.zeros(100, dtype=int))[1]
    assert crowded[1] - crowded[0] > 3 * (alone[1] - alone[0])


def test_the_ratio_of_the_nearest_distances():
    assert ratios(np.array([[0.1, 0.4], [0.0, 0.0], [0.0, 0.5]])) == pytest.approx([0.25, 1.0, 0.0], abs=1e-6)


def test_training_rows_as_synthetic_are_found_out():
    judged = mixed_tables(300, 300, 300, seed=1)
    judged = replace(judged, synthetic=judged.train)
    for metric in (exact_copies, distance_to_closest_record, nearest_neighbour_ratio, near_copies):
        score = metric(judged)
        assert verdict(metric.card, score).level == "worse", score
    # Equally many rows: every synthetic row finds itself in train, at distance 0.
    assert distance_to_closest_record(judged).value > 0.99


def test_fresh_rows_are_as_near_to_train_as_to_holdout():
    judged = mixed_tables(1000, 500, 800, seed=2)
    assert distance_to_closest_record(judged).value == pytest.approx(0.5, abs=0.06)
    for metric in (distance_to_closest_record, nearest_neighbour_ratio, near_copies):
        assert verdict(metric.card, metric(judged)).level == "as_good"


def test_a_larger_train_does_not_look_like_a_leak():
    # All of 5,000 training rows against 250 holdout rows would give 0.95 by numbers alone.
    score = distance_to_closest_record(mixed_tables(5000, 250, 500, seed=3))
    assert score.value == pytest.approx(0.5, abs=0.08)


def test_one_row_in_twenty_is_a_near_copy_by_chance():
    score = near_copies(mixed_tables(2000, 2000, 2000, seed=4))
    assert score.reference == pytest.approx(0.05, abs=0.005)
    assert score.value == pytest.approx(0.05, abs=0.03)


def test_too_small_a_holdout_says_so():
    score = distance_to_closest_record(mixed_tables(100, 10, 100))
    assert score.value is None
    assert "10 rows" in score.note


def test_no_holdout_means_no_verdict_on_privacy():
    judged = replace(mixed_tables(), holdout=None)
    assert distance_to_closest_record(judged).value is None
    score = exact_copies(judged)
    assert score.value is not None
    assert verdict(exact_copies.card, score).level == "unknown"


def test_the_riskiest_rows_are_the_copies_planted():
    judged = mixed_tables(200, 100, 50, seed=5)
    planted = pd.concat([judged.synthetic, judged.train.iloc[[7, 90]]], ignore_index=True)
    found = riskiest_rows(replace(judged, synthetic=planted), count=2)
    assert set(zip(found["synthetic_row"], found["train_row"], strict=True)) == {(50, 7), (51, 90)}
    assert (found["distance"] == 0).all()
    assert found["ratio"].is_monotonic_increasing


def test_a_row_that_strangers_share_is_no_risk():
    # Row (1, x) is common in the holdout too; (9, y) is not.
    judged = tables(rows((1, "x"), (9, "y")), rows((1, "x"), (9, "y")), rows((1, "x"), (2, "x")))
    assert riskiest_rows(judged, count=1)["synthetic_row"].tolist() == [1]


def test_in_very_large_tables_the_riskiest_rows_are_looked_for_among_some():
    assert affordable(synthetic=700, real=500, columns=6) == 700
    # 15 billion cells / (4.2 million rows x 6 columns)
    assert affordable(synthetic=1_000_000, real=4_200_000, columns=6) == 595
    assert affordable(synthetic=1_000_000, real=4_200_000, columns=600) == 500


def test_riskiest_rows_need_a_holdout():
    with pytest.raises(NotMeasurable, match="No rows were held out"):
        riskiest_rows(replace(mixed_tables(), holdout=None))
