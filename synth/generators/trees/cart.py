"""A classification or regression tree as plain arrays: grown by scikit-learn, walked and saved without it."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

CHANCE = 0.4
"""A split stays when, were its two sides alike, chance would give as good a one in this share of nodes at most.

Lenient for a test of significance. Measured on adult, california_housing and telco_churn: with 1 (no test) rows come
out nearer to training rows than to others (DCR share 0.54), with 0.05 a detector finds what the trees no longer see
(0.94 in place of 0.97)."""


class Cart(NamedTuple):
    """Nodes in the order of a depth-first walk, so that leaves are numbered from left to right."""

    feature: np.ndarray
    """The predictor a node splits on; -1 in a leaf."""
    threshold: np.ndarray
    """Rows at or below it go left."""
    left: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    """The number of each node that is a leaf."""

    @classmethod
    def grow(cls, predictors: np.ndarray, outcome: np.ndarray, *, classes: bool, min_leaf: int, seed: int) -> Self:
        """Split rows (rows x columns, float32) as long as it makes the `outcome` more alike than chance would.

        `outcome` holds class numbers, or one or more numbers for each row. Leaves have at least `min_leaf` rows.
        """
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        if len(outcome) < 2 * min_leaf or not predictors.shape[1]:
            return cls.stump()
        grower = DecisionTreeClassifier if classes else DecisionTreeRegressor
        grown = grower(min_samples_leaf=min_leaf, random_state=seed).fit(predictors, outcome).tree_
        inner = np.flatnonzero(grown.children_left >= 0)
        told = (_class_evidence if classes else _number_evidence)(grown, inner, CHANCE / predictors.shape[1])
        kept = np.zeros(grown.node_count, bool)
        kept[inner] = told
        # From the bottom: a split is kept too for what is told below it.
        for node in inner[::-1].tolist():
            kept[node] = kept[node] or kept[grown.children_left[node]] or kept[grown.children_right[node]]
        there = np.zeros(grown.node_count, bool)
        there[0] = True
        for node in np.flatnonzero(kept).tolist():
            there[grown.children_left[node]] = there[grown.children_right[node]] = True
        place = np.where(there, np.cumsum(there) - 1, -1)
        is_leaf = ~kept[there]
        return cls(
            np.where(is_leaf, -1, grown.feature[there]).astype(np.int16),
            grown.threshold[there].astype(np.float32),
            np.where(is_leaf, -1, place[grown.children_left[there]]).astype(np.int32),
            np.where(is_leaf, -1, place[grown.children_right[there]]).astype(np.int32),
            (np.cumsum(is_leaf) - 1).astype(np.int32),
        )

    @classmethod
    def stump(cls) -> Self:
        """The tree that has not learned anything: one leaf."""
        none = np.full(1, -1, np.int32)
        return cls(none.astype(np.int16), np.zeros(1, np.float32), none, none, np.zeros(1, np.int32))

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


class Leaves(NamedTuple):
    """A tree whose leaves hold the values of the rows that fell into them, in order."""

    cart: Cart
    starts: np.ndarray
    """Where each leaf's donors begin, and where those of the last end."""
    donors: np.ndarray

    @classmethod
    def fill(cls, cart: Cart, predictors: np.ndarray, values: np.ndarray) -> Self:
        leaf = cart.find(predictors)
        starts = np.searchsorted(np.sort(leaf), np.arange(cart.leaf[-1] + 2))
        return cls(cart, starts.astype(np.int64), values[np.lexsort((values, leaf))])

    def spread(self, leaf: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """For rows in `leaf`, places from 0 to 1 in it: at random, but together evenly over the whole leaf.

        Drawn each by itself, some donors would give to several rows and others to none, and the rows that share a
        donor tell a synthetic table from a real one: of 26,000 rows of adult drawn with replacement a detector finds
        as much (AUC 0.52) as of good synthetic ones.
        """
        order = rng.permutation(len(leaf))
        order = order[np.argsort(leaf[order], kind="stable")]
        here = np.bincount(leaf, minlength=len(self.starts) - 1)
        turn = np.empty(len(leaf))
        turn[order] = np.arange(len(leaf)) - np.repeat(np.cumsum(here) - here, here)
        return (turn + rng.random(len(here))[leaf]) / here[leaf]


def _number_evidence(grown: Any, inner: np.ndarray, chance: float) -> np.ndarray:
    """Which splits of a regression tree chance does not explain: variance between the sides against that within."""
    from scipy.special import chdtri

    rows, variance = grown.weighted_n_node_samples, grown.impurity
    left, right = grown.children_left[inner], grown.children_right[inner]
    within = rows[left] * variance[left] + rows[right] * variance[right]
    between = rows[inner] * variance[inner] - within
    outcomes = grown.value.shape[1]
    evidence = outcomes * between * np.maximum(rows[inner] - 2, 1) / np.maximum(within, 1e-12 * rows[inner])
    return evidence > chdtri(outcomes, chance)


def _class_evidence(grown: Any, inner: np.ndarray, chance: float) -> np.ndarray:
    """Which splits of a classification tree chance does not explain: the likelihood ratio of two sides against one."""
    from scipy.special import chdtri

    rows, shares = grown.weighted_n_node_samples, grown.value[:, 0, :]
    shares = shares / shares.sum(axis=1, keepdims=True)
    surprise = -rows * (shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1)
    evidence = 2 * (surprise[inner] - surprise[grown.children_left[inner]] - surprise[grown.children_right[inner]])
    present = (shares[inner] > 0).sum(axis=1)
    return evidence > chdtri(np.maximum(present - 1, 1), chance)
