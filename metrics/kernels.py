"""Compiled loops. Import from inside functions: numba takes a second to load."""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 1024
"""Points looked at together: their distances fit in the first-level cache."""


@njit(cache=True, nogil=True, fastmath=False)
def nearest_points(queries, points, is_code, count, distances, positions):
    """Fill `distances` and `positions` (queries x count) with each query's nearest points, nearest first.

    `queries` is rows x columns, `points` columns x rows. A column's difference is |a - b|, at most 1, or for codes
    0 or 1; the distance is their sum. Of equally distant points the first comes first.
    """
    columns, rows = points.shape
    sums = np.empty(BLOCK, dtype=np.float32)
    one = np.float32(1)
    for query in range(queries.shape[0]):
        for place in range(count):
            distances[query, place] = np.inf
            positions[query, place] = -1
        for start in range(0, rows, BLOCK):
            width = min(BLOCK, rows - start)
            for offset in range(width):
                sums[offset] = 0
            for column in range(columns):
                value = queries[query, column]
                line = points[column, start : start + width]
                if is_code[column]:
                    for offset in range(width):
                        sums[offset] += one if line[offset] != value else np.float32(0)
                else:
                    for offset in range(width):
                        difference = abs(line[offset] - value)
                        sums[offset] += min(difference, one)
            least = sums[0]
            for offset in range(1, width):
                least = min(least, sums[offset])
            if least >= distances[query, count - 1]:
                continue
            for offset in range(width):
                distance = sums[offset]
                if distance < distances[query, count - 1]:
                    place = count - 1
                    while place > 0 and distance < distances[query, place - 1]:
                        distances[query, place] = distances[query, place - 1]
                        positions[query, place] = positions[query, place - 1]
                        place -= 1
                    distances[query, place] = distance
                    positions[query, place] = start + offset
