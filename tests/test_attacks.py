"""The attacks of Giomi et al. on tables so small that every guess is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.privacy.attacks import Arena, excess_risk, wilson
from metrics.privacy.inference import attribute_inference, infer, pooled
from metrics.privacy.linkability import halves, link, linkability
from metrics.privacy.singling_out import (
    combined_queries,
    singling_out,
    singling_out_multivariate,
    singling_out_univariate,
    univariate_queries,
)
from metrics.tools.encode import encoded
from metrics.verdict import verdict
from tests.judging import mixed_tables, rows, tables

ATTACKS = (singling_out_univariate, singling_out_multivariate, linkability, attribute_inference)


def arena(train, synthetic, control, **more) -> tuple[Arena, object]:
    """Attack these training rows, with these control rows, from this synthetic table."""
    judged = tables(train, synthetic, control, **more)
    sides = encoded(judged)
    return Arena(sides, sides.synthetic, sides.train, sides.holdout, seed=0), judged


def test_wilsons_interval_of_a_rate():
    # 5 of 10, z = 1.96, z² = 3.8415: middle (5 + 1.9207) / 13.8415 = 0.5;
    # half 1.96 / 13.8415 * sqrt(5 * 5 / 10 + 0.9604) = 0.1416 * 1.8602 = 0.2634.
    rate, half = wilson((5, 10))
    assert rate == pytest.approx(0.5)
    assert half == pytest.approx(0.2634, abs=1e-4)


def test_the_risk_is_what_the_attack_gains_over_the_control():
    # Large samples, so that Wilson's middle is the rate: (0.5 - 0.2) / (1 - 0.2) = 0.375.
    risk, (low, high) = excess_risk((50_000, 100_000), (20_000, 100_000))
    assert risk == pytest.approx(0.375, abs=1e-4)
    assert low < 0.375 < high
    assert excess_risk((10, 100), (30, 100))[0] == 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.data())
def test_a_risk_lies_between_0_and_1_within_its_interval(attacks, data):
    hits = data.draw(st.integers(0, attacks)), data.draw(st.integers(0, attacks))
    risk, (low, high) = excess_risk((hits[0], attacks), (hits[1], attacks))
    assert 0 <= low <= risk <= high <= 1


def test_univariate_queries_are_values_that_occur_once_and_extremes():
    from metrics.tools.kernels import AT_LEAST, AT_MOST, EQUAL, LACKING

    # Numbers 1, 2, 2, missing: 1 occurs once and is the smallest, the largest occurs twice, one is missing.
    # Levels (codes) 0, 0, 0, 1: 1 occurs once.
    table = np.array([[1.0, 0], [2.0, 0], [2.0, 0], [np.nan, 1]])
    queries = univariate_queries(table, np.array([True, False]))
    asked = set(zip(queries.columns[:, 0], queries.comparisons[:, 0], queries.values[:, 0], strict=True))
    assert asked == {(0, EQUAL, 1.0), (0, AT_MOST, 1.0), (0, LACKING, 0.0), (1, EQUAL, 1.0)}
    assert AT_LEAST not in queries.comparisons
    assert queries.single_out(table).all()


def test_a_unique_value_singles_out_who_has_it():
    # Equal rows count once: the targets are 7, 8, 9 and the controls 20, 21, 22. Of the queries = 7 (hits one),
    # = 8 (one), at most 7 (one), at least 8 (two) three of four succeed; at least 8 fits all controls, the others
    # none. Two synthetic rows made them, so they are worth two independent attacks.
    fight, _ = arena({"a": [7, 8, 8, 9]}, {"a": [7, 8]}, {"a": [20, 21, 22, 23]})
    outcome = singling_out(fight, multivariate=False)
    assert outcome.attack == (1.5, 2)
    assert outcome.control == (0.0, 2)


def test_combined_queries_match_exactly_one_row_and_differ():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 6, (300, 5)).astype(float)
    queries = combined_queries(table, np.array([True, True, True, False, False]), rng)
    assert len(queries) > 100
    assert queries.single_out(table).all()
    assert len(queries.distinct()) == len(queries)


def test_two_halves_that_find_the_same_synthetic_row_are_linked():
    # Both halves of (1, x) and of (2, y) find their own row; a control's halves (1, y) find different ones.
    fight, _ = arena(rows((1, "x"), (2, "y")), rows((1, "x"), (2, "y")), rows((1, "y"), (2, "x")))
    outcome = link(fight)
    assert outcome.attack == (2, 2)
    assert outcome.control == (0, 2)


def test_the_columns_that_tell_most_are_dealt_in_turn():
    fight, _ = arena(
        {"a": [1, 2, 3], "b": [1, 1, 2], "c": [1, 1, 1]},
        {"a": [1, 2, 3], "b": [1, 1, 2], "c": [1, 1, 1]},
        {"a": [1], "b": [1], "c": [1]},
    )
    assert halves(fight) == (["a", "c"], ["b"])


def test_a_secret_is_read_from_the_nearest_synthetic_row():
    # Knowing a, the secret s of both targets is right; of the controls' (1, v) and (2, v) neither.
    fight, judged = arena(
        rows((1, "u"), (2, "w")), rows((1, "u"), (2, "w")), rows((1, "v"), (2, "v")), options={"sensitive": ["b"]}
    )
    outcome = infer(fight, judged)
    assert outcome.attack[0] == outcome.attack[1]
    assert outcome.control[0] == 0
    assert [part.secret for part in outcome.parts] == ["b"]


def test_a_number_counts_as_guessed_within_five_percent():
    # Synthetic: x has 100. Targets in x have 104 (right) and 106 (wrong), 100 / 104 and 100 / 106 apart.
    fight, judged = arena(
        {"a": ["x", "x"], "s": [104.0, 106.0]},
        {"a": ["x"], "s": [100.0]},
        {"a": ["x", "x"], "s": [50.0, 200.0]},
        options={"sensitive": ["s"]},
    )
    outcome = infer(fight, judged)
    assert outcome.attack[0] / outcome.attack[1] == pytest.approx(0.5)
    assert outcome.control[0] == 0


def test_guesses_about_one_person_are_not_independent():
    # Four people, two secrets: all guesses about two people right, none about the others. Mean 1/2, spread of the
    # people's rates 1/4: worth 4 * (1/4) / (1/4) = 4 attacks, not 8.
    assert pooled(np.array([[1, 1], [1, 1], [0, 0], [0, 0]], dtype=bool)) == (2.0, 4)
    # Guessed independently: one secret of each person right: no spread between people, each guess counts.
    assert pooled(np.array([[1, 0], [0, 1], [1, 0], [0, 1]], dtype=bool)) == (4.0, 8)


def test_training_rows_as_synthetic_are_exposed_and_fresh_rows_are_not():
    judged = mixed_tables(600, 300, 600, seed=1)
    copied = replace(judged, synthetic=judged.train)
    for attack in (singling_out_multivariate, linkability, attribute_inference):
        assert verdict(attack.card, attack(copied)).level == "worse", attack.card.name
    for attack in ATTACKS:
        score = attack(judged)
        assert verdict(attack.card, score).level == "as_good", (attack.card.name, score)


def test_targets_are_as_many_as_controls():
    # The larger train would single out less often, and the control more: the trap of unequal sizes.
    score = singling_out_multivariate(mixed_tables(5000, 200, 500, seed=2))
    assert score.value == pytest.approx(0, abs=0.1)
