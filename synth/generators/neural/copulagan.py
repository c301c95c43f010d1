"""CopulaGAN: CTGAN on columns of numbers that a fitted distribution has made normal."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from synth.columns.numeric import as_floats, as_kind
from synth.columns.precision import TRIMMED
from synth.generators.base import BUSINESS_SOURCE, generator
from synth.generators.copula.gaussian_copula import MOST_ROWS
from synth.generators.neural.ctgan import CTGAN
from synth.params import knob
from synth.report import Report
from synth.schema import Schema


@generator(
    "copulagan",
    title="CopulaGAN",
    summary="CTGAN on columns made normal first. Worth a try where numbers are skewed or heavy-tailed.",
    place=60,
    needs=("rdt", "copulas", *CTGAN.needs),
    stops_early=True,
    licence=BUSINESS_SOURCE,
    quick={"epochs": 1},
)
class CopulaGAN(CTGAN):
    """Makes every column of numbers normal by a distribution fitted to it, then trains CTGAN.

    What SDV's CopulaGANSynthesizer does, by the same parts (its GaussianNormalizer, and CTGAN), but with CTGAN as
    we run it, missing values that depend on the row, and models saved without pickle. Source: SDV, "CopulaGAN".
    """

    class Params(CTGAN.Params):
        distribution: Literal["beta", "norm", "truncnorm", "gamma", "uniform"] = knob(
            "beta", "The distribution fitted to every column of numbers.", tune=["beta", "norm", "gamma"]
        )

    def fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        self.schema, self.shapes = schema, {}
        normal = table.copy()
        numeric = schema.having(kinds=("number", "integer", "datetime"))
        for place, name in enumerate(numeric):
            report(0.05 * place / len(numeric), "Fitting distributions")
            amounts = as_floats(table[name])
            self.shapes[name] = fitted_shape(amounts, self.params.distribution, self.seed)
            normal[name] = to_normal(amounts, self.shapes[name])
        columns = [
            column.model_copy(update={"kind": "number"}) if column.name in numeric else column for column in schema
        ]
        super().fit(normal, Schema(columns=columns), report.part(0.05, 1.0))

    def sample(self, rows: int, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        table = super().sample(rows, rng, report)
        for name, shape in self.shapes.items():
            table[name] = as_kind(from_normal(table[name].to_numpy(), shape), self.schema[name])
        return table

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "shapes.json").write_text(json.dumps(self.shapes, ensure_ascii=False), encoding="utf-8")

    def load(self, folder: Path, schema: Schema) -> None:
        super().load(folder, schema)
        self.schema = schema
        self.shapes = json.loads((folder / "shapes.json").read_text(encoding="utf-8"))


def fitted_shape(amounts: np.ndarray, distribution: str, seed: int) -> dict:
    """A scipy distribution of the amounts, counted from `low` in units of `scale`."""
    from rdt.transformers import GaussianNormalizer

    known = np.sort(amounts[~np.isnan(amounts)])
    back = min(TRIMMED, 1 + len(known) // 20)  # a beta distribution remembers the ends it was fitted to
    known = known.clip(known[back - 1], known[-back])
    low, scale = float(known[0]), float(known.std()) or 1.0
    if len(known) > MOST_ROWS:
        known = np.random.default_rng([seed, 4]).choice(known, MOST_ROWS, replace=False)
    normalizer = GaussianNormalizer(distribution=distribution)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        normalizer.fit(pd.DataFrame({"amount": (known - low) / scale}), "amount")
    learned = normalizer.learned_distribution
    parameters = {name: float(value) for name, value in learned["parameters"].items()}
    return {"low": low, "scale": scale, "distribution": learned["distribution"], "parameters": parameters}


def to_normal(amounts: np.ndarray, shape: dict) -> np.ndarray:
    from scipy import stats

    if not shape["parameters"]["scale"]:  # a single value: there is nothing to tell apart
        return np.where(np.isnan(amounts), np.nan, 0.0)
    places = getattr(stats, shape["distribution"]).cdf((amounts - shape["low"]) / shape["scale"], **shape["parameters"])
    return stats.norm.ppf(places.clip(1e-6, 1 - 1e-6))


def from_normal(normal: np.ndarray, shape: dict) -> np.ndarray:
    from scipy import stats

    places = stats.norm.cdf(normal).clip(1e-6, 1 - 1e-6)
    amounts = getattr(stats, shape["distribution"]).ppf(places, **shape["parameters"])
    if not shape["parameters"]["scale"]:
        amounts = np.where(np.isnan(normal), np.nan, shape["parameters"]["loc"])
    return amounts * shape["scale"] + shape["low"]
