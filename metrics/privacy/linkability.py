"""Linkability: does the synthetic table join what was kept apart?"""

from __future__ import annotations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables
from metrics.detail import AttackRates
from metrics.privacy.attacks import RISK, Arena, Outcome, nearest_rows, run
from metrics.registry import metric
from metrics.tools.sampling import randomness

LINKED = 2000
"""People whose records are linked."""


@metric(
    "Linkability",
    "privacy",
    "Can the synthetic table join two halves of one person's record?",
    detail=AttackRates,
    place=80,
    **RISK,
)
def linkability(tables: Tables) -> Score:
    """Can the synthetic table join two halves of one person's record?

    The attacker holds two tables about the same people, say of a hospital and of a shop, and no shared key. For
    each half of a record he looks up the most similar synthetic row; where both halves find the same one, he joins
    them. Successes against training rows beyond those against as many holdout rows, as a share of what could be
    gained. In [0, 1], 0 is no leak. The columns are dealt to the halves in turn, those with most values first.
    """
    return run(tables, link)


def link(arena: Arena) -> Outcome:
    """Find the nearest synthetic row of each half of targets and of controls."""
    left, right = halves(arena)
    rng = randomness(arena.seed, "linking")
    count = min(LINKED, arena.targets.rows)
    found = {}
    for name, side in (("targets", arena.targets), ("controls", arena.controls)):
        chosen = side.take(rng.permutation(side.rows)[:count])
        found[name] = [nearest_rows(arena, chosen, names) for names in (left, right)]
    guesses = rng.integers(0, arena.synthetic.rows, (2, count))
    return Outcome(
        (int((found["targets"][0] == found["targets"][1]).sum()), count),
        (int((found["controls"][0] == found["controls"][1]).sum()), count),
        (int((guesses[0] == guesses[1]).sum()), count),
    )


def halves(arena: Arena) -> tuple[list[str], list[str]]:
    """The columns in two halves that tell about equally much."""
    names = arena.sides.names
    if len(names) < 2:
        raise NotMeasurable("There is only one column, and linking needs two halves of a record.")
    synthetic = arena.synthetic
    distinct = {
        name: len(np.unique(synthetic.codes[name] if name in synthetic.codes else synthetic.numbers[name]))
        for name in names
    }
    telling = sorted(names, key=lambda name: -distinct[name])
    return telling[0::2], telling[1::2]
