"""Is the synthetic table as useful as the real one to somebody who trains a model on it?"""

from __future__ import annotations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables
from metrics.detail import Calibration, CalibrationGroup, Detail, Importance, Importances, Learner, Learners
from metrics.registry import metric
from metrics.tools.compare import plain
from metrics.tools.intervals import Interval, resampled
from metrics.tools.learners import LEARNERS, Predict, Target, fit
from metrics.tools.sampling import randomness, sample_rows
from metrics.utility.task import Task, learned, predicted, task

MOST_SHUFFLED, MOST_SHUFFLED_CELLS, ASKED_AT_ONCE = 2000, 60_000, 20_000
GROUPS = 10
BEST = "boosted trees"
"""The learner of the metrics that look at one model only."""


class TrainedDetail(Learners):
    task: str
    guessing: float
    """What guessing scores."""


class GainDetail(Detail):
    target: str
    measure: str
    alone: float | None
    together: float | None
    rows: int
    rows_added: int


class CalibrationDetail(Calibration):
    target: str


@metric(
    "Train on synthetic, test on real",
    "utility",
    "Does a model trained on the synthetic table predict real people as well as one trained on real data?",
    0,
    1,
    "high",
    detail=TrainedDetail,
    place=10,
    why="The benchmark is a model trained on equally many real rows.",
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
    quality = {
        learner: {
            source: given.target.quality(given.truth, predicted(tables, learner, source))
            for source in ("synthetic", "real")
        }
        for learner in LEARNERS
    }
    best = max(quality, key=lambda learner: quality[learner]["real"])

    def interval(source: str) -> Interval:
        scores = predicted(tables, best, source)
        return resampled(
            lambda rows: given.target.quality(given.truth[rows], scores[rows]),
            quality[best][source],
            len(given.truth),
            tables.seed,
        )

    score = Score(
        value=quality[best]["synthetic"],
        ci=interval("synthetic"),
        reference=quality[best]["real"],
        reference_ci=interval("real"),
        detail=TrainedDetail(
            target=given.target.name,
            task=given.target.task,
            measure=given.target.measure,
            guessing=0.0 if given.target.task == "regression" else 0.5,
            rows_of_each=given.real.rows,
            learners=[
                Learner(learner=learner, synthetic=plain(found["synthetic"]), real=plain(found["real"]))
                for learner, found in quality.items()
            ],
        ),
        note=given.note,
    )
    if given.target.task != "regression" and len(np.unique(given.target.of_rows(given.synthetic)[1])) < 2:
        score.note = f"{score.note} The synthetic table holds a single class of {given.target.name}.".strip()
    return score


@metric(
    "Feature importance agreement",
    "utility",
    "Does a model trained on the synthetic table decide by the same columns as one trained on real data?",
    0,
    1,
    "high",
    detail=Importances,
    place=20,
    why="1 means every column has the same weight in both; the benchmark is a model trained on other real rows.",
    cost="dear",
    needs=("holdout", "target"),
    # Two models of real data from different rows agree no better (measured on ten data sets).
    matters=0.15,
    source="permutation importance: Breiman 2001",
)
def importance_agreement(tables: Tables) -> Score:
    """Does a model trained on the synthetic table decide by the same columns as one trained on real data?

    Two models can be equally often right for different reasons. A column's importance is how much worse boosted
    trees predict holdout rows when that column is shuffled; importances are made to sum to 1, and the score is what
    the two models have in common. In [0, 1]. The reference is a model trained on the holdout itself.
    """
    given = task(tables)
    trees = max(len(given.target.classes) - 1, 1)
    most = min(MOST_SHUFFLED, MOST_SHUFFLED_CELLS // (len(given.features.names) * trees))
    rows = sample_rows(len(given.truth), max(most, 200), tables.seed, "importance")
    test, truth = given.test[rows], given.truth[rows]
    losses = {
        source: shuffling_losses(given.target, learned(tables, BEST, source), test, truth, tables.seed)
        for source in ("real", "synthetic", "holdout")
    }
    value, reference = (in_common(losses["real"], losses[source]) for source in ("synthetic", "holdout"))
    if not np.isfinite(value):
        raise NotMeasurable(
            f"Trees trained on {given.real.rows} rows learned nothing of {given.target.name!r}, so no column is important."
        )

    def interval(source: str, value: float) -> Interval:
        return resampled(
            lambda rows: in_common(losses["real"][rows], losses[source][rows]), value, len(truth), tables.seed
        )

    shares = {source: importances(found) for source, found in losses.items()}
    order = np.argsort(-shares["real"])
    return Score(
        value=value,
        ci=interval("synthetic", value),
        reference=reference,
        reference_ci=interval("holdout", reference),
        detail=Importances(
            target=given.target.name,
            columns=[
                Importance(
                    column=given.features.names[place],
                    real=plain(shares["real"][place]),
                    synthetic=plain(shares["synthetic"][place]),
                )
                for place in order
            ],
        ),
        note=given.note,
    )


def shuffling_losses(target: Target, predict: Predict, test: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    """How much worse each row is predicted when a column is shuffled (rows x columns)."""
    rng = randomness(seed, "shuffling")
    rows, columns = test.shape
    before = losses_of(target, predict(test), truth)
    found = np.empty(test.shape)
    # Several columns' tables at once: of few rows a prediction costs little more than asking for it.
    step = max(1, ASKED_AT_ONCE // rows)
    for start in range(0, columns, step):
        shuffled = range(start, min(start + step, columns))
        asked = np.tile(test, (len(shuffled), 1))
        for place, column in enumerate(shuffled):
            asked[place * rows : (place + 1) * rows, column] = rng.permutation(test[:, column])
        losses = losses_of(target, predict(asked), np.tile(truth, len(shuffled)))
        found[:, shuffled] = losses.reshape(len(shuffled), rows).T - before[:, None]
    return found


def losses_of(target: Target, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared error of each row: of the number, or summed over the classes' probabilities."""
    if target.task == "regression":
        return (scores - truth) ** 2
    return ((scores - np.eye(len(target.classes))[truth]) ** 2).sum(axis=1)


def importances(losses: np.ndarray) -> np.ndarray:
    """Each column's share of the harm that shuffling does; NaN when it does none."""
    harm = np.clip(losses.mean(axis=0), 0, None)
    return harm / harm.sum() if harm.sum() else np.full(len(harm), np.nan)


def in_common(real: np.ndarray, other: np.ndarray) -> float:
    """What two models' importances have in common, 0 to 1: nothing when the other goes by no column at all."""
    return float(np.minimum(importances(real), np.nan_to_num(importances(other))).sum())


@metric(
    "Augmentation gain",
    "utility",
    "Does a model get better when the synthetic rows are added to the real ones?",
    -1,
    1,
    "high",
    detail=GainDetail,
    place=30,
    why="Above 0 the added rows help, below they harm; held-out real rows hardly ever harm.",
    cost="dear",
    needs=("holdout", "target"),
    matters=0.005,
    source="SDMetrics, data augmentation",
)
def augmentation_gain(tables: Tables) -> Score:
    """Does a model get better when the synthetic rows are added to the real ones?

    Boosted trees trained on training rows and synthetic rows together, less those trained on the training rows
    alone, tested on the holdout. For the reference half of the holdout is added and the other half tested. The
    difference of the areas under the ROC curve, or of R². In [-1, 1].
    """
    given = task(tables)
    alone = predicted(tables, BEST, "real")
    with_synthetic = fit(BEST, given.target, given.features, given.real.above(given.synthetic), tables.seed)(given.test)
    added, tested = np.array_split(randomness(tables.seed, "added").permutation(len(given.truth)), 2)
    with_fresh = fit(BEST, given.target, given.features, given.real.above(given.holdout.take(added)), tables.seed)
    value, interval = gain(given, with_synthetic, alone, given.truth, tables.seed)
    reference, reference_interval = gain(
        given, with_fresh(given.test[tested]), alone[tested], given.truth[tested], tables.seed
    )
    return Score(
        value=value,
        ci=interval,
        reference=reference,
        reference_ci=reference_interval,
        detail=GainDetail(
            target=given.target.name,
            measure=given.target.measure,
            alone=plain(given.target.quality(given.truth, alone)),
            together=plain(given.target.quality(given.truth, with_synthetic)),
            rows=given.real.rows,
            rows_added=given.synthetic.rows,
        ),
        note=given.note,
    )


def gain(given: Task, more: np.ndarray, alone: np.ndarray, truth: np.ndarray, seed: int) -> tuple[float, Interval]:
    """How much better `more` predicts than `alone`, and the interval."""

    def measure(rows: np.ndarray) -> float:
        return given.target.quality(truth[rows], more[rows]) - given.target.quality(truth[rows], alone[rows])

    value = measure(np.arange(len(truth)))
    return value, resampled(measure, value, len(truth), seed, bounds=(-1, 1))


@metric(
    "Calibration error",
    "utility",
    "When a model trained on the synthetic table says 70 percent, is it right in 70 of 100 cases?",
    0,
    None,
    "low",
    detail=CalibrationDetail,
    place=40,
    why="0 means that its probabilities are exact.",
    cost="dear",
    needs=("holdout", "target"),
    # Three percentage points more or less change no decision.
    matters=0.03,
    source="Naeini, Cooper and Hauskrecht 2015 (expected calibration error)",
)
def calibration(tables: Tables) -> Score:
    """When a model trained on the synthetic table says 70 percent, is it right in 70 of 100 cases?

    The holdout rows, ordered by what boosted trees predict, in ten equal groups: the difference between the mean
    prediction and what was true, averaged over the groups. Several classes: of the class it holds likeliest.
    Numbers: in units of the target's standard deviation. At least 0.
    """
    given = task(tables)

    def measure(source: str) -> tuple[float, Interval, list[CalibrationGroup]]:
        said, happened = claims(given.target, predicted(tables, BEST, source), given.truth)
        value, groups = calibration_error(said, happened)
        interval = resampled(
            lambda rows: calibration_error(said[rows], happened[rows])[0],
            value,
            len(said),
            tables.seed,
            bounds=(0, None),
        )
        return value, interval, groups

    value, interval, groups = measure("synthetic")
    reference, reference_interval, real_groups = measure("real")
    return Score(
        value=value,
        ci=interval,
        reference=reference,
        reference_ci=reference_interval,
        detail=CalibrationDetail(target=given.target.name, synthetic=groups, real=real_groups),
        note=given.note,
    )


def claims(target: Target, scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a model says of each row and what happened, in the same unit."""
    if target.task == "regression":
        unit = float(truth.std()) or 1.0
        return scores / unit, truth / unit
    if target.task == "binary":
        return scores[:, 1], (truth == 1).astype(float)
    return scores.max(axis=1), (scores.argmax(axis=1) == truth).astype(float)


def calibration_error(said: np.ndarray, happened: np.ndarray) -> tuple[float, list[CalibrationGroup]]:
    """The mean difference over ten groups of rows, and the groups."""
    groups = [group for group in np.array_split(np.argsort(said, kind="stable"), GROUPS) if len(group)]
    means = [(float(said[group].mean()), float(happened[group].mean()), len(group)) for group in groups]
    error = sum(abs(claim - truth) * rows for claim, truth, rows in means) / len(said)
    return error, [
        CalibrationGroup(said=plain(claim), happened=plain(truth), rows=rows) for claim, truth, rows in means
    ]
