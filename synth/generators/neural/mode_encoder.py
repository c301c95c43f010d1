"""A table as numbers that a network can learn, and back: the mode-specific normalisation of CTGAN and TVAE.

A number becomes the mode it belongs to (one of a few normal distributions fitted to its column) and its place
within that mode; a category becomes the number of its level. Missing is a mode or a level of its own, so that a
network learns which rows lack what. Source: Xu et al. 2019, "Modeling Tabular data using Conditional GAN".

The library's own transformer fits the modes on every row and codes row by row in Python; here they are fitted on
evenly spaced order statistics, and coded column by column.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from synth.columns.numeric import as_floats, as_kind
from synth.schema import Column, Schema

MODES_FITTED_ON = 2_000
"""Order statistics that stand for a column while its modes are fitted."""
STDS = 4
"""Standard deviations that reach from the middle of a mode to +-1."""
CHUNK = 65_536


class Code(NamedTuple):
    """Rows as numbers: `values` (rows x numbers, in [-1, 1]) and `levels` (rows x blocks, from 0)."""

    values: np.ndarray
    levels: np.ndarray

    def take(self, rows: np.ndarray) -> Code:
        return Code(self.values[rows], self.levels[rows])

    def __len__(self) -> int:  # of the rows, not of the tuple
        return len(self.levels)


@dataclass
class Numbers:
    """A column of numbers, whole numbers or datetimes: modes with a mean and a spread each."""

    name: str
    means: list[float]
    stds: list[float]
    weights: list[float]
    missing: bool

    @property
    def width(self) -> int:
        return len(self.means) + self.missing


@dataclass
class OneHotEncoder:
    """A column of few values, or of many that share codes: `codes[i]` is the code of `values[i]`."""

    name: str
    values: list[Any]
    codes: list[int]
    counts: list[int]
    missing: bool
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = (max(self.codes) + 1 if self.codes else 0) + self.missing


class Modes:
    """Codes tables for a network and decodes what it draws.

    The network sees `numbers` values, and one block per entry of `widths` of which one place is lit: first the
    modes of every number, then the levels of every category. Columns with a single value are not shown to it.
    """

    def __init__(self, max_modes: int = 10, max_levels: int = 200):
        self.max_modes = max_modes
        self.max_levels = max_levels

    def fit(self, table: pd.DataFrame, schema: Schema, seed: int, tick: Callable[[], object] = lambda: None) -> Modes:
        """Learn the modes and levels of every column; `tick` is called between columns."""
        self.columns: list[Numbers | OneHotEncoder] = []
        for column in schema:
            tick()
            self.columns.append(self._fit_column(table[column.name], column, seed))
        self.schema = schema
        return self

    @property
    def numeric(self) -> list[Numbers]:
        return [column for column in self.columns if isinstance(column, Numbers)]

    @property
    def discrete(self) -> list[OneHotEncoder]:
        return [column for column in self.columns if isinstance(column, OneHotEncoder) and column.width > 1]

    @property
    def numbers(self) -> int:
        return len(self.numeric)

    @property
    def widths(self) -> list[int]:
        return [column.width for column in self.numeric + self.discrete]

    def encode(self, table: pd.DataFrame, rng: np.random.Generator, tick: Callable[[], object] = lambda: None) -> Code:
        """`table` as numbers. A value that two modes explain goes to one of them by chance."""
        values = np.zeros((len(table), self.numbers), dtype=np.float32)
        levels = np.zeros((len(table), len(self.widths)), dtype=np.int32)
        for place, column in enumerate(self.numeric):
            tick()
            values[:, place], levels[:, place] = _encoded_numbers(as_floats(table[column.name]), column, rng)
        for place, column in enumerate(self.discrete, self.numbers):
            tick()
            levels[:, place] = _encoded_levels(table[column.name], column, self.schema[column.name])
        return Code(values, levels)

    def amounts(self, code: Code) -> np.ndarray:
        """The numbers that `code` stands for (rows x numbers), NaN where missing."""
        amounts = np.empty(code.values.shape)
        for place, column in enumerate(self.numeric):
            means = np.append(column.means, np.nan)
            stds = np.append(column.stds, np.nan)
            mode = code.levels[:, place]
            amounts[:, place] = means[mode] + STDS * stds[mode] * np.clip(code.values[:, place], -1, 1)
        return amounts

    def decode(self, code: Code, rng: np.random.Generator) -> pd.DataFrame:
        """The table that `code` stands for. Where levels share a code, one of them is drawn by its frequency."""
        amounts = self.amounts(code)
        table = {}
        numbers = blocks = 0
        for column in self.columns:
            kind = self.schema[column.name]
            if isinstance(column, Numbers):
                table[column.name] = as_kind(amounts[:, numbers], kind)
                numbers += 1
            else:
                codes = np.zeros(len(code), dtype=np.int32)
                if column.width > 1:
                    codes = code.levels[:, self.numbers + blocks]
                    blocks += 1
                table[column.name] = _decoded_levels(codes, column, kind, rng)
        return pd.DataFrame(table, index=pd.RangeIndex(len(code)))

    def save(self, file: Path) -> None:
        columns = [{"numbers": isinstance(column, Numbers), **asdict(column)} for column in self.columns]
        about = {
            "max_modes": self.max_modes,
            "max_levels": self.max_levels,
            "schema": self.schema.model_dump(mode="json"),
            "columns": columns,
        }
        file.write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Modes:
        about = json.loads(file.read_text(encoding="utf-8"))
        modes = cls(about["max_modes"], about["max_levels"])
        modes.schema = Schema.model_validate(about["schema"], extra="ignore")
        modes.columns = []
        for column in about["columns"]:
            kind = Numbers if column["numbers"] else OneHotEncoder
            modes.columns.append(kind(**{each.name: column[each.name] for each in fields(kind) if each.init}))
        return modes

    def _fit_column(self, values: pd.Series, column: Column, seed: int) -> Numbers | OneHotEncoder:
        missing = bool(values.isna().any())
        if column.kind == "category":
            counts = values.value_counts()
            return _grouped(column.name, counts[counts > 0], missing, self.max_levels)
        amounts = as_floats(values)
        amounts = np.sort(amounts[~np.isnan(amounts)])
        distinct, counts = np.unique(amounts, return_counts=True)
        # As many modes as values would say the same, less exactly. A value seen once or twice is not a level.
        if column.kind == "boolean" or len(distinct) <= 1 or (len(distinct) <= self.max_modes and counts.min() >= 5):
            return _grouped(column.name, pd.Series(counts, index=distinct), missing, self.max_levels)
        means, stds, weights = _fitted_modes(amounts, min(self.max_modes, len(distinct)), seed)
        return Numbers(column.name, means, stds, weights, missing)


def _fitted_modes(amounts: np.ndarray, modes: int, seed: int) -> tuple[list[float], list[float], list[float]]:
    """Means, standard deviations and weights of the modes of sorted `amounts`, as CTGAN fits them.

    A few order statistics say as much about a column as all of it, provided that the priors, which count as
    rows do, are scaled down with them: on adult the likelihood of all rows is the same to the second digit.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import BayesianGaussianMixture

    few = min(len(amounts), MODES_FITTED_ON)
    share = few / len(amounts)
    middle, scale = amounts.mean(), amounts.std()
    standard = (amounts[np.linspace(0, len(amounts) - 1, few).round().astype(int)] - middle) / scale
    mixture = BayesianGaussianMixture(
        n_components=modes,
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=0.001,
        covariance_prior=[[share]],
        mean_precision_prior=share,
        # 1e-6 on the column's own scale, as shipped, but never so small or so large that it decides the fit.
        reg_covar=float(np.clip(1e-6 / scale**2, 1e-12, 1e-6)),
        random_state=seed % 2**32,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(standard[:, None])
    used = mixture.weights_ > 0.005
    means = mixture.means_[used, 0] * scale + middle
    stds = np.sqrt(mixture.covariances_[used, 0, 0]) * scale
    return means.tolist(), stds.tolist(), mixture.weights_[used].tolist()


def _encoded_numbers(amounts: np.ndarray, column: Numbers, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Place within its mode, and mode, of every number."""
    means, stds = np.array(column.means), np.array(column.stds)
    places = np.zeros(len(amounts), dtype=np.float32)
    modes = np.full(len(amounts), len(means), dtype=np.int32)
    present = np.flatnonzero(~np.isnan(amounts))
    for start in range(0, len(present), CHUNK):
        rows = present[start : start + CHUNK]
        distances = (amounts[rows, None] - means) / stds
        density = -0.5 * distances**2 + np.log(np.array(column.weights) / stds)
        density = np.exp(density - density.max(1, keepdims=True))
        chances = (density / density.sum(1, keepdims=True) + 1e-6).cumsum(1)
        mode = (chances < chances[:, -1:] * rng.random((len(rows), 1))).sum(1)
        modes[rows] = mode
        places[rows] = np.clip(distances[np.arange(len(rows)), mode] / STDS, -0.99, 0.99)
    return places, modes


def _grouped(name: str, counts: pd.Series, missing: bool, max_levels: int) -> OneHotEncoder:
    """Levels of a column, where the rare ones share codes when there are more than `max_levels`.

    The more frequent half of the codes stands for one level each. The others stand for neighbours in sorted
    order, since levels that sort together (invoice numbers, postcodes) often belong together.
    """
    counts = counts.sort_index()
    codes = np.arange(len(counts))
    if len(counts) > max_levels:
        alone = max_levels // 2
        frequent = np.sort(counts.to_numpy().argsort(kind="stable")[::-1][:alone])
        rare = np.setdiff1d(np.arange(len(counts)), frequent)
        weight = counts.to_numpy()[rare].cumsum()
        codes[frequent] = np.arange(alone)
        group = ((weight - 1) * (max_levels - alone)) // weight[-1]
        codes[rare] = alone + np.unique(group, return_inverse=True)[1]
    return OneHotEncoder(name, counts.index.tolist(), codes.tolist(), counts.tolist(), missing)


def _encoded_levels(values: pd.Series, column: OneHotEncoder, kind: Column) -> np.ndarray:
    known = values.notna().to_numpy()
    values = values[known].astype(object) if kind.kind == "category" else as_floats(values)[known]
    codes = np.full(len(known), column.width - 1, dtype=np.int32)
    codes[known] = np.array(column.codes, dtype=np.int32)[pd.Index(column.values).get_indexer(values)]
    return codes


def _decoded_levels(codes: np.ndarray, column: OneHotEncoder, kind: Column, rng: np.random.Generator) -> pd.Series:
    of_level = np.array(column.codes, dtype=np.int64)
    by_code = of_level.argsort(kind="stable")
    ends = np.array(column.counts, dtype=float)[by_code].cumsum()
    last = np.searchsorted(of_level[by_code], np.arange(column.width), side="right")
    borders = np.append(0.0, ends)[np.append(0, last)]
    low, high = borders[codes], borders[codes + 1]
    level = np.searchsorted(ends, low + rng.random(len(codes)) * (high - low), side="right")
    missing = low == high  # no level has this code: it says missing
    level = by_code[np.minimum(level, len(ends) - 1)] if len(ends) else level
    if kind.kind == "category":
        return pd.Series(pd.Categorical.from_codes(np.where(missing, -1, level), categories=column.values))
    amounts = np.append(np.array(column.values, dtype=float), np.nan)
    return as_kind(amounts[np.where(missing, -1, level)], kind)
