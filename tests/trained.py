"""A small world for the tests of trained generators, and listeners to a training."""

import time

import numpy as np
import pandas as pd

from synth import Column, Model, Report, Schema, Stopped, Synthesizer, quiet


def fitted(model: Model, table: pd.DataFrame, schema: Schema, report: Report = quiet) -> Synthesizer:
    """The model, with all that is usual around it, fitted on a table."""
    return Synthesizer(model, schema).fit(table, report)


def small_world(rows: int = 3_000, seed: int = 0) -> tuple[pd.DataFrame, Schema]:
    """Height depends on sex, smoking on neither; some heights are missing, for men only."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], rows, p=[0.6, 0.4])
    height = np.where(sex == "f", 160, 185) + rng.normal(0, 4, rows)
    table = pd.DataFrame(
        {
            "sex": sex,
            "height": pd.Series(height).mask((sex == "m") & (rng.random(rows) < 0.3)),
            "smokes": rng.random(rows) < 0.25,
            "born": pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 20_000, rows), unit="D"),
        }
    )
    kinds = {"sex": "category", "height": "number", "smokes": "boolean", "born": "datetime"}
    return table, Schema(columns=[Column(name=name, kind=kind) for name, kind in kinds.items()])


class Watcher(Report):
    """Keeps the curve; after `epochs` epochs it cancels (`then="cancel"`) or says it is enough (`then="enough"`)."""

    def __init__(self, epochs: int = 10**9, then: str = "cancel", checkpoint=None):
        self.epochs, self.then, self.folder = epochs, then, checkpoint
        self.curve: list[dict] = []

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        if curve:
            self.curve.append(curve)
        if self.then == "cancel" and len(self.curve) >= self.epochs:
            raise Stopped("cancelled")

    @property
    def stop_early(self) -> bool:
        return self.then == "enough" and len(self.curve) >= self.epochs

    @property
    def checkpoint(self):
        return self.folder


class CancelAfter(Report):
    """Cancels once `seconds` have passed since the first report, and notes when it wanted to."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.first: float | None = None

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        self.first = self.first or time.monotonic()
        if time.monotonic() - self.first > self.seconds:
            raise Stopped("cancelled")
