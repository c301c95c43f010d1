"""A number as what boosted trees expect of it, and an error drawn from a leaf of rows that err alike."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from synth.generators.trees.cart import Cart, Leaves

ROUNDS = 100
BINS = 50
"""Steps in which two ways of drawing a number are compared."""
PRIOR = 3.0
"""Rows of the whole column that are mixed into each leaf when they are compared."""


class Halves(NamedTuple):
    """Boosted trees fitted on each half of the rows, and what each expects of the half it has not seen."""

    models: list[Any]
    expected: np.ndarray
    is_first: np.ndarray

    @classmethod
    def fit(cls, predictors: np.ndarray, scores: np.ndarray, rounds: int, seed: int) -> Self:
        import lightgbm

        # The same trees on any number of threads.
        settings = {"objective": "regression", "learning_rate": 0.1, "lambda_l2": 1.0, "verbose": -1, "seed": seed}
        settings |= {"deterministic": True, "force_col_wise": True, "num_threads": 1}
        is_first = np.random.default_rng([seed, 1]).permutation(len(scores)) % 2 == 0
        models, expected = [], np.empty(len(scores))
        for seen in (is_first, ~is_first):
            learn = lightgbm.Dataset(predictors[seen], scores[seen])
            models.append(lightgbm.train(settings, learn, rounds))
            expected[~seen] = models[-1].predict(predictors[~seen], num_threads=1)
        return cls(models, expected, is_first)


class Boosted(NamedTuple):
    """Draws normal scores: what one of the models expects, plus an error from a leaf.

    One of them, by chance, since the errors are those of one model on rows it has not seen; around the mean of both
    they are too large, and every training row would have had its say in it.
    """

    models: list[Any]
    errors: Leaves

    @classmethod
    def of(cls, halves: Halves, predictors: np.ndarray, scores: np.ndarray, min_leaf: int, seed: int) -> Self:
        return cls(halves.models, _errors(halves, predictors, scores, min_leaf, seed, np.ones(len(scores), bool)))

    @classmethod
    def of_texts(cls, texts: list[str], errors: Leaves) -> Self:
        """From what `texts` gave."""
        import lightgbm

        return cls([lightgbm.Booster(model_str=text) for text in texts], errors)

    def texts(self) -> list[str]:
        """The models as LightGBM writes them."""
        return [model.model_to_string() for model in self.models]

    def draw(self, predictors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        is_first, expected = rng.random(len(predictors)) < 0.5, np.empty(len(predictors))
        for model, rows in zip(self.models, (is_first, ~is_first), strict=True):
            if rows.any():
                expected[rows] = model.predict(predictors[rows], num_threads=1)
        leaf = self.errors.cart.find(_beside(predictors, expected))
        start, last = self.errors.starts[leaf], self.errors.starts[leaf + 1] - 1
        place = start + self.errors.spread(leaf, rng) * (last - start)
        below = place.astype(np.int64)
        donors = self.errors.donors
        lower, upper = donors[below], donors[np.minimum(below + 1, last)]
        return expected + lower + (upper - lower) * (place - below)

    def likelihood(self, predictors: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """How dense the errors of a row's leaf lie around the one that its score would need."""
        expected = self._expected(predictors)
        leaf = self.errors.cart.find(_beside(predictors, expected))
        start, last = self.errors.starts[leaf], self.errors.starts[leaf + 1] - 1
        reach = (self.errors.donors[last] - self.errors.donors[start]) / 8 + 1e-3
        near = _count(self.errors, leaf, scores - expected - reach, scores - expected + reach)
        return (near + 0.1) / (last - start + 2) / reach

    def _expected(self, predictors: np.ndarray) -> np.ndarray:
        return sum(model.predict(predictors, num_threads=1) for model in self.models) / len(self.models)


def fits_better(
    halves: Halves, predictors: np.ndarray, scores: np.ndarray, ends: np.ndarray, min_leaf: int, seed: int
) -> bool:
    """Whether errors around an expectation say more about rows not seen than plain leaves of values do.

    Both are learned on one half and asked how likely they hold the other half's scores, in `BINS` steps of the
    column; `ends` are the shares of rows up to each of its values. Expectations win where a number follows others
    closely; plain leaves win where values cluster, such as the longitudes of towns, which an error would wash out.
    """
    from scipy.special import ndtr, ndtri

    first, second = halves.is_first, ~halves.is_first
    edges = np.unique([0.0, *ends[np.minimum(np.searchsorted(ends, np.arange(1, BINS) / BINS), len(ends) - 1)], 1.0])
    step = np.clip(np.searchsorted(edges, ndtr(scores), "right") - 1, 0, len(edges) - 2)
    low, high, share = ndtri(edges)[step], ndtri(edges)[step + 1], np.diff(edges)[step]

    def mean_log(leaves: Leaves, matrix: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:

        leaf = leaves.cart.find(matrix[second])
        size = leaves.starts[leaf + 1] - leaves.starts[leaf]
        inside = _count(leaves, leaf, low[second], high[second])
        return float(np.log((inside + PRIOR * share[second]) / (size + PRIOR)).mean())

    errors = _errors(halves, predictors, scores, min_leaf, seed, first)
    cart = Cart.grow(predictors[first], ndtr(scores[first]), classes=False, min_leaf=min_leaf, seed=seed)
    plain = Leaves.fill(cart, predictors[first], scores[first])
    expected = halves.expected
    around = mean_log(errors, _beside(predictors, expected), low - expected, high - expected)
    return around > mean_log(plain, predictors, low, high)


def _errors(
    halves: Halves, predictors: np.ndarray, scores: np.ndarray, min_leaf: int, seed: int, rows: np.ndarray
) -> Leaves:
    """Leaves of rows whose errors are alike in sign and size."""
    errors = (scores - halves.expected)[rows]
    matrix = _beside(predictors, halves.expected)[rows]
    rank = np.argsort(np.argsort(errors)) / len(errors)
    outcome = np.stack([rank, 2 * np.abs(rank - 0.5)], axis=1)
    return Leaves.fill(Cart.grow(matrix, outcome, classes=False, min_leaf=min_leaf, seed=seed), matrix, errors)


def _beside(predictors: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.column_stack([predictors, expected]).astype(np.float32)


def _count(leaves: Leaves, leaf: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How many of each leaf's donors lie from `low` to below `high`; donors and bounds are scores or their errors."""
    # Leaves are set apart, further than scores reach, so that one sorted array holds them all.
    apart = 100.0
    donors = np.clip(leaves.donors, -49, 49) + apart * np.repeat(
        np.arange(len(leaves.starts) - 1), np.diff(leaves.starts)
    )
    low, high = (np.searchsorted(donors, apart * leaf + np.clip(bound, -49, 49)) for bound in (low, high))
    return high - low
