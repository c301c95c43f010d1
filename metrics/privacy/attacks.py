"""Attacks on the people in the training data: singling out, linking, inferring (Giomi et al. 2023).

Each attack is run against training rows and, as its control, against as many held-out rows.
Only what succeeds more often against training rows is a leak; the rest follows from the population.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from metrics.base import Score, Tables, once
from metrics.detail import AttackRates, SecretRisk, SecretRisks
from metrics.privacy.distances import equal_sides
from metrics.tools.compare import plain
from metrics.tools.encode import Encoded, Side, encoded
from metrics.tools.intervals import Interval, Z, clip
from metrics.tools.nearest import Space, nearest
from metrics.tools.sampling import randomness

SOURCE = "Giomi et al. 2023, A Unified Framework for Quantifying Privacy Risk in Synthetic Data (Anonymeter)"

RISK: dict[str, Any] = {
    "low": 0,
    "high": 1,
    "good": "low",
    "why": "0 means the attack succeeds no more often than against people who were never in the data.",
    "cost": "medium",
    "needs": ("holdout",),
    "matters": 0.02,
    "source": SOURCE,
}
"""What the cards of all attacks say."""
Hits = tuple[float, int]
"""Successful attacks, and all attacks."""


class SecretAttacked(SecretRisk):
    attack_rate: float | None
    control_rate: float | None
    guessing_rate: float | None


class InferenceDetail(AttackRates, SecretRisks):
    secrets: list[SecretAttacked]


@dataclass(frozen=True)
class Arena:
    """What an attack needs: the table the attacker has, the people attacked, and people who cannot leak."""

    sides: Encoded
    synthetic: Side
    targets: Side
    controls: Side
    seed: int


@dataclass(frozen=True)
class Outcome:
    """How often an attack succeeded against targets and controls, and mere guessing against targets."""

    attack: Hits
    control: Hits
    guessing: Hits
    parts: list[SecretAttacked] | None = None
    """The same for each secret, where there are several."""


@once
def arenas(tables: Tables) -> tuple[Arena, list[Arena]]:
    """The arena of the synthetic table, and two with half of the holdout in its place and the other half as control."""
    sides = encoded(tables)
    train_rows, holdout_rows = equal_sides(tables)
    train, holdout = sides.train.take(train_rows), sides.holdout.take(holdout_rows)
    rng = randomness(tables.seed, "arenas")
    real = Arena(sides, sides.synthetic, train, holdout, tables.seed)
    order = rng.permutation(holdout.rows)
    first, second = np.array_split(order, 2)
    fresh = [
        Arena(
            sides,
            synthetic=holdout.take(here),
            targets=train.take(rng.permutation(train.rows)[: len(there)]),
            controls=holdout.take(there),
            seed=tables.seed,
        )
        for here, there in ((first, second), (second, first))
    ]
    return real, fresh


def run(tables: Tables, attack: Callable[[Arena], Outcome]) -> Score:
    """The risk of an attack with the synthetic table, beside that of the same attack with held-out real rows."""
    real, fresh = arenas(tables)
    outcome, fresh_outcomes = attack(real), [attack(arena) for arena in fresh]
    value, interval = excess_risk(outcome.attack, outcome.control)
    reference, reference_interval = excess_risk(
        together([outcome.attack for outcome in fresh_outcomes]),
        together([outcome.control for outcome in fresh_outcomes]),
    )
    detail = AttackRates(
        attack_rate=plain(rate(outcome.attack)),
        control_rate=plain(rate(outcome.control)),
        guessing_rate=plain(rate(outcome.guessing)),
        attacks=outcome.attack[1],
    )
    if outcome.parts is not None:
        most_at_risk_first = sorted(outcome.parts, key=lambda part: -part.risk)
        detail = InferenceDetail(secrets=most_at_risk_first, **detail.model_dump())
    note = ""
    if rate(outcome.attack) <= rate(outcome.guessing):
        note = "The attack did no better than guessing: this says that this attack fails, not that every attack does."
    return Score(
        value=value, ci=interval, reference=reference, reference_ci=reference_interval, detail=detail, note=note
    )


def together(hits: list[Hits]) -> Hits:
    return sum(successes for successes, _ in hits), sum(attacks for _, attacks in hits)


def rate(hits: Hits) -> float:
    return hits[0] / max(hits[1], 1)


def wilson(hits: Hits) -> tuple[float, float]:
    """Rate and half-width of Wilson's interval (1927), which stays sensible near 0 and 1."""
    successes, attempts = hits
    whole = attempts + Z * Z
    half = Z / whole * sqrt(successes * (attempts - successes) / attempts + Z * Z / 4)
    return (successes + Z * Z / 2) / whole, half


def excess_risk(attack: Hits, control: Hits) -> tuple[float, Interval]:
    """Successes beyond the control's, as a share of what the control left: (a - c) / (1 - c), within 0 and 1.

    The error is propagated from both rates. Source: Giomi et al. 2023, section 4.
    """
    (attacked, attacked_half), (controlled, controlled_half) = wilson(attack), wilson(control)
    risk = (attacked - controlled) / (1 - controlled)
    half = sqrt(
        (attacked_half / (1 - controlled)) ** 2 + (controlled_half * (attacked - 1) / (1 - controlled) ** 2) ** 2
    )
    return min(max(risk, 0.0), 1.0), clip(max(risk - half, 0.0), max(risk + half, 0.0))


def nearest_rows(arena: Arena, side: Side, names: list[str]) -> np.ndarray:
    """Position of the synthetic row nearest to each row, by these columns."""
    space = Space.of(arena.sides, names)
    return nearest(space.points(side), space.points(arena.synthetic), space.is_code)[1][:, 0]
