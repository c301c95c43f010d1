"""What a manager reads: a verdict on each score, three figures, and whether the table may be released."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel

from metrics.base import Card, Score

Level = Literal["better", "as_good", "worse", "unknown"]


class Verdict(BaseModel):
    """A score in words, measured against what real data scores."""

    level: Level
    text: str


def verdict(card: Card, score: Score) -> Verdict:
    """Is the score better than, as good as, or worse than what real data would score, and by how much?

    A difference counts when it is larger than chance explains (both intervals together) and than what matters
    (`Card.matters`). Without a reference there is no verdict.
    """
    if score.value is None:
        return Verdict(level="unknown", text=score.note or "Not measured.")
    if score.reference is None:
        return Verdict(level="unknown", text=score.note or "There is no real reference to judge this against.")
    value = score.value if score.at_holdout_size is None else score.at_holdout_size
    difference = value - score.reference
    chance = float(
        np.hypot(reach(score.ci, score.value, -difference), reach(score.reference_ci, score.reference, difference))
    )
    yardstick = yardstick_of(card)
    if abs(difference) <= max(chance, card.matters):
        return Verdict(
            level="as_good", text=f"As good as {yardstick}: {number(value)} against {number(score.reference)}."
        )
    good = difference > 0 if card.good == "high" else difference < 0 and card.good == "low"
    level: Level = "better" if good else "worse"
    return Verdict(
        level=level,
        text=f"{level.capitalize()} than {yardstick} by {number(abs(difference))}: {number(value)} "
        f"against {number(score.reference)}.",
    )


def yardstick_of(card: Card) -> str:
    """What the reference of a metric was measured on, in words."""
    return "a model trained on real data" if card.family == "utility" else "fresh real rows"


def reach(interval: tuple[float, float] | None, value: float, towards: float) -> float:
    """How far an interval reaches from its value in the direction of the sign of `towards`."""
    if interval is None:
        return 0.0
    return max(interval[1] - value, 0.0) if towards > 0 else max(value - interval[0], 0.0)


def number(value: float) -> str:
    """A score as people read it: three decimals, more where three would say 0."""
    return f"{value:.3f}" if abs(value) >= 0.0005 or value == 0 else f"{value:.1g}"
