"""Detection: can a classifier tell the synthetic rows from real ones?"""

from __future__ import annotations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables
from metrics.detail import ColumnShare, ColumnShares, Roc
from metrics.registry import metric
from metrics.tools.encode import Side, encoded
from metrics.tools.intervals import Interval, auc_interval, clip
from metrics.tools.learners import Features, area, boosted, curve
from metrics.tools.sampling import randomness, sample_rows

FOLDS = 5
LEAST_ROWS = 50
MOST_ROWS, MOST_CELLS = 20_000, 300_000
"""Rows of each table, and rows and columns multiplied."""


class DetectorDetail(ColumnShares, Roc):
    auc: float
    reference_auc: float
    rows_of_each: int


@metric(
    "Detector",
    "fidelity",
    "Can a classifier tell the synthetic rows from real rows?",
    0,
    1,
    "high",
    detail=DetectorDetail,
    place=110,
    why="1 means it can only guess; 0 means it is right every time.",
    cost="dear",
    needs=("holdout",),
    matters=0.05,
    source="SDMetrics detection metrics; Lopez-Paz and Oquab 2017, Revisiting classifier two-sample tests",
)
def detector(tables: Tables) -> Score:
    """Can a classifier tell the synthetic rows from real rows?

    Boosted trees learn to classify rows as real or synthetic, and are tested on rows they have not seen (5-fold
    cross-validation). The real rows are held-out ones: against training rows, a perfect copy of the training data
    would pass. 1 - (2 AUC - 1), in [0, 1], AUC below one half counting as guessing.
    Source: SDMetrics' detection score, with LightGBM as the learner.
    """
    sides = encoded(tables)
    most = min(MOST_ROWS, max(MOST_CELLS // len(sides.names), 1000))
    size = min(sides.holdout.rows, sides.synthetic.rows, sides.train.rows, most)
    if size < LEAST_ROWS:
        raise NotMeasurable(f"Only {size} rows can be compared and a detector needs at least {LEAST_ROWS} of each.")
    real = sides.holdout.take(sample_rows(sides.holdout.rows, size, tables.seed, "holdout"))
    features = Features.of(sides)
    synthetic = sides.synthetic.take(sample_rows(sides.synthetic.rows, size, tables.seed, "synthetic"))
    fresh = sides.train.take(sample_rows(sides.train.rows, size, tables.seed, "train"))
    suspicion, gains = suspicions(features, real, synthetic, tables.seed)
    fresh_suspicion, _ = suspicions(features, real, fresh, tables.seed)
    is_synthetic = np.repeat([False, True], size)
    auc, fresh_auc = area(is_synthetic, suspicion), area(is_synthetic, fresh_suspicion)
    order = np.argsort(-gains)
    return Score(
        value=indistinguishable(auc),
        ci=indistinguishable_interval(auc, size),
        reference=indistinguishable(fresh_auc),
        reference_ci=indistinguishable_interval(fresh_auc, size),
        detail=DetectorDetail(
            auc=round(auc, 6),
            reference_auc=round(fresh_auc, 6),
            rows_of_each=size,
            gave_it_away=[
                ColumnShare(column=features.names[place], share=round(float(gains[place]), 4)) for place in order
            ],
            roc=curve(is_synthetic, suspicion),
        ),
    )


def suspicions(features: Features, real: Side, other: Side, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How synthetic each row looks to trees that have not seen it (real rows first), and each column's part in it."""
    matrix = np.vstack([features.matrix(real), features.matrix(other)])
    is_other = np.repeat([0, 1], [real.rows, other.rows])
    rng = randomness(seed, "folds")
    fold = np.concatenate([rng.permutation(rows) % FOLDS for rows in (real.rows, other.rows)])
    suspicion, gains = np.zeros(len(matrix)), np.zeros(matrix.shape[1])
    for held_out in range(FOLDS):
        seen, unseen = fold != held_out, fold == held_out
        trees = boosted("binary", seed, importance_type="gain")
        trees.fit(matrix[seen], is_other[seen], categorical_feature=features.categorical)
        suspicion[unseen] = trees.predict_proba(matrix[unseen])[:, 1]
        gains += trees.feature_importances_
    return suspicion, gains / max(gains.sum(), 1e-12)


def indistinguishable(auc: float) -> float:
    return 1 - (2 * max(auc, 0.5) - 1)


def indistinguishable_interval(auc: float, rows: int) -> Interval:
    """The interval of `indistinguishable`; worse than guessing is guessing, and as uncertain."""
    low, high = auc_interval(max(auc, 0.5), rows, rows)
    return clip(indistinguishable(high), indistinguishable(low))
