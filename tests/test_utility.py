"""Utility: what a model makes of the synthetic rows."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.tools.encode import encoded
from metrics.tools.learners import Target
from metrics.utility.task import likely_targets, suggest_target
from metrics.utility.train_on_synthetic import (
    augmentation_gain,
    calibration,
    calibration_error,
    importance_agreement,
    importances,
    in_common,
    losses_of,
    train_on_synthetic,
)
from metrics.verdict import verdict
from tests.judging import MIXED, mixed_tables, shuffled, tables

UTILITY = (train_on_synthetic, importance_agreement, augmentation_gain, calibration)


@pytest.mark.parametrize("target", ["buys", "group", "income", "age"])
def test_fresh_rows_are_as_useful_as_training_rows(target):
    judged = mixed_tables(1200, 600, 1200, seed=1, target=target)
    score = train_on_synthetic(judged)
    assert verdict(train_on_synthetic.card, score).level == "as_good"
    assert {row.learner for row in score.detail.learners} == {"boosted trees", "random forest", "linear model"}
    best = max(row.real for row in score.detail.learners)
    assert score.reference == pytest.approx(best, abs=1e-6)


def test_shuffled_columns_teach_nothing():
    judged = mixed_tables(1200, 800, 1200, seed=2, target="group")
    score = train_on_synthetic(replace(judged, synthetic=shuffled(judged.synthetic)))
    assert score.value == pytest.approx(0.5, abs=0.1)
    assert verdict(train_on_synthetic.card, score).level == "worse"


def test_the_real_rows_are_as_many_as_the_synthetic():
    assert train_on_synthetic(mixed_tables(800, 200, 100)).detail.rows_of_each == 100


def test_importances_are_the_shares_of_the_harm_done():
    # Shuffling a harms by 3 and 1, b by 1 and 1, c helps: means 2, 1, below 0: 2/3, 1/3, 0.
    assert importances(np.array([[3.0, 1.0, -1.0], [1.0, 1.0, -1.0]])) == pytest.approx([2 / 3, 1 / 3, 0])
    # The other model goes by b only: 1/3 in common; one that goes by nothing has nothing in common.
    assert in_common(np.array([[2.0, 1.0]]), np.array([[0.0, 5.0]])) == pytest.approx(1 / 3)
    assert in_common(np.array([[2.0, 1.0]]), np.array([[0.0, 0.0]])) == 0
    assert np.isnan(in_common(np.array([[0.0, 0.0]]), np.array([[2.0, 1.0]])))


def test_the_loss_of_a_class_is_the_squared_error_of_its_probabilities():
    target = Target("y", "binary", np.array([0, 1]), ["n", "y"])
    # Said 0.3 / 0.7 and it was the second: 0.09 + 0.09.
    assert losses_of(target, np.array([[0.3, 0.7]]), np.array([1])) == pytest.approx([0.18])


def test_a_column_that_lost_its_meaning_loses_its_importance():
    judged = mixed_tables(1500, 800, 1500, seed=3, target="age")
    broken = judged.synthetic.assign(group=shuffled(judged.synthetic)["group"])
    broken = replace(judged, synthetic=broken.astype({"group": judged.train["group"].dtype}))
    assert importance_agreement(broken).value < importance_agreement(judged).value - 0.2


def test_adding_rows_that_contradict_harms():
    judged = mixed_tables(800, 800, 2400, seed=4, target="group")
    assert augmentation_gain(replace(judged, synthetic=shuffled(judged.synthetic))).value < 0
    assert augmentation_gain(judged).value > -0.03


def test_the_calibration_error_is_the_mean_gap_over_ten_groups():
    # Ten groups of one: said 0.05 too much everywhere.
    said = np.linspace(0.1, 1.0, 10)
    error, groups = calibration_error(said, said - 0.05)
    assert error == pytest.approx(0.05)
    assert len(groups) == 10
    # Right on average within each group, though not row by row.
    assert calibration_error(np.full(100, 0.5), np.tile([0.0, 1.0], 50))[0] == pytest.approx(0)


def test_a_model_of_other_shares_is_badly_calibrated():
    judged = mixed_tables(1500, 800, 3000, seed=5)
    said_yes = judged.synthetic["buys"] == "yes"
    tilted = replace(judged, synthetic=judged.synthetic[said_yes | (np.arange(3000) % 4 == 0)].reset_index(drop=True))
    assert verdict(calibration.card, calibration(tilted)).level == "worse"
    assert verdict(calibration.card, calibration(judged)).level == "as_good"


def test_the_most_predictable_column_is_suggested_but_not_one_that_another_gives_away():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 600)
    columns = {
        "noise": rng.normal(size=600),
        "code": np.array(list("xyz"))[group],
        "number": group * 10,
        "salary": group + rng.normal(size=600) * 0.3,
    }
    judged = tables(columns, columns, {name: values[:100] for name, values in columns.items()})
    assert suggest_target(judged) == "salary"
    score = train_on_synthetic(judged)
    assert score.detail.target == "salary"
    assert "No target was chosen" in score.note


def test_of_many_columns_those_that_go_together_with_others_are_tried_as_a_target():
    rng = np.random.default_rng(0)
    cause = rng.normal(size=300)
    columns = {f"noise {place}": rng.normal(size=300) for place in range(30)}
    columns |= {"cause": cause, "effect": cause + rng.normal(size=300) / 2}
    judged = tables(columns, columns)
    assert {"cause", "effect"} <= set(likely_targets(encoded(judged)))
    assert suggest_target(judged) in ("cause", "effect")


def test_noise_suggests_nothing():
    rng = np.random.default_rng(0)
    noise = {"a": rng.normal(size=400), "b": rng.normal(size=400)}
    assert suggest_target(tables(noise, noise)) is None


@pytest.mark.parametrize("metric", UTILITY, ids=lambda metric: metric.card.name)
def test_a_target_with_one_class_says_so(metric):
    judged = mixed_tables()
    constant = [
        side.assign(buys="yes").astype({"buys": "category"})
        for side in (judged.train, judged.holdout, judged.synthetic)
    ]
    score = metric(replace(judged, train=constant[0], holdout=constant[1], synthetic=constant[2]))
    assert score.value is None
    assert "single class" in score.note


def test_a_synthetic_table_with_one_class_scores_as_guessing_and_says_so():
    judged = mixed_tables()
    one = judged.synthetic.assign(buys="yes").astype({"buys": "category"})
    score = train_on_synthetic(replace(judged, synthetic=one))
    assert score.value == pytest.approx(0.5)
    assert "single class" in score.note


def test_a_target_that_is_not_learned_says_so():
    judged = replace(mixed_tables(), target="age")
    dropped = MIXED.model_copy(deep=True)
    dropped["age"].role = "drop"
    assert "not a column that is learned" in train_on_synthetic(replace(judged, schema=dropped)).note
