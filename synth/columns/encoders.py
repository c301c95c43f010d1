"""Columns as whole numbers: what a tree sees, and what of a column's values may come out again.

Here the privacy of single numbers is kept, before any model is fitted: values that few rows have are never repeated as
they are, and the ends of a column are cut off. Levels that few rows have are gone before (`synth.columns.rare`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from synth.columns.numeric import as_floats, as_kind
from synth.schema import Column

COMMON_SHARE = 0.0005
"""A value is common when so many of the rows share it, and drawn as it is."""


class CategoryEncoder:
    """A column of categories or booleans. Codes are places in `names`; -1 is missing."""

    ordered = False

    def __init__(self, names: np.ndarray, rest: int = -1):
        self.names, self.rest = names, rest
        """`rest` is the code of all levels that have none of their own, -1 if there is no such code."""

    @classmethod
    def learn(cls, values: pd.Series, column: Column) -> tuple[CategoryEncoder, np.ndarray]:
        """The levels that may come out of a column, and the codes of its rows."""
        levels = cls.counted(values, column, 1)
        return levels, levels.encode(values)

    @classmethod
    def counted(cls, values: pd.Series, column: Column, at_least: int) -> CategoryEncoder:
        """Levels that so many rows hold have a code each, the others one together: to count with, not to draw from."""
        counts = _words(values).value_counts()
        counts = counts[counts > 0].sort_index()
        kept = counts.index[counts >= at_least].to_numpy(object).astype(str)
        return cls(kept, -1 if len(kept) == len(counts) else len(kept))

    def __len__(self) -> int:
        return max(len(self.names), self.rest + 1)

    def encode(self, values: pd.Series) -> np.ndarray:
        words, index = _words(values), pd.Index(self.names)
        if isinstance(words.dtype, pd.CategoricalDtype):
            of_category = index.get_indexer(words.cat.categories)
            of_category[of_category < 0] = self.rest
            codes = np.append(of_category, -1)[words.cat.codes.to_numpy()]
        else:
            codes = index.get_indexer(words)
            codes[(codes < 0) & words.notna().to_numpy()] = self.rest
        return codes.astype(np.int32)

    def decode(self, codes: np.ndarray, column: Column) -> Any:
        if column.kind == "boolean":
            return pd.array(self.names == "True", dtype="boolean").take(codes, allow_fill=True)
        return pd.Categorical.from_codes(codes, categories=self.names.astype(object))


def _words(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values
    return values.astype("string").astype(object)


class NumericEncoder:
    """A column of numbers or datetimes. Codes are places among its distinct values in order; -1 is missing.

    `values` are the real ones only where many rows share one. Any other is the middle of its neighbours, so that
    neither the model nor its file knows a value that points at a person.
    """

    ordered = True

    def __init__(self, values: np.ndarray, common: np.ndarray, ends: np.ndarray):
        self.values, self.common, self.ends = values, common, ends
        """`ends`: the share of rows up to and with each value."""

    @classmethod
    def learn(cls, values: pd.Series, rare_below: int, *, choice: bool = False) -> tuple[NumericEncoder, np.ndarray]:
        """What may come out of a column, and the codes of its rows; of a `choice` every value, as it is."""
        amounts = as_floats(values)
        known = ~np.isnan(amounts)
        codes = np.full(len(amounts), -1, np.int32)
        if not known.any():
            return cls(np.empty(0), np.empty(0, bool), np.empty(0)), codes
        distinct, codes[known], counts = np.unique(amounts[known], return_inverse=True, return_counts=True)
        up_to, rows = np.cumsum(counts), int(known.sum())
        if choice:
            return cls(distinct, np.ones(len(distinct), bool), up_to / rows), codes
        common = counts >= max(rare_below, COMMON_SHARE * rows)
        middle = (np.append(distinct[:1], distinct[:-1]) + np.append(distinct[1:], distinct[-1:])) / 2
        drawn = np.where(common, distinct, middle)
        # The outermost records are trimmed: the reach ends where a few rows lie beyond it.
        back = min(rare_below, 1 + rows // 20)
        low, high = drawn[np.searchsorted(up_to, back)], drawn[np.searchsorted(up_to, rows - back, "right")]
        return cls(np.clip(drawn, low, high), common, up_to / rows), codes

    def __len__(self) -> int:
        return len(self.values)

    def encode(self, values: pd.Series) -> np.ndarray:
        return self.places(as_floats(values))

    def places(self, amounts: np.ndarray) -> np.ndarray:
        """The code of the value nearest to each amount."""
        if not len(self.values):
            return np.full(len(amounts), -1, np.int32)
        right = np.minimum(np.searchsorted(self.values, amounts), len(self.values) - 1)
        left = np.maximum(right - 1, 0)
        nearest = np.where(amounts - self.values[left] < self.values[right] - amounts, left, right)
        return np.where(np.isnan(amounts), -1, nearest).astype(np.int32)

    def between(self, codes: np.ndarray, beside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Common values as they are, others at random from their own to half-way to their neighbour's.

        Half-way in rows that lie between them, so that nothing is drawn from a gap in which there are none. Common
        values take no room: what lies on either side of one does not become it.
        """
        room = np.where(self.common, 0.0, np.diff(self.ends, prepend=0.0))
        ends = np.cumsum(room)
        middle = ends - room / 2
        place = middle[codes] + (middle[beside] - middle[codes]) * rng.random(len(codes)) / 2
        found = np.minimum(np.searchsorted(ends, place), len(ends) - 1)
        off = (place - middle[found]) / np.maximum(room[found], 1e-300)
        as_it_is = self.common[codes] | self.common[beside]
        return np.where(as_it_is, self.values[codes], self._moved(found, np.clip(off, -0.5, 0.5)))

    def _moved(self, codes: np.ndarray, off: np.ndarray) -> np.ndarray:
        """Values moved by part of the way to the next one (`off` above 0) or to the one before."""
        beside = np.clip(codes + np.where(off > 0, 1, -1), 0, len(self.values) - 1)
        return self.values[codes] + (self.values[beside] - self.values[codes]) * np.abs(off)

    def scores(self, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Normal scores: where a row's value lies among all, equal ones at random, on the scale of a normal curve."""
        from scipy.special import ndtri

        begin = np.append(0, self.ends[:-1])[codes]
        place = begin + (self.ends[codes] - begin) * rng.random(len(codes))
        return ndtri(np.clip(place, EDGE, 1 - EDGE))

    def of_scores(self, scores: np.ndarray) -> np.ndarray:
        """The amounts that normal scores stand for."""
        from scipy.special import ndtr

        place = ndtr(scores)
        codes = np.minimum(np.searchsorted(self.ends, place), len(self.ends) - 1)
        begin = np.append(0, self.ends[:-1])[codes]
        off = np.clip((place - begin) / (self.ends[codes] - begin), 0, 1) - 0.5
        return np.where(self.common[codes], self.values[codes], self._moved(codes, off))

    def amounts(self, codes: np.ndarray) -> np.ndarray:
        return np.append(self.values, np.nan)[codes]

    def decode(self, amounts: np.ndarray, column: Column) -> pd.Series:
        if column.kind == "integer":
            return as_kind(np.round(amounts), column).astype("Int64")
        return as_kind(amounts, column)


EDGE = 1e-6
"""Scores end where one row in a million lies."""
