"""How much columns say about each other, of very many columns at once."""

from __future__ import annotations

import numpy as np


def associations(codes: list[np.ndarray]) -> np.ndarray:
    """Columns x columns: Pearson's chi-squared of each two columns' table, by the eighths of their codes.

    Codes below 0 are missing values, and an eighth of their own.
    """
    tables = [_eighths(coded) for coded in codes]
    ends = np.cumsum([table.shape[1] for table in tables])
    joint = np.concatenate(tables, axis=1)
    expected = np.outer(joint.mean(axis=0), joint.mean(axis=0))
    # Pearson's residuals; their squares add up to how much the two say about each other.
    residual = (joint.T @ joint / len(joint) - expected) ** 2 / np.maximum(expected, 1e-9)
    starts = np.append(0, ends[:-1])
    return np.add.reduceat(np.add.reduceat(residual, starts, axis=0), starts, axis=1)


def _eighths(codes: np.ndarray) -> np.ndarray:
    """Rows x up to nine columns: in which eighth of the codes a row lies, or whether it has none."""
    edges = np.unique(np.quantile(codes, np.arange(1, 8) / 8))
    which = np.where(codes < 0, 0, 1 + np.searchsorted(edges, codes))
    return np.eye(which.max() + 1, dtype=np.float32)[which][:, np.unique(which)]
