"""The prediction task of the utility metrics: what is predicted, from what, and the models trained for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.base import NotMeasurable, Tables, conformed, once
from metrics.fidelity.correlation import associations
from metrics.tools.compare import NO_HOLDOUT
from metrics.tools.encode import Encoded, Side, encoded
from metrics.tools.learners import Features, Predict, Target, area, boosted, fit
from metrics.tools.sampling import randomness, sample_rows

MOST_ROWS, MOST_TEST_ROWS = 30_000, 20_000
LEAST_TEST_ROWS = 20
MOST_CELLS = 2_500_000
"""Rows, columns and classes of what is learned, multiplied: boosted trees cost so much of each."""
MOST_TRIED = 15
"""Columns tried as a target where nobody chose one."""


@dataclass(frozen=True)
class Task:
    """What is to be predicted, from what, and the tables to learn from, equally large."""

    target: Target
    features: Features
    real: Side
    synthetic: Side
    holdout: Side
    test: np.ndarray
    """Feature matrix of the holdout rows that have the target."""
    truth: np.ndarray
    suggested: bool
    """True when nobody chose the target."""

    @property
    def note(self) -> str:
        if not self.suggested:
            return ""
        return f"No target was chosen; {self.target.name} is predicted, the column that the others predict best."


@once
def task(tables: Tables) -> Task:
    """The prediction task of these tables. Raises NotMeasurable when there is none."""
    tables, sides = conformed(tables), encoded(tables)
    chosen = tables.target or tables.schema.target
    name = chosen or suggest_target(tables)
    if name is None:
        raise NotMeasurable("No column can be predicted from the others. Choose a target column.")
    if name not in sides.names:
        raise NotMeasurable(f"The target {name!r} is not a column that is learned. Choose a feature as target.")
    if sides.holdout is None:
        raise NotMeasurable(NO_HOLDOUT)
    target = Target.of(sides, name, tables.schema[name].kind == "integer")
    features = Features.of(sides, without=name)
    rows, truth = target.of_rows(sides.holdout)
    if len(rows) < LEAST_TEST_ROWS:
        raise NotMeasurable(
            f"The holdout has {len(rows)} rows with the target {name!r} and a test needs at least {LEAST_TEST_ROWS}."
        )
    if len(np.unique(truth)) < 2:
        raise NotMeasurable(f"The target {name!r} has a single value in the holdout, so nothing can be tested.")
    learnable = max(MOST_CELLS // (len(features.names) * max(len(target.classes) - 1, 1)), 2000)
    size = min(sides.train.rows, sides.synthetic.rows, MOST_ROWS, learnable)
    real = sides.train.take(sample_rows(sides.train.rows, size, tables.seed, "train"))
    synthetic = sides.synthetic.take(sample_rows(sides.synthetic.rows, size, tables.seed, "synthetic"))
    tested = sample_rows(len(rows), MOST_TEST_ROWS, tables.seed, "test")
    holdout, truth = sides.holdout.take(rows[tested]), truth[tested]
    return Task(target, features, real, synthetic, holdout, features.matrix(holdout), truth, not chosen)


@once
def learned(tables: Tables, learner: str, source: str) -> Predict:
    """One of `LEARNERS` trained on the `real`, the `synthetic` or the `holdout` rows of the task."""
    given = task(tables)
    return fit(learner, given.target, given.features, getattr(given, source), tables.seed)


@once
def predicted(tables: Tables, learner: str, source: str) -> np.ndarray:
    """What it says of the test rows."""
    return learned(tables, learner, source)(task(tables).test)


@once
def suggest_target(tables: Tables) -> str | None:
    """The column that the others predict best, measured on training rows; None when they predict none.

    A column that another one determines (education and its number) is of no interest, so that anything predicted
    almost perfectly comes last.
    """
    sides = encoded(tables)
    rows = randomness(tables.seed, "target").permutation(sides.train.rows)[:3000]
    learn, test = sides.train.take(rows[: len(rows) * 2 // 3]), sides.train.take(rows[len(rows) * 2 // 3 :])
    likely, found = likely_targets(sides), dict[str, float]()
    for column in conformed(tables).schema.modelled:
        if column.name not in likely:
            continue
        try:
            target = Target.of(sides, column.name, column.kind == "integer")
            features = Features.of(sides, without=column.name)
        except NotMeasurable:
            continue
        (learn_rows, learn_truth), (test_rows, test_truth) = target.of_rows(learn), target.of_rows(test)
        if len(learn_rows) < 30 or len(test_rows) < 15 or len(np.unique(learn_truth)) < 2:
            continue
        trees = boosted(target.task, tables.seed, n_estimators=20)
        trees.fit(features.matrix(learn)[learn_rows], learn_truth, categorical_feature=features.categorical)
        matrix = features.matrix(test)[test_rows]
        if target.task == "regression":
            skill = target.quality(test_truth, trees.predict(matrix))
        else:
            scores = trees.predict_proba(matrix)
            areas = [area(test_truth == known, scores[:, place]) for place, known in enumerate(trees.classes_)]
            skill = 2 * float(np.nanmean(areas)) - 1 if np.isfinite(areas).any() else 0.0
        found[column.name] = skill - 1 if skill > 0.99 else skill
    best = max(found, key=found.__getitem__, default=None)
    return best if best is not None and found[best] > -0.05 and found[best] != 0 else None


def likely_targets(sides: Encoded) -> list[str]:
    """The columns worth trying as a target: of many those that go together most with the others, two by two."""
    if len(sides.names) <= MOST_TRIED:
        return sides.names
    strength = np.nan_to_num(associations(sides, sides.train)) ** 2
    np.fill_diagonal(strength, 0)
    return [sides.names[place] for place in np.argsort(-strength.sum(axis=1), kind="stable")[:MOST_TRIED]]
