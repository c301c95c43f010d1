"""Is the synthetic table as useful as the real one to somebody who trains a model on it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.base import NotMeasurable, Score, Tables, conformed, metric, once
from metrics.encode import Side, encoded, sample_rows
from metrics.intervals import resampled
from metrics.learners import LEARNERS, Features, Predict, Target, area, boosted, fit

MOST_ROWS = 50_000
LEAST_TEST_ROWS = 20


@dataclass(frozen=True)
class Task:
    """What is to be predicted, from what, and the tables to learn from, equally large."""

    target: Target
    features: Features
    real: Side
    synthetic: Side
    test: np.ndarray
    """Feature matrix of the holdout rows that have the target."""
    truth: np.ndarray
    suggested: bool
    """True when nobody chose the target."""

    @property
    def note(self) -> str:
        if not self.suggested:
            return ""
        return f"No target was chosen; {self.target.name} is predicted, the column the others tell most about."


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
    target = Target.of(sides, name, tables.schema[name].kind == "integer")
    features = Features.of(sides, without=name)
    rows, truth = target.of_rows(sides.holdout)
    if len(rows) < LEAST_TEST_ROWS:
        raise NotMeasurable(
            f"The holdout has {len(rows)} rows with the target {name!r} and a test needs at least {LEAST_TEST_ROWS}."
        )
    if len(np.unique(truth)) < 2:
        raise NotMeasurable(f"The target {name!r} has a single value in the holdout, so nothing can be tested.")
    size = min(sides.train.rows, sides.synthetic.rows, MOST_ROWS)
    real = sides.train.take(sample_rows(sides.train.rows, size, tables.seed))
    synthetic = sides.synthetic.take(sample_rows(sides.synthetic.rows, size, tables.seed))
    return Task(target, features, real, synthetic, features.matrix(sides.holdout)[rows], truth, not chosen)


@once
def learned(tables: Tables, learner: str, source: str) -> Predict:
    """One of `LEARNERS` trained on the `real` or the `synthetic` table of the task."""
    given = task(tables)
    return fit(learner, given.target, given.features, getattr(given, source), tables.seed)


@metric(
    "Train on synthetic, test on real",
    "utility",
    "Does a model trained on the synthetic table predict real people as well as one trained on real data?",
    0,
    1,
    "high",
    why="A model trained on equally many real rows is the yardstick.",
    cost="dear",
    needs=("holdout", "target"),
    matters=0.01,
    source="Esteban, Hyland and Rätsch 2017 (TSTR)",
)
def train_on_synthetic(tables: Tables) -> Score:
    """Does a model trained on the synthetic table predict real people as well as one trained on real data?

    Three learners are trained twice, on synthetic and on equally many training rows, and tested on the holdout. The
    value is that of the learner that does best with real data: the area under the ROC curve (several classes: each
    against the rest, averaged; 0.5 is guessing) or R² (0 is guessing). In [0, 1].
    """
    given = task(tables)
    rows = []
    for learner in LEARNERS:
        predicted = {source: learned(tables, learner, source)(given.test) for source in ("real", "synthetic")}
        rows.append(
            {
                "learner": learner,
                "synthetic": given.target.quality(given.truth, predicted["synthetic"]),
                "real": given.target.quality(given.truth, predicted["real"]),
                "predicted": predicted,
            }
        )
    best = max(rows, key=lambda row: row["real"])

    def interval(source: str) -> tuple[float, float]:
        predicted = best["predicted"][source]
        return resampled(
            lambda chosen: given.target.quality(given.truth[chosen], predicted[chosen]),
            best[source],
            len(given.truth),
            tables.seed,
        )

    score = Score(
        value=best["synthetic"],
        ci=interval("synthetic"),
        reference=best["real"],
        reference_ci=interval("real"),
        detail={
            "target": given.target.name,
            "task": given.target.task,
            "measure": given.target.measure,
            "guessing": 0.0 if given.target.task == "regression" else 0.5,
            "rows_of_each": given.real.rows,
            "learners": [
                {name: round(row[name], 6) if name != "learner" else row[name] for name in row if name != "predicted"}
                for row in rows
            ],
        },
        note=given.note,
    )
    if given.target.task != "regression" and len(np.unique(given.target.of_rows(given.synthetic)[1])) < 2:
        score.note = f"{score.note} The synthetic table holds a single class of {given.target.name}.".strip()
    return score


@once
def suggest_target(tables: Tables) -> str | None:
    """The column that the others tell most about, measured on training rows; None when they tell of none.

    A column that another one gives away (education and its number) is of no interest, so that anything predicted
    nearly perfectly comes last.
    """
    sides = encoded(tables)
    rows = np.random.default_rng(tables.seed).permutation(sides.train.rows)[:3000]
    learn, test = sides.train.take(rows[: len(rows) * 2 // 3]), sides.train.take(rows[len(rows) * 2 // 3 :])
    found: dict[str, float] = {}
    for column in conformed(tables).schema.modelled:
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
