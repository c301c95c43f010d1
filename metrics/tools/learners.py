"""Learners for the metrics that train something: what they see of a row, what they predict, and how well."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from metrics.base import NotMeasurable
from metrics.detail import RocCurve
from metrics.tools.encode import Encoded, Side
from metrics.tools.nearest import threads

Task = Literal["binary", "multiclass", "regression"]
Predict = Callable[[np.ndarray], np.ndarray]
"""From a feature matrix to one column of scores per class, or to one number per row."""
MOST_LEVELS = 200
"""Levels beyond this many, rarest in train first, count as one: no tree gains from a level of three rows."""
MOST_CLASSES = 20
FEW_VALUES = 10
"""A column of whole numbers with at most this many distinct values is predicted as classes (Survived: 0, 1)."""


@dataclass(frozen=True)
class Features:
    """What the learners see of a row: numbers as they are, levels as codes with the rare ones together."""

    names: list[str]
    codes: dict[str, np.ndarray]
    """For each column of levels: the code the learners see, by the code of the table (its last: missing)."""

    @classmethod
    def of(cls, tables_encoded: Encoded, without: str | None = None) -> Features:
        """All columns but the target."""
        codes = {}
        for name in tables_encoded.discrete:
            size = len(tables_encoded.levels[name]) + 1
            seen = np.bincount(tables_encoded.train.codes[name], minlength=size)
            common = np.argsort(-seen, kind="stable")[:MOST_LEVELS]
            codes[name] = np.full(size, len(common))
            codes[name][common] = np.arange(len(common))
        names = [name for name in tables_encoded.names if name != without]
        if not names:
            raise NotMeasurable("There is only one column, and nothing to predict it from.")
        return cls(names, codes)

    @property
    def categorical(self) -> list[int]:
        """Positions of the columns of levels in the matrix."""
        return [place for place, name in enumerate(self.names) if name in self.codes]

    def matrix(self, side: Side) -> np.ndarray:
        """Rows x columns, float64; missing numbers are NaN."""
        columns = [
            self.codes[name][side.codes[name]] if name in self.codes else side.numbers[name] for name in self.names
        ]
        return np.column_stack(columns).astype(np.float64)


@dataclass(frozen=True)
class Target:
    """What is predicted: classes 0, 1, ... or a number."""

    name: str
    task: Task
    values: np.ndarray
    """The values that are classes, in order: codes of the column, or its numbers. Empty for a regression."""
    classes: list[str]
    """Their labels."""

    @classmethod
    def of(cls, tables_encoded: Encoded, name: str, whole: bool) -> Target:
        """The target `name`; `whole` says whether its numbers are whole ones.

        Raises NotMeasurable when train has a single class, or more classes than anybody could learn.
        """
        if name in tables_encoded.levels:
            labels = tables_encoded.levels[name]
            values = np.unique(tables_encoded.train.codes[name])
            values = values[values < len(labels)]
            classes = [labels[value] for value in values]
        else:
            numbers = tables_encoded.train.numbers[name]
            values = np.unique(numbers[~np.isnan(numbers)])
            if len(values) > 1 and not (whole and len(values) <= FEW_VALUES):
                return cls(name, "regression", np.empty(0), [])
            classes = [f"{value:g}" for value in values]
        if len(values) < 2:
            raise NotMeasurable(f"The target {name!r} has a single class in the training data. Choose another target.")
        if len(values) > MOST_CLASSES:
            raise NotMeasurable(
                f"The target {name!r} has {len(values):,} classes, more than the {MOST_CLASSES} that can be "
                "predicted. Choose another target."
            )
        return cls(name, "binary" if len(values) == 2 else "multiclass", values, classes)

    def of_rows(self, side: Side) -> tuple[np.ndarray, np.ndarray]:
        """Which rows have the target (missing ones and classes unknown in train do not count), and its value there."""
        given = side.codes[self.name] if self.name in side.codes else side.numbers[self.name]
        if self.task == "regression":
            rows = np.flatnonzero(~np.isnan(given))
            return rows, given[rows]
        place = np.searchsorted(self.values, given).clip(0, len(self.values) - 1)
        rows = np.flatnonzero(self.values[place] == given)
        return rows, place[rows]

    @property
    def measure(self) -> str:
        """Name of what `quality` gives."""
        return {"binary": "ROC AUC", "multiclass": "ROC AUC, mean over classes", "regression": "R²"}[self.task]

    def quality(self, truth: np.ndarray, predicted: np.ndarray) -> float:
        """How well predicted: the area under the ROC curve (mean over the classes present), or R², at least 0."""
        if self.task == "regression":
            spread = float(((truth - truth.mean()) ** 2).sum())
            return max(0.0, 1 - float(((truth - predicted) ** 2).sum()) / spread) if spread else float("nan")
        if self.task == "binary":
            return area(truth == 1, predicted[:, 1])
        areas = [area(truth == place, predicted[:, place]) for place in range(len(self.classes))]
        return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")


def area(positive: np.ndarray, scores: np.ndarray) -> float:
    """The area under the ROC curve: how often a positive scores higher than a negative, ties half; NaN if one lacks."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float("nan")
    ordered = np.sort(scores)
    ranks = (np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right") + 1) / 2
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def curve(positive: np.ndarray, scores: np.ndarray, points: int = 100) -> RocCurve:
    """The ROC curve at evenly spaced false-positive rates, for a chart."""
    thresholds = np.sort(scores[~positive])[::-1]
    rates = np.linspace(0, 1, points + 1)
    places = np.minimum((rates * len(thresholds)).astype(int), len(thresholds) - 1)
    hits = np.sort(scores[positive])
    caught = 1 - np.searchsorted(hits, thresholds[places], "right") / len(hits)
    caught[-1] = 1.0
    return RocCurve(false_positive_rate=rates.round(4).tolist(), true_positive_rate=caught.round(4).tolist())


def boosted(task: Task, seed: int, **more: Any) -> Any:
    """Gradient-boosted trees with the library's own defaults, as the field's judges use them."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    learner = LGBMRegressor if task == "regression" else LGBMClassifier
    settings = {"n_estimators": 100, "random_state": seed, "verbose": -1, "n_jobs": threads()}
    # The same trees on any number of threads.
    return learner(**(settings | {"deterministic": True, "force_row_wise": True} | more))


def fit_boosted(target: Target, features: Features, matrix: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """Gradient-boosted trees (LightGBM)."""
    trees = boosted(target.task, seed).fit(matrix, truth, categorical_feature=features.categorical)
    return prediction(target, trees)


def fit_forest(target: Target, features: Features, matrix: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """A random forest: trees on bootstrap samples, averaged (LightGBM's)."""
    bagging = {"bagging_freq": 1, "bagging_fraction": 0.632, "feature_fraction_bynode": 0.5}
    trees = boosted(target.task, seed, boosting_type="rf", n_estimators=50, num_leaves=127, **bagging)
    return prediction(target, trees.fit(matrix, truth, categorical_feature=features.categorical))


def fit_linear(target: Target, features: Features, matrix: np.ndarray, truth: np.ndarray, seed: int) -> Predict:
    """A linear model on standardised numbers and one column per level: logistic or ridge regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    levelled = features.categorical
    numeric = [place for place in range(matrix.shape[1]) if place not in levelled]
    there = ~np.isnan(matrix[:, numeric])
    known = np.maximum(there.sum(axis=0), 1)
    middle = np.where(there, matrix[:, numeric], 0).sum(axis=0) / known
    spread = np.sqrt(np.where(there, (matrix[:, numeric] - middle) ** 2, 0).sum(axis=0) / known)
    spread[spread == 0] = 1

    def design(matrix: np.ndarray) -> np.ndarray:
        standard = (matrix[:, numeric] - middle) / spread
        # Ten deviations: one fortune must not bend the line for everybody.
        parts = [np.clip(np.nan_to_num(standard), -10, 10), np.isnan(standard).astype(float)]
        for place in levelled:
            size = min(int(features.codes[features.names[place]].max()) + 1, ONE_HOT_LEVELS)
            parts.append((matrix[:, [place]] == np.arange(size)).astype(float))
        return np.column_stack(parts)

    if target.task == "regression":
        line = Ridge(alpha=1.0).fit(design(matrix), truth)
        return lambda rows: line.predict(design(rows))
    with warnings.catch_warnings():
        # Fifty steps come within a thousandth of the best AUC.
        warnings.simplefilter("ignore", ConvergenceWarning)
        line = LogisticRegression(max_iter=50, tol=1e-3).fit(design(matrix), truth)
    return lambda rows: spread_classes(target, line.classes_, line.predict_proba(design(rows)))


ONE_HOT_LEVELS = 50
LEARNERS = {"boosted trees": fit_boosted, "random forest": fit_forest, "linear model": fit_linear}


def fit(learner: str, target: Target, features: Features, side: Side, seed: int) -> Predict:
    """Train one of `LEARNERS` on a table. A table with a single class gives a learner that always guesses it."""
    rows, truth = target.of_rows(side)
    if target.task == "regression":
        if not len(rows):
            return lambda matrix: np.zeros(len(matrix))
    elif len(np.unique(truth)) < 2:
        share = np.bincount(truth, minlength=len(target.classes)) / max(len(truth), 1)
        return lambda matrix: np.tile(share, (len(matrix), 1))
    return LEARNERS[learner](target, features, features.matrix(side)[rows], truth, seed)


def prediction(target: Target, trees: Any) -> Predict:
    """How fitted trees predict: a number, or a score for each of the target's classes."""
    if target.task == "regression":
        return trees.predict
    return lambda matrix: spread_classes(target, trees.classes_, trees.predict_proba(matrix))


def spread_classes(target: Target, known: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores with a column for every class of the target; 0 for those the learner never saw."""
    wide = np.zeros((len(scores), len(target.classes)))
    wide[:, known.astype(int)] = scores
    return wide
