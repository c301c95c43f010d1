"""Alpha-precision, beta-recall and authenticity, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.fidelity.manifold import (
    LEVELS,
    Middle,
    agreement,
    alpha_precision,
    at_levels,
    authenticity,
    beta_recall,
    support,
)
from metrics.verdict import verdict
from synth.schema.casting import conform
from tests.judging import mixed_tables

NUMERIC = np.array([False])


def line(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(-1, 1)


def test_the_distance_from_the_middle_is_the_mean_distance_to_all_rows():
    # To 0, 0.2, 0.4: from 0.2: (0.2 + 0 + 0.2) / 3; from 1: (1 + 0.8 + 0.6) / 3.
    found = Middle.of(line(0, 0.2, 0.4), NUMERIC).distances(line(0.2, 1))
    assert found == pytest.approx([0.4 / 3, 2.4 / 3], abs=1e-6)
    # Levels 0, 0, 1: a 0 differs from one in three, a 1 from two, an unknown one from all.
    found = Middle.of(line(0, 0, 1), np.array([True])).distances(line(0, 1, 7))
    assert found == pytest.approx([1 / 3, 2 / 3, 1])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.just(-1.0), st.floats(0, 1, width=32)), min_size=1, max_size=20))
def test_the_running_sums_give_the_distances_one_by_one(values):
    points = line(*values)
    expected = np.minimum(np.abs(points.astype(float) - points.astype(float).T), 1).mean(axis=1)
    assert Middle.of(points, NUMERIC).distances(points) == pytest.approx(expected, abs=1e-5)


def test_a_row_near_a_training_row_that_stands_alone_is_not_authentic():
    # Training rows at 0, 0.1 and 1; nearest fellows at 0.1, 0.1 and 0.9. A row at 0.8 is 0.2 from 1, which has its
    # next fellow at 0.9: not new. A row at 0.3 is 0.2 from 0.1, which has its fellow at 0.1: new.
    found = support(line(0, 0.1, 1), np.array([0.1, 0.1, 0.9]), line(0.8, 0.3), NUMERIC)
    assert found.authentic.tolist() == [False, True]


def test_a_real_row_is_met_by_a_row_nearer_than_its_next_fellow():
    # Training rows 0 and 0.1 (fellows at 0.1) and 1 (at 0.9). Rows at 0.05 and 0.5: 0 and 0.1 are met at 0.05,
    # 1 is met by 0.5.
    found = support(line(0, 0.1, 1), np.array([0.1, 0.1, 0.9], dtype=np.float32), line(0.05, 0.5), NUMERIC)
    assert (found.recall_at < 2).tolist() == [True, True, True]
    found = support(line(0, 0.1, 1), np.array([0.1, 0.1, 0.9], dtype=np.float32), line(0.3, 0.3), NUMERIC)
    assert (found.recall_at < 2).tolist() == [False, False, True]


def test_a_curve_on_the_diagonal_agrees_and_one_that_stays_at_0_does_not():
    assert agreement(np.linspace(0, 1, 10_000)) == pytest.approx(1, abs=1e-3)
    assert agreement(np.full(100, 2.0)) == pytest.approx(0)
    assert at_levels(np.array([0.0, 2.0]))[-1] == 0.5
    assert len(LEVELS) == 30


def test_a_forgotten_group_lowers_the_recall_only():
    judged = mixed_tables(2000, 1000, 2000, seed=1)
    kept = judged.synthetic[judged.synthetic["group"].isin(["north", "south"])].reset_index(drop=True)
    forgot = replace(judged, synthetic=kept)
    assert verdict(beta_recall.card, beta_recall(forgot)).level == "worse"
    assert beta_recall(judged).value > beta_recall(forgot).value + 0.1


@pytest.mark.parametrize("age", [20, 120])
def test_rows_all_in_the_middle_or_all_at_the_edge_lower_the_precision(age):
    judged = mixed_tables(2000, 1000, 2000, seed=2)
    # Everybody 20 and of one group lies at the edge; at 120, beyond it.
    odd = judged.synthetic.assign(age=age, joined=judged.synthetic["joined"].min())
    assert alpha_precision(replace(judged, synthetic=conform(odd, judged.schema))).value < 0.8
    assert alpha_precision(judged).value > 0.93


def test_copies_lower_the_authenticity():
    judged = mixed_tables(400, 400, 400, seed=3)
    score = authenticity(replace(judged, synthetic=judged.train))
    assert score.value == 0.0
    assert score.reference > 0.3


def test_three_rows_say_what_is_needed():
    score = alpha_precision(mixed_tables(3, 3, 3))
    assert score.value is None
    assert "at least 20" in score.note
