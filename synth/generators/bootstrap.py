"""Each column resampled by itself: the baseline that every real model must beat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from synth.generators.base import Model, generator
from synth.report import Report
from synth.schema import Schema


@generator(
    "bootstrap",
    title="Independent columns (baseline)",
    summary="Resamples each column by itself. A yardstick: any real model must beat it.",
    place=20,
)
class Bootstrap(Model):
    """Draws every column from its own values, with no regard to the others.

    Single columns look perfect and nothing holds between them. It repeats real values, so its output is a
    yardstick and a quick fake for tests, not a table to release. Source: Efron 1979, "Bootstrap Methods".
    """

    def fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        self.table = table

    def sample(self, rows: int, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        return pd.DataFrame(
            {
                name: values.take(rng.integers(0, len(values), rows)).reset_index(drop=True)
                for name, values in self.table.items()
            }
        )

    def complete(self, given: pd.DataFrame, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        return self.sample(len(given), rng, report).assign(**{str(name): given[name] for name in given})

    def save(self, folder: Path) -> None:
        self.table.to_parquet(folder / "columns.parquet")

    def load(self, folder: Path, schema: Schema) -> None:
        self.table = pd.read_parquet(folder / "columns.parquet")
