"""What is predicted, what the learners see, and how good a prediction is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score, roc_auc_score

from metrics.base import NotMeasurable
from metrics.tools.encode import encoded
from metrics.tools.learners import LEARNERS, MOST_LEVELS, Features, Target, area, curve, fit
from tests.judging import mixed_tables, tables


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_the_area_under_the_curve_is_scikit_learns(pairs):
    positive, scores = np.array([p for p, _ in pairs]), np.array([s for _, s in pairs], dtype=float)
    if positive.all() or not positive.any():
        assert np.isnan(area(positive, scores))
    else:
        assert area(positive, scores) == pytest.approx(roc_auc_score(positive, scores))
        rates = curve(positive, scores).true_positive_rate
        assert rates == sorted(rates)


def test_targets_are_classes_or_numbers():
    judged = tables(
        {"a": list("xyzx"), "n": [0, 1, 0, 1], "f": [0.5, 1.5, 2.5, 3.5]}, {"a": ["x"], "n": [1], "f": [0.5]}
    )
    sides = encoded(judged)
    assert Target.of(sides, "a", whole=False).task == "multiclass"
    assert Target.of(sides, "n", whole=True).task == "binary"
    assert Target.of(sides, "f", whole=False).task == "regression"
    assert Target.of(sides, "n", whole=True).classes == ["0", "1"]


def test_a_class_unknown_in_train_and_a_missing_one_are_not_tested():
    judged = tables({"a": ["x", "y", "x"]}, {"a": ["y", "z", None, "x"]})
    target = Target.of(encoded(judged), "a", whole=False)
    rows, truth = target.of_rows(encoded(judged).synthetic)
    assert rows.tolist() == [0, 3]
    assert truth.tolist() == [1, 0]


@pytest.mark.parametrize("values, says", [(["x"] * 50, "single class"), ([f"v{i}" for i in range(50)], "50 classes")])
def test_a_target_nobody_can_learn_says_why(values, says):
    judged = tables({"a": values}, {"a": values})
    with pytest.raises(NotMeasurable, match=says):
        Target.of(encoded(judged), "a", whole=False)


def test_the_quality_of_a_regression_is_r2_and_never_below_0():
    target = Target("y", "regression", np.empty(0), [])
    truth = np.array([1.0, 2.0, 4.0])
    assert target.quality(truth, np.array([1.0, 2.0, 3.0])) == pytest.approx(r2_score(truth, [1.0, 2.0, 3.0]))
    assert target.quality(truth, np.array([9.0, 9.0, 9.0])) == 0.0


def test_rare_levels_beyond_many_count_as_one():
    values = [f"v{i}" for i in range(300) for _ in range(1 + (i < 100))]
    judged = tables({"a": values, "b": [1.0] * len(values)}, {"a": values[:1], "b": [1.0]})
    codes = Features.of(encoded(judged)).matrix(encoded(judged).train)[:, 0]
    assert len(np.unique(codes)) == MOST_LEVELS + 1


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("name", ["buys", "group", "income"])
def test_every_learner_learns_every_kind_of_target(learner, name):
    sides = encoded(mixed_tables(600, 300, 60))
    target = Target.of(sides, name, whole=False)
    features = Features.of(sides, without=name)
    rows, truth = target.of_rows(sides.holdout)
    predicted = fit(learner, target, features, sides.train, seed=0)(features.matrix(sides.holdout.take(rows)))
    guessing = {"buys": 0.5, "group": 0.5, "income": 0.0}[name]
    assert target.quality(truth, predicted) > guessing + 0.05


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_table_with_one_class_gives_a_learner_that_guesses_it(learner):
    judged = tables({"y": ["a", "b"] * 20, "x": [1.0, 2.0] * 20}, {"y": ["a"] * 30, "x": [1.0] * 30})
    sides = encoded(judged)
    target = Target.of(sides, "y", whole=False)
    features = Features.of(sides, without="y")
    predicted = fit(learner, target, features, sides.synthetic, seed=0)(features.matrix(sides.train))
    assert (predicted == [1, 0]).all()
