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
    def grow(cls, predictors: np.ndarray, outcome: np.ndarray, *, classes: bool, min_leaf: int, seed: int) -> Self:
        """Split rows (rows x columns, float32) until the `outcome` is as alike as leaves of `min_leaf` rows allow.

        `outcome` holds class numbers, or one or more numbers for each row.
        """
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if len(outcome) < 2 * min_leaf or not predictors.shape[1]:
            return cls.stump()
        grower = DecisionTreeClassifier if classes else DecisionTreeRegressor
        grown = grower(min_samples_leaf=min_leaf, random_state=seed).fit(predictors, outcome).tree_
        is_leaf = grown.children_left < 0
        return cls(
            np.where(is_leaf, -1, grown.feature).astype(np.int16),
            grown.threshold.astype(np.float32),
            grown.children_left.astype(np.int32),
            grown.children_right.astype(np.int32),
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
