"""Estimates: prices that come out of measurements, and predictions that real fits bear out."""

from __future__ import annotations

import pytest

from synth import GENERATORS, Column, Schema
from tests.fakes import Slow
from tests.trained import fitted
from workspace.calibrate import calibrate, made_up
from workspace.jobs.estimate import (
    STAGES,
    CostModel,
    Measurement,
    Shape,
    estimate,
    free_mb,
    quantities,
    shipped,
    stage_name,
)
from workspace.jobs.meter import ResourceMeter, highest_mb


def shape(rows: int, columns: int = 5, width: int = 40) -> Shape:
    return Shape(rows=rows, columns=columns, width=width)


def took(rows: int, epochs: int = 1, columns: int = 5) -> Measurement:
    """A fit of `slow` that takes 3 seconds, 2 ms a row and 1 ms a row and epoch; 50 MB, and 1 KB a cell."""
    amounts = quantities("fit", shape(rows, columns), epochs, rows)
    seconds = 3 + 0.002 * rows + 0.001 * rows * epochs
    return Measurement("fit:slow", amounts, seconds, taken_mb=50 + rows * columns / 1000, kept_mb=0)


def test_prices_are_recovered_and_hold_far_beyond_what_was_measured():
    prices = CostModel([took(100), took(400), took(400, 4), took(1000, 2)])
    seconds, taken, _ = prices.cost("fit:slow", quantities("fit", shape(100_000), 10, 100_000))
    assert seconds == pytest.approx(3 + 200 + 1000, rel=0.02)
    assert taken == pytest.approx(50 + 500, rel=0.02)


def test_near_measurements_count_more_than_far_ones():
    # Twice as slow when large, as when memory no longer fits the cache.
    small, large = took(100), Measurement("fit:slow", quantities("fit", shape(100_000), 1, 0), 606, 550, 0)
    cost = CostModel([small, small, small, large]).cost("fit:slow", quantities("fit", shape(90_000), 1, 0))
    assert cost[0] == pytest.approx(546, rel=0.1)


def test_memory_is_the_highest_point_of_the_stages_not_their_sum():
    def measured(stage: str, taken: float, kept: float) -> Measurement:
        return Measurement(stage, {"once": 1}, 1.0, taken, kept)

    stages = [measured("start", 200, 150), measured("fit:slow", 500, 100), measured("draw:slow", 50, 0)]
    prices = CostModel([*stages, measured("judge", 300, 0)])
    expected = estimate(prices, Slow, Slow.Params(), shape(10), 10)
    assert expected.memory_mb == pytest.approx(650)  # 150 kept by start + 500 of the fit; judging: 250 + 300
    assert expected.seconds == pytest.approx(4)


def test_a_generator_that_was_never_measured_is_said_to_be_so():
    expected = estimate(CostModel([]), Slow, Slow.Params(), shape(10), 10)
    assert not expected.measured_here and "never been measured" in expected.basis


def test_a_new_machine_has_figures_at_once_from_another_one_and_says_so():
    kind = GENERATORS["ctgan"]
    expected = estimate(CostModel(shipped()), kind, kind.Params(epochs=10), shape(1000), 1000)
    assert all(expected.stages[stage] > 0 for stage in STAGES) and expected.memory_mb > 100
    assert not expected.measured_here and "another machine" in expected.basis


def test_the_width_of_a_table_counts_levels_and_leaves_out_what_is_not_modelled():
    schema = Schema(
        columns=[
            Column(name="n", kind="number"),
            Column(name="c", kind="category"),
            Column(name="huge", kind="category"),
            Column(name="id", kind="integer", role="id"),
        ]
    )
    found = Shape.of(100, schema, {"n": 90, "c": 4, "huge": 100_000, "id": 100})
    assert (found.columns, found.width) == (3, 11 + 5 + 500)


def test_a_small_calibration_foretells_a_larger_fit_within_a_factor_of_two():
    kind = GENERATORS["bootstrap"]
    prices = CostModel(calibrate(kind))
    table, schema = made_up(20_000, 8, 50)
    meter = ResourceMeter()
    list(fitted(kind(seed=0), table, schema).chunks(20_000))
    found = Shape.of(20_000, schema, {name: table[name].nunique() for name in schema.names})
    expected = estimate(prices, kind, kind.Params(), found, 20_000)
    seconds = expected.stages["fit"] + expected.stages["draw"]
    assert meter.busy_seconds / 2 - 0.05 < seconds < 2 * meter.busy_seconds + 0.05


def test_a_meter_knows_the_most_memory_held_meanwhile():
    meter = ResourceMeter()
    block = bytearray(60_000_000)
    held = meter.kept_mb
    del block
    assert 50 < held < 120 and meter.taken_mb >= 50 and highest_mb() > 60
    assert ResourceMeter().taken_mb < 50


def test_a_time_limit_bounds_the_estimate():
    kind = GENERATORS["ctgan"]
    fits = [Measurement("fit:ctgan", quantities("fit", shape(1000), n, 0), 2.0 + 10 * n, 100, 0) for n in (1, 2, 10)]
    prices = CostModel(fits)
    unlimited, limited = (
        estimate(prices, kind, kind.Params(epochs=1000, time_limit_s=limit), shape(1000), 10) for limit in (0, 60)
    )
    assert unlimited.stages["fit"] > 1000 and limited.stages["fit"] < 80


def test_free_memory_is_some_and_stages_are_priced_by_generator():
    trees = GENERATORS["trees"]
    assert free_mb() > 50
    assert stage_name("fit", trees, trees.Params()) == "fit:trees"
    assert stage_name("judge", trees, trees.Params()) == "judge"
