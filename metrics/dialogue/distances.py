"""How far apart two sets of texts are: in counts, in shares, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from metrics.base import NotMeasurable
from metrics.detail import Detail
from metrics.dialogue.base import Texts

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer


class Counted(Detail):
    """Values, in order, and how often each occurs."""

    values: list[int]
    counts: list[int]


def ks_complement(one: np.ndarray, other: np.ndarray) -> float:
    """1 minus the largest gap between two empirical distribution functions."""
    if not len(one) or not len(other):
        raise NotMeasurable("One side holds no turns.")
    points = np.union1d(one, other)
    gap = np.searchsorted(np.sort(one), points, "right") / len(one)
    gap = gap - np.searchsorted(np.sort(other), points, "right") / len(other)
    return max(0.0, float(1 - np.abs(gap).max()))


def tv_complement(one: Counter[str], other: Counter[str]) -> float:
    """1 minus half the summed differences of two sets of shares."""
    here, there = shares_of(one), shares_of(other)
    return max(0.0, 1 - 0.5 * sum(abs(here.get(key, 0) - there.get(key, 0)) for key in here.keys() | there.keys()))


def js_complement(one: Counter[str], other: Counter[str]) -> float:
    """1 minus the Jensen-Shannon distance (base 2) of two sets of shares: 1 the same, 0 nothing in common."""
    keys = list(one.keys() | other.keys())
    if not one or not other:
        raise NotMeasurable("One side holds no words.")
    p = np.array([one[key] for key in keys], float) / one.total()
    q = np.array([other[key] for key in keys], float) / other.total()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = [np.where(side > 0, side * np.log2(side / middle), 0).sum() / 2 for side in (p, q)]
    return max(0.0, float(1 - np.sqrt(max(0.0, sum(halves)))))


def vectorizer() -> TfidfVectorizer:
    """TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=50_000, token_pattern=r"(?u)\b\w+\b")


def turn_lengths(texts: Texts) -> np.ndarray:
    """Words of each turn."""
    return np.array([len(words) for words in texts.words])


def word_counts(turns: Iterable[list[str]]) -> Counter[str]:
    """How often each word occurs."""
    return Counter(word for words in turns for word in words)


def shares_of(counts: Counter[str]) -> dict[str, float]:
    """Each key's share of all, the commonest first."""
    total = counts.total()
    return {key: count / total for key, count in counts.most_common()}


def most_lacking(of: Counter[str], other: Counter[str], most: int = 20) -> list[str]:
    """The words whose share falls most from one side to the other."""
    here, there = shares_of(of), shares_of(other)
    return sorted(here, key=lambda word: there.get(word, 0) - here[word])[:most]


def histogram(values: np.ndarray) -> Counted:
    """The values that occur, and how often each does."""
    found, counts = np.unique(values, return_counts=True)
    return Counted(values=found.tolist(), counts=counts.tolist())
