"""Can somebody who knows a person's record tell that it was in the training data?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.base import Score, Tables
from metrics.detail import RocCurve, RocOfAttack, RocOfAttacks
from metrics.privacy.distances import equal_sides
from metrics.registry import metric
from metrics.tools.compare import plain
from metrics.tools.encode import Side, encoded
from metrics.tools.intervals import auc_interval, share_interval
from metrics.tools.learners import area, curve
from metrics.tools.nearest import nearest, space
from metrics.tools.sampling import randomness, sample_rows

MOST_ATTACKED = 3000
NEIGHBOURS = 5
FEW = 0.01
"""The false-positive rate at which an attacker is sure of himself."""


@dataclass(frozen=True)
class Attack:
    """How well one attack tells members from others."""

    name: str
    auc: float
    caught: int
    """Members found at a false-positive rate of 1 %."""
    members: int
    roc: RocCurve


class MembershipAttack(RocOfAttack):
    auc: float | None
    caught_at_1_percent: float | None
    caught_ci: list[float | None]
    reference_auc: float | None
    reference_caught_at_1_percent: float | None


class MembershipDetail(RocOfAttacks):
    attacks: list[MembershipAttack]
    members: int


@metric(
    "Membership inference",
    "privacy",
    "Can somebody who knows a person's record tell that it was in the training data?",
    0,
    1,
    "low",
    detail=MembershipDetail,
    place=100,
    why="0.5 is guessing; what held-out real rows score is no leak.",
    cost="medium",
    needs=("holdout",),
    matters=0.02,
    plain="membership inference risk",
    source="distance: Chen et al. 2020 (GAN-Leaks); density: van Breugel et al. 2023 (DOMIAS)",
)
def membership_inference(tables: Tables) -> Score:
    """Can somebody who knows a person's record tell that it was in the training data?

    To have been in a clinic's data is itself a secret. The attacker has the synthetic table and a person's record.
    By distance: the nearer the nearest synthetic row, the likelier a member. By density: the same, but relative to
    how near the nearest rows of the population are (half of the holdout). Members are training rows, the others as
    many of the other half of the holdout. The area under the ROC curve of the better attack. In [0, 1].
    """
    sides, metric_space = encoded(tables), space(tables)
    train_rows, holdout_rows = equal_sides(tables)
    order = randomness(tables.seed, "population").permutation(len(holdout_rows))
    halves = [sides.holdout.take(holdout_rows[part]) for part in np.array_split(order, 2)]
    thirds = [sides.holdout.take(holdout_rows[part]) for part in np.array_split(order, 3)]

    def attacks(synthetic: Side, others: Side, population: Side) -> list[Attack]:
        count = min(others.rows, len(train_rows), MOST_ATTACKED)
        members = sides.train.take(train_rows[sample_rows(len(train_rows), count, tables.seed, "members")])
        others = others.take(sample_rows(others.rows, count, tables.seed, "others"))
        asked = np.vstack([metric_space.points(members), metric_space.points(others)])
        return attack(asked, metric_space.points(synthetic), metric_space.points(population), metric_space.is_code)

    found = attacks(sides.synthetic, *halves)
    fresh = attacks(*thirds)
    best, fresh_best = (max(tried, key=lambda attack: attack.auc) for tried in (found, fresh))
    return Score(
        value=best.auc,
        ci=auc_interval(best.auc, best.members, best.members),
        reference=fresh_best.auc,
        reference_ci=auc_interval(fresh_best.auc, fresh_best.members, fresh_best.members),
        detail=MembershipDetail(
            attacks=[
                MembershipAttack(
                    attack=one.name,
                    auc=plain(one.auc),
                    caught_at_1_percent=plain(one.caught / one.members),
                    caught_ci=[plain(end) for end in share_interval(one.caught, one.members)],
                    reference_auc=plain(other.auc),
                    reference_caught_at_1_percent=plain(other.caught / other.members),
                    roc=one.roc,
                )
                for one, other in zip(found, fresh, strict=True)
            ],
            members=best.members,
        ),
    )


def attack(asked: np.ndarray, synthetic: np.ndarray, population: np.ndarray, is_code: np.ndarray) -> list[Attack]:
    """Both attacks on the rows asked about, of which the first half are members."""
    near, _ = nearest(asked, synthetic, is_code, NEIGHBOURS)
    near_population, _ = nearest(asked, population, is_code, NEIGHBOURS)
    is_member = np.repeat([True, False], len(asked) // 2)
    scores = {
        "distance": -near[:, 0],
        "density": np.log(near_population.mean(axis=1) + 1e-6) - np.log(near.mean(axis=1) + 1e-6),
    }
    return [
        Attack(
            name,
            area(is_member, score),
            int((score[is_member] > np.quantile(score[~is_member], 1 - FEW)).sum()),
            int(is_member.sum()),
            curve(is_member, score),
        )
        for name, score in scores.items()
    ]
