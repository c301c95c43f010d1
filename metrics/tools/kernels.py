"""Compiled loops. Import from inside functions: numba takes a second to load."""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 512
"""Points looked at together: their columns and distances fit in the first-level cache."""
# No NaN reaches these loops, and sums may be made in vector registers. Equal rows still have distance 0.
FAST = {"nnan", "nsz", "reassoc"}
EQUAL, AT_LEAST, AT_MOST, LACKING = 0, 1, 2, 3


@njit(cache=True, nogil=True, fastmath=FAST)
def nearest_points(
    queries: np.ndarray,
    points: np.ndarray,
    is_code: np.ndarray,
    count: int,
    distances: np.ndarray,
    positions: np.ndarray,
) -> None:
    """Fill `distances` and `positions` (queries x count) with each query's nearest points, nearest first.

    `queries` is rows x columns, `points` columns x rows. A column's difference is |a - b|, at most 1, or for codes
    0 or 1; the distance is their sum. Of equally distant points the first comes first.
    """
    columns, rows = points.shape
    sums = np.empty(BLOCK, dtype=np.float32)
    zero, one = np.float32(0), np.float32(1)
    for query in range(queries.shape[0]):
        distances[query] = np.inf
        positions[query] = -1
        for start in range(0, rows, BLOCK):
            width = min(BLOCK, rows - start)
            sums[:width] = 0
            for column in range(columns):
                value = queries[query, column]
                line = points[column, start : start + width]
                if is_code[column]:
                    for offset in range(width):
                        sums[offset] += one if line[offset] != value else zero
                else:
                    for offset in range(width):
                        sums[offset] += min(abs(line[offset] - value), one)
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


@njit(cache=True, nogil=True, fastmath=FAST)
def nearest_without_each(queries: np.ndarray, points: np.ndarray, is_code: np.ndarray, positions: np.ndarray) -> None:
    """Fill `positions` (queries x columns) with each query's nearest point when that column is left out.

    All columns are left out in one pass: the distance without one is the whole distance less its part. A part is at
    most 1, so that few points are near enough to be looked at column by column.
    """
    columns, rows = points.shape
    sums = np.empty(BLOCK, dtype=np.float32)
    best = np.empty(columns, dtype=np.float32)
    zero, one = np.float32(0), np.float32(1)
    for query in range(queries.shape[0]):
        best[:] = np.inf
        worst = best[0]
        for start in range(0, rows, BLOCK):
            width = min(BLOCK, rows - start)
            sums[:width] = 0
            for column in range(columns):
                value = queries[query, column]
                line = points[column, start : start + width]
                if is_code[column]:
                    for offset in range(width):
                        sums[offset] += one if line[offset] != value else zero
                else:
                    for offset in range(width):
                        sums[offset] += min(abs(line[offset] - value), one)
            least = sums[0]
            for offset in range(1, width):
                least = min(least, sums[offset])
            if least - one >= worst:
                continue
            for offset in range(width):
                if sums[offset] - one >= worst:
                    continue
                for column in range(columns):
                    # Codes that differ do so by one or more.
                    part = min(abs(points[column, start + offset] - queries[query, column]), one)
                    if sums[offset] - part < best[column]:
                        best[column] = sums[offset] - part
                        positions[query, column] = start + offset
                worst = best[0]
                for column in range(1, columns):
                    worst = max(worst, best[column])


@njit(cache=True, nogil=True)
def count_matches(
    table: np.ndarray,
    columns: np.ndarray,
    comparisons: np.ndarray,
    values: np.ndarray,
    enough: int,
    found: np.ndarray,
) -> None:
    """Fill `found` with how many rows of `table` meet each query, counting no further than `enough`.

    A query is a row of `columns`, `comparisons` (EQUAL, AT_LEAST, AT_MOST, LACKING: is missing, NaN) and
    `values`, all of which must hold.
    """
    for query in range(columns.shape[0]):
        found[query] = 0
        for row in range(table.shape[0]):
            holds = True
            for condition in range(columns.shape[1]):
                value = table[row, columns[query, condition]]
                comparison = comparisons[query, condition]
                if comparison == EQUAL:
                    holds = value == values[query, condition]
                elif comparison == AT_LEAST:
                    holds = value >= values[query, condition]
                elif comparison == AT_MOST:
                    holds = value <= values[query, condition]
                else:
                    holds = np.isnan(value)
                if not holds:
                    break
            if holds:
                found[query] += 1
                if found[query] >= enough:
                    break
