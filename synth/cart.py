"""A classification or regression tree as plain arrays: grown by scikit-learn, walked and saved without it."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np


class Cart(NamedTuple):
    """Nodes in the order of a depth-first walk, so that the leaves of every subtree lie side by side."""

    feature: np.ndarray
    """The predictor a node splits on; -1 in a leaf."""
    threshold: np.ndarray
    """Rows at or below it go left."""
    left: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    """The leaves' numbers, from left to right."""

    @classmethod
    def grow(
        cls,
        predictors: np.ndarray,
        outcome: np.ndarray,
        *,
        classes: bool,
        min_leaf: int,
        seed: int,
        chance: float = 1.0,
    ) -> Self:
        """Split rows (rows x columns, float32) until the `outcome` is as alike as leaves of `min_leaf` rows allow.

        `outcome` holds class numbers, or a number for each row. Branches without a split that chance would give
        with a probability below `chance` (shared among the predictors) are cut off; 1 keeps them all.
        """
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if len(outcome) < 2 * min_leaf or not predictors.shape[1]:
            return cls.stump()
        grower = DecisionTreeClassifier if classes else DecisionTreeRegressor
        grown = grower(min_samples_leaf=min_leaf, random_state=seed).fit(predictors, outcome).tree_
        kept = _kept(grown, classes, chance / predictors.shape[1]) if chance < 1 else grown.children_left >= 0
        return cls._of(grown, kept)

    @classmethod
    def _of(cls, grown, kept: np.ndarray) -> Self:
        """The nodes that are reached when only the `kept` ones split."""
        reached = np.zeros(len(kept), bool)
        reached[0] = True
        for node in np.flatnonzero(kept):
            if reached[node]:
                reached[[grown.children_left[node], grown.children_right[node]]] = True
        place = (np.cumsum(reached) - 1).astype(np.int32)
        is_leaf = ~kept[reached]
        return cls(
            np.where(is_leaf, -1, grown.feature[reached]).astype(np.int16),
            grown.threshold[reached].astype(np.float32),
            np.where(is_leaf, -1, place[grown.children_left[reached]]).astype(np.int32),
            np.where(is_leaf, -1, place[grown.children_right[reached]]).astype(np.int32),
            (np.cumsum(is_leaf) - 1).astype(np.int32),
        )

    @classmethod
    def stump(cls) -> Self:
        """The tree that has not learned anything: one leaf."""
        none = np.full(1, -1, np.int32)
        return cls(none.astype(np.int16), np.zeros(1, np.float32), none, none, np.zeros(1, np.int32))

    @property
    def leaves(self) -> int:
        return int(self.leaf[-1]) + 1

    def find(self, predictors: np.ndarray) -> np.ndarray:
        """The leaf each row falls into."""
        node = np.zeros(len(predictors), np.int32)
        rows = np.arange(len(predictors)) if self.left[0] >= 0 else np.empty(0, int)
        while len(rows):
            at = node[rows]
            at = np.where(predictors[rows, self.feature[at]] <= self.threshold[at], self.left[at], self.right[at])
            node[rows] = at
            rows = rows[self.left[at] >= 0]
        return self.leaf[node]


def _kept(grown, classes: bool, chance: float) -> np.ndarray:
    """Which nodes split: those whose split is significant, and those above one that is.

    The likelihood-ratio test for classes, the F test (in its limit for many rows) for numbers.
    """
    from scipy.stats import chi2

    inner = np.flatnonzero(grown.children_left >= 0)
    left, right = grown.children_left[inner], grown.children_right[inner]
    rows = grown.weighted_n_node_samples
    if classes:
        shares = grown.value[:, 0, :] / grown.value[:, 0, :].sum(axis=1, keepdims=True)
        entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1) * rows
        statistic = 2 * (entropy[inner] - entropy[left] - entropy[right])
        freedom = np.maximum((shares[inner] > 0).sum(axis=1) - 1, 1)
    else:
        within = rows[left] * grown.impurity[left] + rows[right] * grown.impurity[right]
        between = rows[inner] * grown.impurity[inner] - within
        statistic = between / np.maximum(within / np.maximum(rows[inner] - 2, 1), 1e-15)
        freedom = np.ones(len(inner))
    kept = np.zeros(len(rows), bool)
    kept[inner] = statistic > chi2.ppf(1 - chance, freedom)
    # Children stand behind their parents.
    for node in inner[::-1]:
        kept[node] |= kept[grown.children_left[node]] or kept[grown.children_right[node]]
    return kept
