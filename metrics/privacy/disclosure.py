"""Disclosure: what follows about a person from what is known of them, k-anonymity and l-diversity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from metrics.base import NotMeasurable, Score, Tables
from metrics.detail import GroupsOfFewRows, GroupsOfFewSecrets, SecretScore, SecretScores
from metrics.registry import metric
from metrics.tools.compare import NO_HOLDOUT, plain
from metrics.tools.encode import Encoded, Side, encoded, equal_edges
from metrics.tools.intervals import Interval, around, resampled
from metrics.tools.sampling import sample_rows

BINS = 10
"""Numbers are cut into so many by `equal_edges`."""
MOST_KNOWN = 4
SMALL_GROUPS = (2, 5, 10)


@dataclass(frozen=True)
class Choice:
    """Which columns an attacker knows and which are sensitive, chosen by the analyst or by default."""

    known: list[str]
    sensitive: list[str]
    note: str


def choice(tables: Tables) -> Choice:
    """The analyst's choice, or: the target is secret, and the columns with the fewest levels are known.

    Raises NotMeasurable when there are not at least two columns to choose from.
    """
    sides, options = encoded(tables), tables.options
    sensitive = [name for name in options.get("sensitive", []) if name in sides.names]
    known = [name for name in options.get("quasi_identifiers", []) if name in sides.names and name not in sensitive]
    note = ""
    if not sensitive:
        target = tables.target or tables.schema.target
        sensitive = [target] if target in sides.names and target not in known else []
        sensitive = sensitive or [name for name in sides.names if name not in known][-1:]
        note = f"No sensitive column was chosen; {', '.join(sensitive)} is used."
    if not known:
        others = [name for name in sides.names if name not in sensitive]
        levels = {name: len(np.unique(in_bins(sides, sides.train, name))) for name in others}
        known = sorted((name for name in others if levels[name] > 1), key=lambda name: levels[name])[:MOST_KNOWN]
        note = f"{note} No quasi-identifiers were chosen; {', '.join(known)} are used.".strip()
    if not known or not sensitive:
        raise NotMeasurable("It takes two columns: one that is known and one that is sensitive.")
    return Choice(known, sensitive, note)


def in_bins(sides: Encoded, side: Side, name: str) -> np.ndarray:
    """A column as codes: levels as they are, numbers in ten equal bins of train's range, missing on its own."""
    if name in side.codes:
        return side.codes[name].astype(np.int64)
    # An edge belongs to the bin below it, as in SDMetrics.
    bins = np.digitize(side.numbers[name], equal_edges(sides.train.numbers[name])[1:-1], right=True)
    return np.where(np.isnan(side.numbers[name]), BINS, bins)


def group_keys(sides: Encoded, tables: list[Side], names: list[str]) -> list[np.ndarray]:
    """One number per row of each table; rows with equal numbers agree in all these columns."""
    keys = np.zeros(sum(side.rows for side in tables), dtype=np.int64)
    for name in names:
        codes = np.concatenate([in_bins(sides, side, name) for side in tables])
        keys, _ = pd.factorize(keys * (codes.max() + 1) + codes)
    return np.split(keys, np.cumsum([side.rows for side in tables])[:-1])


class DisclosureDetail(SecretScores):
    known: list[str]


class AnonymityDetail(GroupsOfFewRows):
    sensitive: list[str]
    median: float
    """The median size of a group."""


class DiversityDetail(GroupsOfFewSecrets):
    sensitive: list[str]
    median: float
    """The median number of different secrets of a group."""


@metric(
    "Disclosure protection (CAP)",
    "privacy",
    "How well is a sensitive value protected from somebody who looks up similar people in the synthetic table?",
    0,
    1,
    "high",
    detail=DisclosureDetail,
    place=110,
    why="1 means no better than random guessing; held-out rows show what the population reveals anyway.",
    matters=0.02,
    source="Elliot 2014; Taub et al. 2018 (CAP); SDMetrics, DisclosureProtection",
)
def disclosure_protection(tables: Tables) -> Score:
    """How well is a sensitive value protected from somebody who looks up similar people in the synthetic table?

    The attacker knows some columns of a person, finds the synthetic rows that agree in them, and guesses the secret
    as those have it. The correct attribution probability of a training row is the share of them that have its secret; rows
    nobody agrees with do not count. Protection is 1 - its mean, divided by what random guessing among all values
    of the secret protects, at most 1. In [0, 1]; the value is that of the worst protected secret.
    """
    sides, chosen = encoded(tables), choice(tables)
    found = {secret: protection(sides, sides.synthetic, chosen.known, secret) for secret in chosen.sensitive}
    found = {secret: value for secret, value in found.items() if np.isfinite(value)}
    if not found:
        raise NotMeasurable(
            "No synthetic row agrees with a real one in the known columns, or the sensitive columns are constant."
        )
    worst = min(found, key=found.__getitem__)

    def interval(attacker: Side, value: float) -> Interval:
        def again(rows: np.ndarray) -> float:
            return protection(sides, attacker.take(rows), chosen.known, worst)

        return resampled(again, value, attacker.rows, tables.seed)

    score = Score(value=found[worst], ci=interval(sides.synthetic, found[worst]), note=chosen.note)
    references = {}
    if sides.holdout is None:
        score.note = f"{score.note} {NO_HOLDOUT}".strip()
    else:
        references = {secret: protection(sides, sides.holdout, chosen.known, secret) for secret in found}
    if np.isfinite(references.get(worst, np.nan)):
        score.reference = references[worst]
        score.reference_ci = interval(sides.holdout, references[worst])
        if sides.holdout.rows < sides.synthetic.rows:
            rows = sample_rows(sides.synthetic.rows, sides.holdout.rows, tables.seed, "disclosure")
            score.at_holdout_size = plain(protection(sides, sides.synthetic.take(rows), chosen.known, worst))
    score.detail = DisclosureDetail(
        known=chosen.known,
        secrets=[
            SecretScore(secret=secret, score=plain(value), reference=plain(references.get(secret)))
            for secret, value in sorted(found.items(), key=lambda item: item[1])
        ],
    )
    return score


def protection(sides: Encoded, attacker: Side, known: list[str], secret: str) -> float:
    """Protection of train's secrets from somebody who has the table `attacker`; NaN when nothing can be said."""
    real, other = group_keys(sides, [sides.train, attacker], known)
    real_whole, other_whole = group_keys(sides, [sides.train, attacker], [*known, secret])
    alike = np.bincount(other, minlength=real.max() + 1)[real]
    right = np.bincount(other_whole, minlength=real_whole.max() + 1)[real_whole]
    values = len(np.unique(in_bins(sides, sides.train, secret)))
    if not alike.any() or values < 2:
        return float("nan")
    wrong = 1 - right[alike > 0] / alike[alike > 0]
    return min(float(wrong.mean()) / (1 - 1 / values), 1.0)


@metric(
    "k-anonymity",
    "privacy",
    "How small is the smallest group of rows that share their quasi-identifiers?",
    1,
    None,
    "high",
    detail=AnonymityDetail,
    place=120,
    why="A row whose quasi-identifiers no other row has stands alone: k is 1.",
    matters=1,
    every_row=True,
    source="Samarati and Sweeney 1998",
)
def k_anonymity(tables: Tables) -> Score:
    """How small is the smallest group of rows that share their quasi-identifiers?

    k is the size of that group. A synthetic row is nobody, so that a small k is no leak by itself, but laws and
    contracts require it. At least 1.
    """
    sides, chosen = encoded(tables), choice(tables)

    def groups(side: Side) -> np.ndarray:
        sizes = np.bincount(group_keys(sides, [side], chosen.known)[0])
        return sizes[sizes > 0]

    score, sizes = smallest(tables, chosen, groups)
    score.detail = AnonymityDetail(
        known=chosen.known,
        sensitive=chosen.sensitive,
        groups=len(sizes),
        groups_with_fewer_rows=fewer(sizes),
        median=float(np.median(sizes)),
    )
    return score


@metric(
    "l-diversity",
    "privacy",
    "How many sensitive values has each group of rows that share their quasi-identifiers at least?",
    1,
    None,
    "high",
    detail=DiversityDetail,
    place=130,
    why="Where a whole group shares one sensitive value, belonging to the group reveals it: l is 1.",
    matters=1,
    every_row=True,
    source="Machanavajjhala et al. 2007",
)
def l_diversity(tables: Tables) -> Score:
    """How many sensitive values has each group of rows that share their quasi-identifiers at least?

    In each group of rows that agree in all quasi-identifiers, the number of different values of a sensitive column;
    l is the smallest over groups and sensitive columns. At least 1.
    """
    sides, chosen = encoded(tables), choice(tables)

    def diversity(side: Side) -> np.ndarray:
        keys = group_keys(sides, [side], chosen.known)[0]
        least = np.full(keys.max() + 1, side.rows)
        for secret in chosen.sensitive:
            pairs = np.unique(np.column_stack([keys, in_bins(sides, side, secret)]), axis=0)
            least = np.minimum(least, np.bincount(pairs[:, 0], minlength=len(least)))
        return least

    score, secrets = smallest(tables, chosen, diversity)
    score.detail = DiversityDetail(
        known=chosen.known,
        sensitive=chosen.sensitive,
        groups=len(secrets),
        groups_with_fewer_secrets=fewer(secrets),
        median=float(np.median(secrets)),
    )
    return score


def smallest(tables: Tables, chosen: Choice, measure: Callable[[Side], np.ndarray]) -> tuple[Score, np.ndarray]:
    """The smallest of what `measure` gives for each group of a table, beside that of the holdout; and all it gives."""
    sides = encoded(tables)
    groups = measure(sides.synthetic)
    score = Score(value=float(groups.min()), ci=count_interval(float(groups.min())), note=chosen.note)
    if sides.holdout is None:
        score.note = f"{score.note} {NO_HOLDOUT}".strip()
        return score, groups
    score.reference = float(measure(sides.holdout).min())
    score.reference_ci = count_interval(score.reference)
    if sides.holdout.rows < sides.synthetic.rows:
        rows = sample_rows(sides.synthetic.rows, sides.holdout.rows, tables.seed, "groups")
        score.at_holdout_size = float(measure(sides.synthetic.take(rows)).min())
    return score, groups


def fewer(groups: np.ndarray) -> dict[str, int]:
    """How many groups are smaller than each of `SMALL_GROUPS`."""
    return {str(size): int((groups < size).sum()) for size in SMALL_GROUPS}


def count_interval(count: float) -> Interval:
    """The interval of a small count of at least 1, which varies as its root (Poisson)."""
    return around(count, count**0.5, (1.0, None))
