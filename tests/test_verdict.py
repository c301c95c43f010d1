"""Verdicts, the three figures and the release gate, on scores written by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import METRICS, THRESHOLDS, gate, plain_names, summary
from metrics.base import Card, Score
from metrics.verdict import FIGURES, Threshold, number, verdict


def card(good: str, matters: float = 0.01) -> Card:
    return Card(name="m", title="M", family="fidelity", question="?", low=0, high=1, good=good, matters=matters)


def score(value, reference=None, half=0.0, **more) -> Score:
    interval = None if value is None else (value - half, value + half)
    return Score(value=value, reference=reference, ci=interval, **more)


@pytest.mark.parametrize(
    "good, value, reference, level",
    [
        ("high", 0.9, 0.8, "better"),
        ("high", 0.7, 0.8, "worse"),
        ("low", 0.9, 0.8, "worse"),
        ("low", 0.7, 0.8, "better"),
        ("reference", 0.9, 0.8, "worse"),
        ("reference", 0.7, 0.8, "worse"),
        ("high", 0.795, 0.8, "as_good"),  # less than matters
        ("high", 0.9, None, "unknown"),
        ("high", None, 0.8, "unknown"),
    ],
)
def test_a_score_is_judged_by_its_reference(good, value, reference, level):
    assert verdict(card(good), score(value, reference)).level == level


def test_a_verdict_says_by_how_much():
    assert verdict(card("high"), score(0.7, 0.8)).text == "Worse than held-out real rows by 0.100: 0.700 against 0.800."


def test_what_should_be_like_real_data_is_off_on_either_side():
    assert verdict(card("reference"), score(0.7, 0.8)).text == "Off held-out real rows by 0.100: 0.700 against 0.800."
    assert verdict(card("reference"), score(0.9, 0.8)).text == "Off held-out real rows by 0.100: 0.900 against 0.800."


def test_without_a_reference_the_value_is_still_told():
    assert verdict(card("high"), score(0.95)).text == "0.950; there is no benchmark to compare it with."


def test_what_chance_explains_is_no_difference():
    # 1.6 * 0.1 = 0.16 is what chance explains on a whole scorecard.
    assert verdict(card("high"), score(0.7, 0.8, half=0.1)).level == "as_good"
    assert verdict(card("high"), score(0.63, 0.8, half=0.1)).level == "worse"


def test_the_interval_of_the_reference_counts_too():
    judged = score(0.7, 0.8, half=0.05, reference_ci=(0.7, 0.9))
    assert verdict(card("high"), judged).level == "as_good"


def test_equally_many_rows_are_compared():
    assert verdict(card("high"), score(0.99, 0.95, at_holdout_size=0.95)).level == "as_good"


def test_without_a_value_the_note_is_the_verdict():
    assert verdict(card("high"), Score(value=None, note="No target.")).text == "No target."


@given(st.sampled_from(["high", "low"]), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.3))
def test_better_and_worse_mirror_each_other(good, value, reference, half):
    mirrored = {"better": "worse", "worse": "better", "as_good": "as_good"}
    one = verdict(card(good), score(value, reference, half))
    other = verdict(card("low" if good == "high" else "high"), score(value, reference, half))
    assert other.level == mirrored[one.level]


def all_as_good() -> dict[str, Score]:
    return {name: score(0.5, 0.5) for names in FIGURES.values() for name in names}


def test_a_table_as_good_as_real_data_has_100_of_100_in_each_figure():
    assert [(figure.value, figure.level) for figure in summary(all_as_good())] == [(1.0, "as_good")] * 3


def test_fidelity_is_the_mean_of_what_was_reached():
    # Three of four are as good as real data, the trends reach 0.4 of 0.8.
    scores = all_as_good() | {"column_pair_trends": score(0.4, 0.8)}
    fidelity = summary(scores)[0]
    assert fidelity.value == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert fidelity.weakest == "column_pair_trends"
    assert "Column pair trends" in fidelity.text


def test_utility_counts_from_guessing():
    # 0.7 where real data gives 0.9 and guessing 0.5: half of what there is to gain.
    utility = summary(all_as_good() | {"train_on_synthetic": score(0.7, 0.9, detail={"guessing": 0.5})})[1]
    assert utility.value == pytest.approx(0.5)


def test_privacy_is_the_weakest_link():
    # Copies: 0.1 beyond 0 of 1: 0.9 left. Membership 0.8 beyond 0.5 of 0.5: 0.4 left.
    scores = all_as_good() | {"exact_copies": score(0.1, 0.0), "membership_inference": score(0.8, 0.5)}
    privacy = summary(scores)[2]
    assert privacy.value == pytest.approx(0.4)
    assert privacy.weakest == "membership_inference"


def test_without_a_holdout_no_figure_is_given():
    figures = summary({"exact_copies": score(0.0, note="Without a holdout nobody can say.")})
    assert figures[2].level == "unknown"
    assert figures[2].value is None
    assert "holdout" in figures[2].text


def test_the_gate_passes_a_table_as_good_as_real_data():
    decision = gate(all_as_good())
    assert decision.passed
    assert len(decision.reasons) == len(THRESHOLDS)


def test_the_gate_fails_with_the_reason_first():
    decision = gate(all_as_good() | {"exact_copies": score(0.4, 0.0)})
    assert not decision.passed
    assert decision.reasons[0].metric == "exact_copies"
    assert "0.400 against 0.000" in decision.reasons[0].text


def test_what_chance_explains_does_not_fail_the_gate():
    assert gate(all_as_good() | {"membership_inference": score(0.6, 0.5, half=0.1)}).passed


def test_a_required_score_that_is_absent_fails_and_another_does_not():
    scores = all_as_good()
    del scores["train_on_synthetic"]
    assert gate(scores).passed
    del scores["exact_copies"]
    assert not gate(scores).passed


@pytest.mark.parametrize(
    "threshold, passed",
    [
        (Threshold(metric="column_shapes", at_least=0.9), False),
        (Threshold(metric="column_shapes", at_least=0.5), True),
        (Threshold(metric="column_shapes", at_most=0.4), False),
        (Threshold(metric="column_shapes", worse_by=0.3), True),
        (Threshold(metric="column_shapes", worse_by=0.1), False),
    ],
)
def test_the_owner_may_ask_for_other_bounds(threshold, passed):
    assert gate({"column_shapes": score(0.8 if threshold.worse_by else 0.6, 1.0)}, [threshold]).passed is passed


def test_every_name_in_figures_and_thresholds_is_a_metric():
    named = {name for names in FIGURES.values() for name in names} | {threshold.metric for threshold in THRESHOLDS}
    assert named <= set(METRICS)


def test_three_measures_under_their_plain_names():
    scores = {
        "exact_copies": score(0.1, detail={"count": 7}),
        "distance_to_closest_record": score(0.5, detail={"median_to_train": 0.2}),
        "membership_inference": score(0.75),
    }
    assert plain_names(scores) == {
        "exact match count": 7,
        "nearest-neighbour distance": 0.2,
        "membership inference risk": 0.5,
    }
    assert plain_names({})["exact match count"] is None


@pytest.mark.parametrize(
    "value, words",
    [
        (0.98765, "0.988"),
        (1, "1.000"),
        (0, "0.000"),
        (-0.2, "-0.200"),
        (0.0005, "0.001"),
        (0.0004, "0.0004"),
        (-0.000038, "-0.00004"),
        (1.5, "1.500"),
        (1052, "1,052"),
    ],
)
def test_a_number_has_three_decimals_or_as_many_as_it_takes_not_to_say_0_and_a_count_none(value, words):
    assert number(value) == words
