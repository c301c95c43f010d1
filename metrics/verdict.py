"""The verdict on each score, three summary figures, and the release gate."""

from __future__ import annotations

from math import floor, log10
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from metrics.base import Card, Family, Score
from metrics.detail import Detail
from metrics.registry import METRICS

Level = Literal["better", "as_good", "worse", "unknown"]


class Verdict(BaseModel):
    """A score in words, compared with its benchmark."""

    level: Level
    text: str


def verdict(card: Card, score: Score) -> Verdict:
    """Is the score better than, as good as, or worse than its benchmark, and by how much?

    A difference counts when it is larger than chance explains (both intervals together) and than what matters
    (`Card.matters`). Without a reference there is no verdict.
    """
    if score.value is None:
        return Verdict(level="unknown", text=score.note or "Not measured.")
    if score.reference is None:
        alone = f"{number(score.value)}; there is no benchmark to compare it with."
        return Verdict(level="unknown", text=score.note or alone)
    compared, loss = compared_value(score), worse_by(card, score)
    against = f"{number(compared)} against {number(score.reference)}"
    if abs(loss) <= max(chance(score), card.matters):
        return Verdict(level="as_good", text=f"As good as {benchmark(card)}: {against}.")
    level: Level = "worse" if loss > 0 else "better"
    said = "Off" if card.good == "reference" else f"{level.capitalize()} than"
    return Verdict(level=level, text=f"{said} {benchmark(card)} by {number(abs(loss))}: {against}.")


def compared_value(score: Score) -> float:
    """What is compared with the reference: the value on as many rows as the reference had."""
    return score.value if score.at_holdout_size is None else score.at_holdout_size


def worse_by(card: Card, score: Score) -> float:
    """How much worse a score is than its benchmark; negative where it is better."""
    difference = compared_value(score) - score.reference
    return {"high": -difference, "low": difference, "reference": abs(difference)}[card.good]


def chance(score: Score) -> float:
    """The largest difference between value and reference that chance alone explains on a whole scorecard."""
    upwards = compared_value(score) > score.reference
    value_reach = reach(score.ci, score.value, up=not upwards)
    return ALL_AT_ONCE * float(np.hypot(value_reach, reach(score.reference_ci, score.reference, up=upwards)))


ALL_AT_ONCE = 1.6
"""Of thirty metrics at 95 % one or two differ by chance. At 3.14 instead of 1.96 deviations none does in 95 % of
all scorecards (Bonferroni): measured on ten datasets with held-out rows as synthetic."""


def reach(interval: tuple[float, float] | None, value: float, *, up: bool) -> float:
    """How far an interval reaches up (or down) from its value."""
    if interval is None:
        return 0.0
    return max(interval[1] - value, 0.0) if up else max(value - interval[0], 0.0)


def benchmark(card: Card) -> str:
    """What the reference of a metric was measured on, in words."""
    return {"utility": "a model trained on real data", "dialogue": "held-out real dialogues"}.get(
        card.family, "held-out real rows"
    )


def number(value: float) -> str:
    """A score as people read it: three decimals, more where three would say 0 (0.00004, not 4e-05); counts whole."""
    if abs(value) > 1 and value == round(value):
        return f"{value:,.0f}"
    if abs(value) >= 0.0005 or value == 0:
        return f"{value:.3f}"
    return f"{value:.{-floor(log10(abs(value)))}f}"


# Three figures --------------------------------------------------------------------------------------------------

FIGURES: dict[Family, tuple[str, ...]] = {
    "fidelity": ("column_shapes", "column_pair_trends", "marginal_accuracy", "detector"),
    "utility": ("train_on_synthetic",),
    "privacy": (
        "exact_copies",
        "near_copies",
        "distance_to_closest_record",
        "nearest_neighbour_ratio",
        "singling_out_univariate",
        "singling_out_multivariate",
        "linkability",
        "attribute_inference",
        "membership_inference",
        "pii_replay",
    ),
}
"""The metrics in the three figures; the others show where a difference lies."""


class Figure(BaseModel):
    """One number for a family of metrics, in words for somebody who reads only this."""

    family: Family
    title: str
    value: float | None = Field(description="0 to 1, and 1 is what held-out real rows reach; None: not evaluated.")
    level: Level
    text: str
    weakest: str | None = Field(description="Name of the metric that scores worst against its benchmark.")


def summary(scores: dict[str, Score]) -> list[Figure]:
    """One fidelity, one utility and one privacy figure, each explained.

    Fidelity and utility are the mean, over their metrics, of the share of the reference that was reached; privacy
    is what the weakest metric leaves, since an attacker takes the easiest way in. What is as good as real data
    counts as 1.
    """
    return [figure(family, scores) for family in FIGURES]


def figure(family: Family, scores: dict[str, Score]) -> Figure:
    """The figure of one family; no value when none of its metrics could be compared with its benchmark."""
    title = family.capitalize()
    compared = {
        name: verdict(METRICS[name].card, scores[name])
        for name in FIGURES[family]
        if name in scores and scores[name].value is not None and scores[name].reference is not None
    }
    if not compared:
        notes = [scores[name].note for name in FIGURES[family] if name in scores and scores[name].note]
        why = notes[0] if notes else "None of its metrics was measured."
        return Figure(family=family, title=title, value=None, level="unknown", text=why, weakest=None)
    reached = {
        name: share_reached(METRICS[name].card, scores[name]) if compared[name].level == "worse" else 1.0
        for name in compared
    }
    weakest = min(reached, key=reached.__getitem__)
    value = reached[weakest] if family == "privacy" else float(np.mean(list(reached.values())))
    worse = [METRICS[name].card.title for name in compared if compared[name].level == "worse"]
    level: Level = "worse" if worse else "as_good"
    if not worse:
        text = f"{title} 100 of 100: as good as real data on all {len(compared)} metrics."
    else:
        text = (
            f"{title} {100 * value:.0f} of 100, where 100 is what real data scores. Worse than real data on "
            f"{len(worse)} of {len(compared)} metrics, most of all {METRICS[weakest].card.title}: {compared[weakest].text}"
        )
    return Figure(family=family, title=title, value=value, level=level, text=text, weakest=weakest if worse else None)


class Guessing(Detail):
    """What is read of the detail of a metric that guessing does not leave at 0."""

    guessing: float


def share_reached(card: Card, score: Score) -> float:
    """How much of what real data reaches above mere guessing was reached, 0 to 1."""
    if card.good == "low":
        # Of an attack that succeeds half of the time anyway, only the other half can be lost.
        room = max((1.0 if card.high is None else card.high) - score.reference, 1e-9)
        return float(np.clip(1 - worse_by(card, score) / room, 0, 1))
    beside = score.detail_as(Guessing)
    guessing = beside.guessing if beside else 0.0
    return float(np.clip((compared_value(score) - guessing) / max(score.reference - guessing, 1e-9), 0, 1))


class CopyCount(Detail):
    """What is read of the detail of exact copies."""

    count: int


class MedianDistance(Detail):
    """What is read of the detail of the distance to the closest record."""

    median_to_train: float


def plain_names(scores: dict[str, Score]) -> dict[str, float | None]:
    """Three privacy metrics under plain names.

    `exact match count` counts copied rows, `nearest-neighbour distance` is the median distance of a synthetic row to
    the nearest training row (0 to 1), and `membership inference risk` is how far the better attack is above guessing
    (0 to 1: 2 AUC - 1, at least 0). None where it was not measured.
    """
    copies, distance, membership = (
        scores.get(name) for name in ("exact_copies", "distance_to_closest_record", "membership_inference")
    )
    counted = copies.detail_as(CopyCount) if copies else None
    median = distance.detail_as(MedianDistance) if distance else None
    risk = None if membership is None or membership.value is None else max(0.0, 2 * membership.value - 1)
    return {
        "exact match count": counted.count if counted else None,
        "nearest-neighbour distance": median.median_to_train if median else None,
        "membership inference risk": risk,
    }


# Release gate -----------------------------------------------------------------------------------------------------


class Threshold(BaseModel):
    """What the owner of the data requires of one metric before a table may be released."""

    model_config = ConfigDict(extra="forbid")

    metric: str = Field(description="Name of the metric.", examples=["exact_copies"])
    worse_by: float | None = Field(
        None, ge=0, description="How much worse than its benchmark it may score.", examples=[0.05]
    )
    at_least: float | None = Field(
        None, description="The smallest value allowed, whatever the benchmark.", examples=[0.9]
    )
    at_most: float | None = Field(
        None, description="The largest value allowed, whatever the benchmark.", examples=[0.6]
    )
    required: bool = Field(
        True, description="Whether a table on which it cannot be measured fails the gate.", examples=[True]
    )


class Reason(BaseModel):
    """How one threshold fared."""

    metric: str
    passed: bool
    text: str


class Gate(BaseModel):
    """Whether a table may be released, and why."""

    passed: bool
    reasons: list[Reason] = Field(description="Those that failed first.")


THRESHOLDS: list[Threshold] = [
    Threshold(metric="exact_copies", worse_by=0.002),
    Threshold(metric="near_copies", worse_by=0.03),
    Threshold(metric="distance_to_closest_record", worse_by=0.03),
    Threshold(metric="singling_out_multivariate", worse_by=0.05, required=False),
    Threshold(metric="linkability", worse_by=0.05, required=False),
    Threshold(metric="attribute_inference", worse_by=0.05, required=False),
    Threshold(metric="membership_inference", worse_by=0.03),
    Threshold(metric="pii_replay", worse_by=0.001, required=False),
    Threshold(metric="column_shapes", worse_by=0.05),
    Threshold(metric="column_pair_trends", worse_by=0.05),
    Threshold(metric="train_on_synthetic", worse_by=0.05, required=False),
]
"""The recommended thresholds; every owner may choose others."""


def gate(scores: dict[str, Score], thresholds: list[Threshold] | None = None) -> Gate:
    """May this table be released? Every threshold must be met; one that could not be measured is not met.

    A score beyond `worse_by` fails only when chance does not explain it (see `verdict`).
    """
    reasons = [
        checked(threshold, scores.get(threshold.metric))
        for threshold in (THRESHOLDS if thresholds is None else thresholds)
    ]
    return Gate(passed=all(reason.passed for reason in reasons), reasons=sorted(reasons, key=lambda r: r.passed))


def checked(threshold: Threshold, score: Score | None) -> Reason:
    """How a score fares against its threshold."""
    card = METRICS[threshold.metric].card

    def reason(passed: bool, text: str) -> Reason:
        return Reason(metric=threshold.metric, passed=passed, text=f"{card.title}: {text}")

    if score is None or score.value is None:
        why = score.note if score else "It was not measured."
        return reason(not threshold.required, why if threshold.required else f"{why} It is not required.")
    if threshold.at_least is not None and score.value < threshold.at_least:
        return reason(False, f"{number(score.value)}, and at least {number(threshold.at_least)} is required.")
    if threshold.at_most is not None and score.value > threshold.at_most:
        return reason(False, f"{number(score.value)}, and at most {number(threshold.at_most)} is allowed.")
    if threshold.worse_by is None:
        return reason(True, number(score.value))
    if score.reference is None:
        return reason(not threshold.required, f"There is no benchmark to compare it with. {score.note}".strip())
    loss = worse_by(card, score)
    words = f"{verdict(card, score).text} Up to {number(threshold.worse_by)} worse is allowed."
    return reason(loss <= max(threshold.worse_by, chance(score)), words)
