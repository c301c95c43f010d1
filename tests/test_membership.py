"""Membership inference: who was in the training data."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.privacy.membership import attack, membership_inference
from metrics.verdict import verdict
from tests.judging import mixed_tables


def line(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(-1, 1)


def test_members_that_lie_on_synthetic_rows_are_all_found():
    # Members at 0.2 and 0.4, where synthetic rows are; the others at 0.7 and 0.9 are 0.3 and 0.5 away.
    by_distance, _ = attack(line(0.2, 0.4, 0.7, 0.9), line(0.2, 0.4), line(0.1, 0.5, 0.8), np.array([False]))
    assert by_distance.auc == 1.0
    assert by_distance.caught == by_distance.members == 2


def test_density_allows_for_rows_that_are_common_anyway():
    # All four are 1/8 from the nearest synthetic row, but the members at 6/8 lie where the population is thin
    # (nearest 5/8 away), the others amid it (0): only the synthetic rows can explain the members.
    asked, synthetic, population = line(0.75, 0.75, 0.125, 0.125), line(0.875, 0.25), line(0.125)
    by_distance, by_density = attack(asked, synthetic, population, np.array([False]))
    assert by_distance.auc == pytest.approx(0.5)
    assert by_density.auc == 1.0


def test_training_rows_as_synthetic_betray_their_members():
    judged = mixed_tables(800, 400, 800, seed=1)
    score = membership_inference(replace(judged, synthetic=judged.train))
    assert score.value > 0.95
    assert verdict(membership_inference.card, score).level == "worse"
    assert score.detail.attacks[0].caught_at_1_percent > 0.9


def test_fresh_rows_betray_nobody():
    score = membership_inference(mixed_tables(800, 800, 800, seed=2))
    assert verdict(membership_inference.card, score).level == "as_good"
    assert score.value == pytest.approx(0.5, abs=0.08)
