"""Distances between rows, exact to the last copy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.tools.encode import encoded
from metrics.tools.nearest import Space, nearest, nearest_without_each, row_keys, space, threads
from tests.judging import mixed_tables, tables


def test_numbers_lie_at_their_rank_and_levels_at_their_code():
    # Ranks of 10, 20, 20, 1000 among themselves: half of the equal ones count: 1/8, 1/2, 1/2, 7/8.
    judged = tables({"a": [10, 20, 20, 1000], "b": list("xyxy")}, {"a": [20], "b": ["y"]})
    points = space(judged).points(encoded(judged).train)
    assert points[:, 0].tolist() == [0.125, 0.5, 0.5, 0.875]
    assert points[:, 1].tolist() == [0, 1, 0, 1]


def test_the_distance_is_gowers():
    judged = tables({"a": [10, 20, 20, 1000], "b": list("xyxy")}, {"a": [1000], "b": ["x"]})
    place = space(judged)
    distances, positions = nearest(
        place.points(encoded(judged).synthetic), place.points(encoded(judged).train), place.is_code, 4
    )
    # From (7/8, x): row 0 (1/8, x) 3/4; row 1 (1/2, y) 3/8 + 1; row 2 (1/2, x) 3/8; row 3 (7/8, y) 1; halved.
    assert distances[0].tolist() == [0.1875, 0.375, 0.5, 0.6875]
    assert positions[0].tolist() == [2, 0, 3, 1]


def test_two_missing_values_are_equal_and_one_is_far_from_any_number():
    judged = tables({"a": [1.0, 2.0, None]}, {"a": [None, 2.0]})
    place = space(judged)
    distances, positions = nearest(
        place.points(encoded(judged).synthetic), place.points(encoded(judged).train), place.is_code, 3
    )
    assert positions[0, 0] == 2
    assert distances[0].tolist() == [0, 1, 1]
    assert distances[1, 2] == 1


def brute_force(queries, points, is_code):
    parts = np.abs(queries[:, None, :] - points[None, :, :]).astype(np.float64)
    return np.where(is_code, parts > 0, np.minimum(parts, 1))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 700), st.integers(1, 6))
def test_the_search_is_exact_on_any_table(seed, size, columns):
    rng = np.random.default_rng(seed)
    is_code = rng.random(columns) < 0.5
    points = np.where(is_code, rng.integers(0, 3, (size, columns)), rng.integers(0, 8, (size, columns)) / 8)
    points = points.astype(np.float32)
    queries = points[rng.integers(0, size, 9)]
    parts = brute_force(queries, points, is_code)
    distances, positions = nearest(queries, points, is_code, 3)
    expected = np.sort(parts.mean(axis=2), axis=1)[:, : distances.shape[1]]
    assert distances == pytest.approx(expected, abs=1e-6)
    assert (distances[:, 0] == 0).all()
    assert parts.mean(axis=2)[np.arange(9), positions[:, 0]] == pytest.approx(expected[:, 0], abs=1e-6)
    without = nearest_without_each(queries, points, is_code)
    for column in range(columns):
        rest = parts.sum(axis=2) - parts[:, :, column]
        assert rest[np.arange(9), without[:, column]] == pytest.approx(rest.min(axis=1), abs=1e-5)


def test_equal_rows_have_equal_keys_in_whichever_table():
    judged = tables({"a": [1.0, 2.0, None], "b": ["x", "y", None]}, {"a": [None, 2.0], "b": [None, "x"]})
    train, synthetic = row_keys([encoded(judged).train, encoded(judged).synthetic], ["a", "b"])
    assert synthetic[0] == train[2]
    assert synthetic[1] not in train


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1.5, 2.5, None]), st.sampled_from(["x", "y", None])), min_size=1, max_size=30)
)
def test_keys_are_equal_exactly_where_rows_are(pairs):
    columns = {"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}
    schema_first = {"a": [*columns["a"], 0.5], "b": [*columns["b"], "z"]}
    judged = tables(schema_first, columns)
    keys = row_keys([encoded(judged).synthetic], ["a", "b"])[0]
    for left in range(len(pairs)):
        for right in range(left):
            assert (keys[left] == keys[right]) == (pairs[left] == pairs[right])


def test_a_space_of_some_columns_only():
    judged = mixed_tables(50, 30, 20)
    some = Space.of(encoded(judged), ["age", "buys"])
    assert some.points(encoded(judged).holdout).shape == (30, 2)


def test_the_threads_are_those_the_environment_gives(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() == 1
