"""How far apart rows are, and which are nearest: exact, in blocks, on the threads the environment gives."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from metrics.base import Tables, once
from metrics.tools.encode import Encoded, Side, encoded

MISSING = -1.0
"""Stands for a missing number: farther than 1 from any other (and 1 is the most a column can count), 0 from itself."""


@dataclass(frozen=True)
class Space:
    """Where a row lies: numbers by their rank in train (0 to 1), levels by their code.

    Ranks, not values: with one salary of a billion in the table all others would lie on one spot. The distance is
    Gower's (1971): each column counts at most 1, a level counts 1 where it differs, and the mean over the columns
    is in [0, 1].
    """

    names: list[str]
    is_code: np.ndarray
    sorted_train: dict[str, np.ndarray]

    @classmethod
    def of(cls, tables_encoded: Encoded, names: list[str] | None = None) -> Space:
        """The space of these columns (default: all)."""
        names = tables_encoded.names if names is None else names
        sorted_train = {
            name: np.sort(values[~np.isnan(values)])
            for name, values in tables_encoded.train.numbers.items()
            if name in names
        }
        return cls(names, np.array([name in tables_encoded.levels for name in names]), sorted_train)

    def points(self, side: Side) -> np.ndarray:
        """The rows of a table as points, rows x columns, float32."""
        columns = []
        for name, is_code in zip(self.names, self.is_code, strict=True):
            if is_code:
                columns.append(side.codes[name].astype(np.float32))
            else:
                columns.append(midranks(side.numbers[name], self.sorted_train[name]))
        return np.column_stack(columns).astype(np.float32)


def midranks(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """The share of `ordered` below each value, half of the equal ones counted; MISSING where there is no value."""
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.where(np.isnan(values), MISSING, below / max(2 * len(ordered), 1)).astype(np.float32)


@once
def space(tables: Tables) -> Space:
    """The space of all compared columns."""
    return Space.of(encoded(tables))


def nearest(
    queries: np.ndarray, points: np.ndarray, is_code: np.ndarray, count: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Distances to and positions of each query's `count` nearest points (queries x count), nearest first.

    `count` is cut to the number of points. Distances are means over the columns, in [0, 1].
    """
    from metrics.tools.kernels import nearest_points

    count = min(count, len(points))
    distances = np.empty((len(queries), count), dtype=np.float32)
    positions = np.empty((len(queries), count), dtype=np.int64)
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    turned = np.ascontiguousarray(points.T, dtype=np.float32)

    def search(part: slice) -> None:
        nearest_points(queries[part], turned, is_code, count, distances[part], positions[part])

    in_parts(search, len(queries))
    return distances / max(queries.shape[1], 1), positions


def in_parts(work: Callable[[slice], None], rows: int) -> None:
    """Do `work` on slices of `rows`, one per thread this process may use. For loops that release the GIL."""
    workers = threads()
    step = max(1, -(-rows // workers))
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, [slice(start, start + step) for start in range(0, rows, step)]))


def nearest_without_each(queries: np.ndarray, points: np.ndarray, is_code: np.ndarray) -> np.ndarray:
    """Position of each query's nearest point when one column is left out, for every column (queries x columns)."""
    from metrics.tools import kernels

    positions = np.zeros(queries.shape, dtype=np.int64)
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    turned = np.ascontiguousarray(points.T, dtype=np.float32)
    in_parts(lambda part: kernels.nearest_without_each(queries[part], turned, is_code, positions[part]), len(queries))
    return positions


def threads() -> int:
    """The threads this process may use: its share as the starter of the job set it, or one.

    Never all cores unasked: on two busy cores the same trees took 35 CPU-seconds with two threads, which wait for
    each other spinning, and 1.5 with one.
    """
    share = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(share) if share.isdigit() and int(share) else 1


def row_keys(sides: list[Side], names: list[str]) -> list[np.ndarray]:
    """One number per row of each side; equal numbers mean equal rows, in whichever table."""
    ends = np.cumsum([side.rows for side in sides])
    keys = np.zeros(ends[-1], dtype=np.int64)
    for name in names:
        values = np.concatenate([side.codes[name] if name in side.codes else side.numbers[name] for side in sides])
        codes, seen = pd.factorize(values, use_na_sentinel=False)
        keys, _ = pd.factorize(keys * len(seen) + codes)
    return np.split(keys, ends[:-1])
