"""Completing rows with any model: its own way, or by trees fitted on rows that it draws."""

from __future__ import annotations

import numpy as np
import pandas as pd

from synth.generators.base import Model
from synth.generators.trees.trees import Trees
from synth.report import Report, quiet
from synth.schema import Schema
from synth.schema.casting import conform

LOOKED_AT = 20_000
"""Rows of the model that stand for it: trees are fitted on them, and levels are looked for among them."""


class Completion:
    """Draws rows to go with given values. What is looked up in the model's own rows is drawn once and kept."""

    def __init__(self, model: Model, encoded: Schema):
        self.model, self.encoded = model, encoded
        self._levels: dict[str, set[str]] | None = None
        self._trees: Trees | None = None

    def complete(self, given: pd.DataFrame, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        """Rows with the values of `given`, which holds some of the model's columns without missing values."""
        model = self.model if self.model.completes else self._surrogate(report)
        return model.complete(given, rng, report)

    def knows(self, column: str, value: str) -> bool:
        """Whether the model ever draws `value` of a category column."""
        known = self.model.knows(column, value)
        if known is not None:
            return known
        if self._levels is None:
            table = self.model.sample(LOOKED_AT, np.random.default_rng([self.model.seed, 3]), quiet)
            names = self.encoded.having(kinds=("category",))
            self._levels = {name: set(table[name].dropna().astype(str).unique()) for name in names}
        return value in self._levels[column]

    def _surrogate(self, report: Report) -> Trees:
        """Trees fitted on the model's own rows."""
        if self._trees is None:
            drawn = self.model.sample(LOOKED_AT, np.random.default_rng([self.model.seed, 4]), report)
            self._trees = Trees(seed=self.model.seed)
            self._trees.fit(conform(drawn, self.encoded).reset_index(drop=True), self.encoded, quiet)
        return self._trees
