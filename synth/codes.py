"""Columns as whole numbers: what a tree sees, and what of a column's values may come out again.

Here the privacy of single values is kept, before any model is fitted: levels that few rows have are one level,
values that few rows have are never repeated as they are, and the ends of a column are cut off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from synth.amounts import as_floats, as_kind
from synth.schema import Column

RARE = "(rare)"
"""Stands in a synthetic table for all the levels that too few rows have."""


class Levels:
    """A column of categories or booleans. Codes are places in `names`; -1 is missing."""

    ordered = False

    def __init__(self, names: np.ndarray, rare: int):
        self.names, self.rare = names, rare
        """`rare` is the code of the levels grouped together, -1 if there is none."""

    @classmethod
    def learn(cls, values: pd.Series, column: Column, rare_below: int) -> tuple[Levels, np.ndarray]:
        """What may come out of a column, and the codes of its rows."""
        levels = cls._of(values, column, rare_below)
        return levels, levels.encode(values)

    @classmethod
    def _of(cls, values: pd.Series, column: Column, rare_below: int) -> Levels:
        counts = _words(values).value_counts()
        counts = counts[counts > 0].sort_index()
        kept = counts.index[counts >= rare_below].to_numpy(object)
        if len(kept) == len(counts):
            return cls(kept.astype(str), -1)
        if column.kind == "boolean":
            # A truth value has no group to hide in: the other one stands in for it.
            return cls(np.array([counts.idxmax()]), 0)
        group = RARE
        while group in counts.index:
            group = f"({group})"
        return cls(np.append(kept, group).astype(str), len(kept))

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, values: pd.Series) -> np.ndarray:
        words = _words(values)
        index = pd.Index(self.names)
        if isinstance(words.dtype, pd.CategoricalDtype):
            of_category = index.get_indexer(words.cat.categories)
            of_category[of_category < 0] = self.rare
            codes = np.append(of_category, -1)[words.cat.codes.to_numpy()]
        else:
            codes = index.get_indexer(words)
            codes[(codes < 0) & words.notna().to_numpy()] = self.rare
        return codes.astype(np.int32)

    def decode(self, codes: np.ndarray, column: Column) -> Any:
        if column.kind == "boolean":
            truth = pd.array(self.names == "True", dtype="boolean")
            return truth.take(codes, allow_fill=True)
        return pd.Categorical.from_codes(codes, categories=self.names.astype(object))

    def state(self) -> dict[str, Any]:
        return {"names": self.names.tolist(), "rare": self.rare}


def _words(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values
    return values.astype("string").astype(object)


class Amounts:
    """A column of numbers or datetimes. Codes are places among its distinct values in order; -1 is missing.

    `values` are the real ones only where many rows share one. Any other is the middle of its neighbours, so that
    neither the model nor its file knows a value that points at a person.
    """

    ordered = True

    def __init__(self, values: np.ndarray, common: np.ndarray):
        self.values, self.common = values, common

    @classmethod
    def learn(cls, values: pd.Series, rare_below: int) -> tuple[Amounts, np.ndarray]:
        """What may come out of a column, and the codes of its rows."""
        amounts = as_floats(values)
        known = ~np.isnan(amounts)
        codes = np.full(len(amounts), -1, np.int32)
        if not known.any():
            return cls(np.empty(0), np.empty(0, bool)), codes
        ordered = np.sort(amounts[known])
        back = min(rare_below, 1 + len(ordered) // 20)
        low, high = ordered[back - 1], ordered[-back]
        distinct, codes[known], counts = np.unique(
            np.clip(amounts[known], low, high), return_inverse=True, return_counts=True
        )
        common = counts >= max(rare_below, COMMON_SHARE * len(ordered))
        middle = (np.append(low, distinct[:-1]) + np.append(distinct[1:], high)) / 2
        return cls(np.where(common, distinct, middle), common), codes

    def __len__(self) -> int:
        return len(self.values)

    def encode(self, values: pd.Series) -> np.ndarray:
        return self.places(as_floats(values))

    def places(self, amounts: np.ndarray) -> np.ndarray:
        """The code of the value nearest to each amount."""
        if not len(self.values):
            return np.full(len(amounts), -1, np.int32)
        right = np.clip(np.searchsorted(self.values, amounts), 1, max(len(self.values) - 1, 1)).clip(
            max=len(self.values) - 1
        )
        left = np.maximum(right - 1, 0)
        nearer = np.where(amounts - self.values[left] < self.values[right] - amounts, left, right)
        return np.where(np.isnan(amounts), -1, nearer).astype(np.int32)

    def between(self, codes: np.ndarray, beside: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Common values as they are, others at random between themselves and the middle to their neighbour."""
        values, ends = self.values[codes], self.values[beside]
        as_it_is = self.common[codes] | self.common[beside]
        return np.where(as_it_is, values, values + (ends - values) * rng.random(len(codes)) / 2)

    def amounts(self, codes: np.ndarray) -> np.ndarray:
        return np.append(self.values, np.nan)[codes]

    def decode(self, amounts: np.ndarray, column: Column) -> pd.Series:
        if column.kind == "integer":
            return as_kind(np.round(amounts), column).astype("Int64")
        return as_kind(amounts, column)


COMMON_SHARE = 0.0005
"""A value is common when so many of the rows share it, and drawn as it is."""
