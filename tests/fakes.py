"""Real fakes: generators that sleep, fail or do not listen. A plugin of test workspaces."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
import pandas as pd

from synth import Params, Report, Schema, Stopped
from synth.errors import Invalid
from synth.generators.base import generator
from synth.generators.bootstrap import Bootstrap
from synth.params import knob


@generator("slow", title="Slow", summary="Takes its time.", stops_early=True)
class Slow(Bootstrap):
    """Takes its time: `epochs` naps, with a report after each; then it does as Bootstrap does."""

    class Params(Params):
        epochs: int = knob(10, "Naps.", ge=1, tune=(1, 20))
        nap_s: float = knob(0.05, "Seconds a nap takes.", ge=0)
        manner: Literal["kind", "deaf", "failing"] = knob("kind", "Whether it heeds a stop.")
        noise: float = knob(0.0, "Share of rows that repeat the first one, which ruins the shapes.", tune=(0.0, 1.0))
        most_noise: float = knob(1.0, "Above this much noise it gives up.")

    def fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        if self.params.noise > self.params.most_noise:
            raise Invalid(f"Too much noise: {self.params.most_noise} or less was asked for.")
        for epoch in range(1, self.params.epochs + 1):
            self._nap(report)
            if self.params.manner == "failing":
                float(f"the secret of {table.iloc[0, 0]}")
            if report.stop_early:
                break
            report(epoch / self.params.epochs, f"Epoch {epoch}", epoch=epoch, loss=self.params.noise + 1 / epoch)
        repeated = np.arange(len(table)) < self.params.noise * len(table)
        self.table = table.take(np.where(repeated, 0, np.arange(len(table)))).reset_index(drop=True)

    def _nap(self, report: Report) -> None:
        if self.params.manner != "deaf":
            time.sleep(self.params.nap_s)
            return
        end = time.monotonic() + self.params.nap_s
        while time.monotonic() < end:
            # As a library does that retries after any error.
            try:
                time.sleep(0.05)
            except Stopped:
                continue
