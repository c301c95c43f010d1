"""SDV's Gaussian copula, with a correlation that ties do not weaken and a fit that can be stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from copulas.multivariate import GaussianMultivariate
from scipy import stats
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer

from synth.report import Report

WAVES = 30
GRID = 2_000


class SdvCopula(GaussianCopulaSynthesizer):
    """Fits columns of numbers; `distributions` names one for each.

    `ties` holds, for each column, the value that each row had before ties were broken, as a number from 0; -1 where
    it had none and the row says nothing about the column.
    """

    def __init__(self, distributions: dict[str, str], ties: list[np.ndarray], report: Report):
        # Written by hand: detected metadata would hold the columns' real values.
        columns = {name: {"sdtype": "numerical"} for name in distributions}
        super().__init__(
            Metadata.load_from_dict({"tables": {"table": {"columns": columns}}}),
            enforce_min_max_values=False,
            enforce_rounding=False,
            numerical_distributions=distributions,
        )
        self.ties, self.report = ties, report

    def _initialize_model(self, numerical_distributions: dict[str, Any]) -> GaussianMultivariate:
        return _Copula(numerical_distributions, self.ties, self.report)

    @property
    def correlation(self) -> np.ndarray:
        return self._model.correlation.to_numpy()


class _Copula(GaussianMultivariate):
    def __init__(self, distribution: dict[str, Any], ties: list[np.ndarray], report: Report):
        super().__init__(distribution=distribution)
        self.ties, self.report = ties, report

    def _fit_columns(self, X: pd.DataFrame):
        self.many, self.fitted_so_far = len(X.columns), 0
        return super()._fit_columns(X)

    def _fit_column(self, column: pd.Series, distribution: Any, column_name: str):
        self.report(self.fitted_so_far / self.many, "Fitting distributions")
        self.fitted_so_far += 1
        return super()._fit_column(column, distribution, column_name)

    def _get_correlation(self, X: pd.DataFrame) -> pd.DataFrame:
        """Correlations of the normal variables behind the columns.

        Equal values get different places by chance, and that noise hides what two columns have in common. Their
        means over equal values are free of it, and step along the normal variable as the levels follow each other;
        we ask which correlation would give two such flights of steps the covariance that is seen.
        """
        self.report(1.0, "Relating columns")
        normal = self._transform_to_normal(X)
        waves = np.zeros((len(self.ties), WAVES))
        for column, tie in enumerate(self.ties):
            normal[:, column] = _averaged(normal[:, column], tie)
            waves[column] = _waves(normal[tie >= 0, column])
        if np.isnan(normal).any():
            covariance = pd.DataFrame(normal).cov(min_periods=20).fillna(0.0).to_numpy()
        else:
            covariance = np.atleast_2d(np.cov(normal.T))
        correlation = _behind(covariance, waves)
        np.fill_diagonal(correlation, 1.0)
        return pd.DataFrame(_nearest(correlation), index=self.columns, columns=self.columns)


def _averaged(normal: np.ndarray, tie: np.ndarray) -> np.ndarray:
    """Standardised places, averaged over rows of equal value; NaN in the rows that have none."""
    told = tie >= 0
    places = normal[told]
    spread = places.std() if len(places) else 0.0
    averaged = np.full(len(normal), np.nan)
    if spread > 0:
        places = (places - places.mean()) / spread
        averaged[told] = (np.bincount(tie[told], places) / np.maximum(np.bincount(tie[told]), 1))[tie[told]]
    else:
        averaged[told] = 0.0
    return averaged


def _waves(steps: np.ndarray) -> np.ndarray:
    """The Hermite coefficients, from the first on, of the steps that standardised places make as they rise."""
    if len(steps) < 2 or steps.var() > 1 - 1e-6:  # no two rows were told apart by chance: it is the variable itself
        return np.eye(1, WAVES)[0]
    along = (np.arange(GRID) + 0.5) / GRID
    steps = np.sort(steps)[(along * len(steps)).astype(int)]
    places = stats.norm.ppf(along)
    before, wave = np.ones(GRID), places
    coefficients = []
    for order in range(1, WAVES + 1):
        coefficients.append((steps * wave).mean())
        before, wave = wave, (places * wave - np.sqrt(order) * before) / np.sqrt(order + 1)
    return np.array(coefficients)


def _behind(covariance: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """The correlations under which normal variables, seen as steps, have this covariance.

    By Mehler's formula the covariance is the sum over k of correlation^k times the k-th coefficients of both; steps
    that rise make it rise with the correlation, so bisection finds it.
    """
    low, high = np.full_like(covariance, -0.99), np.full_like(covariance, 0.99)
    for _ in range(20):
        middle = (low + high) / 2
        implied, power = np.zeros_like(covariance), np.ones_like(covariance)
        for wave in waves.T:
            power = power * middle
            implied += power * np.outer(wave, wave)
        low, high = np.where(implied < covariance, middle, low), np.where(implied < covariance, high, middle)
    return (low + high) / 2


def _nearest(correlation: np.ndarray) -> np.ndarray:
    """The correlation matrix next to one estimated pair by pair, which need not be one."""
    values, vectors = np.linalg.eigh(correlation)
    near = (vectors * np.maximum(values, 1e-4)) @ vectors.T
    spread = np.sqrt(np.diag(near))
    return near / np.outer(spread, spread)
