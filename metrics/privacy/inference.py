"""Attribute inference: does the synthetic table reveal sensitive values?"""

from __future__ import annotations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables, conformed
from metrics.privacy.attacks import (
    RISK,
    Arena,
    Hits,
    InferenceDetail,
    Outcome,
    SecretAttacked,
    excess_risk,
    nearest_rows,
    rate,
    run,
)
from metrics.registry import metric
from metrics.tools.compare import plain
from metrics.tools.encode import Side, equal_edges
from metrics.tools.nearest import Space, nearest_without_each
from metrics.tools.sampling import randomness

INFERRED = 1000
"""People whose secrets are inferred."""
TOLERANCE = 0.05
"""A guessed number counts as right when it is this near, relative to itself; a date, relative to the range."""


@metric(
    "Attribute inference",
    "privacy",
    "Can the synthetic table reveal a sensitive value of a person of whom other values are known?",
    detail=InferenceDetail,
    place=90,
    **RISK,
)
def attribute_inference(tables: Tables) -> Score:
    """Can the synthetic table reveal a sensitive value of a person of whom other values are known?

    The attacker knows all of a person's record but one value (or only `options["quasi_identifiers"]`), looks up the
    most similar synthetic row, and reads the secret there; a number counts as guessed within 5 percent. The mean
    over the secrets (`options["sensitive"]`, or every column): successes against training rows beyond those
    against as many holdout rows, as a share of what could be gained. In [0, 1], 0 is no leak.
    """
    return run(tables, lambda arena: infer(arena, conformed(tables)))


def infer(arena: Arena, tables: Tables) -> Outcome:
    """Guess every secret of targets and controls from the nearest synthetic row."""
    known = [name for name in tables.options.get("quasi_identifiers", []) if name in arena.sides.names]
    secrets = [name for name in tables.options.get("sensitive", []) if name in arena.sides.names]
    secrets = [name for name in secrets or arena.sides.names if name not in known]
    if not secrets or len(arena.sides.names) < 2:
        raise NotMeasurable("There is no sensitive column to guess from others.")
    rng = randomness(arena.seed, "inferring")
    count = min(INFERRED, arena.targets.rows)
    hits: dict[str, np.ndarray] = {}
    for name, side in (("targets", arena.targets), ("controls", arena.controls)):
        chosen = side.take(rng.permutation(side.rows)[:count])
        nearest_of = look_up(arena, chosen, known, secrets)
        hits[name] = guessed(arena, tables, chosen, nearest_of, secrets)
        if name == "targets":
            anybody = {secret: rng.integers(0, arena.synthetic.rows, count) for secret in secrets}
            hits["guessing"] = guessed(arena, tables, chosen, anybody, secrets)
    parts = []
    for place, secret in enumerate(secrets):
        attack, control = (int(hits["targets"][:, place].sum()), count), (int(hits["controls"][:, place].sum()), count)
        risk, interval = excess_risk(attack, control)
        parts.append(
            SecretAttacked(
                secret=secret,
                risk=plain(risk),
                ci=[plain(end) for end in interval],
                attack_rate=plain(rate(attack)),
                control_rate=plain(rate(control)),
                guessing_rate=plain(float(hits["guessing"][:, place].mean())),
            )
        )
    return Outcome(*(pooled(hits[name]) for name in ("targets", "controls", "guessing")), parts)


def pooled(hits: np.ndarray) -> Hits:
    """Successes against all secrets of all people (people x secrets), as so many independent attacks.

    What is guessed about one person goes together, so that the spread of the people's own rates tells how many
    independent attacks the guesses are worth (the design effect: Kish 1965).
    """
    share, spread = float(hits.mean()), float(hits.mean(axis=1).var())
    attacks = round(len(hits) * share * (1 - share) / spread) if spread else hits.size
    return share * attacks, attacks


def look_up(arena: Arena, side: Side, known: list[str], secrets: list[str]) -> dict[str, np.ndarray]:
    """For each secret the position of the synthetic row nearest to each row by what is known."""
    if known:
        found = nearest_rows(arena, side, known)
        return dict.fromkeys(secrets, found)
    space = Space.of(arena.sides)
    positions = nearest_without_each(space.points(side), space.points(arena.synthetic), space.is_code)
    return {secret: positions[:, arena.sides.names.index(secret)] for secret in secrets}


def guessed(
    arena: Arena, tables: Tables, side: Side, positions: dict[str, np.ndarray], secrets: list[str]
) -> np.ndarray:
    """Which secrets of each row the synthetic rows at these positions tell (rows x secrets)."""
    found = np.empty((side.rows, len(secrets)), dtype=bool)
    for place, secret in enumerate(secrets):
        if secret in side.codes:
            found[:, place] = arena.synthetic.codes[secret][positions[secret]] == side.codes[secret]
            continue
        guess, truth = arena.synthetic.numbers[secret][positions[secret]], side.numbers[secret]
        if tables.schema[secret].kind == "datetime":
            slack = TOLERANCE * np.ptp(equal_edges(arena.sides.train.numbers[secret]))
        else:
            slack = TOLERANCE * np.abs(guess)
        with np.errstate(invalid="ignore"):
            near = np.abs(guess - truth) <= slack
        found[:, place] = near | (np.isnan(guess) & np.isnan(truth))
    return found
