"""Identifiers and rare values that reappear in the output, and the privacy budget."""

from __future__ import annotations

from math import exp

import numpy as np
import pandas as pd

from metrics.base import NotMeasurable, Score, Tables, conformed
from metrics.detail import ColumnScore, ColumnScores
from metrics.registry import metric
from metrics.tools.compare import NO_HOLDOUT, compare, plain
from metrics.tools.encode import Encoded, Side, encoded
from metrics.tools.intervals import share_interval

FEW = 3
"""A value that at most this many training rows have is rare."""
FAR = 3.0
"""A number more than this many quartile ranges beyond the quartiles is an outlier (Tukey's outer fence)."""
LEAST_LETTERS = 5
"""Identifiers shorter than this occur in any text by chance."""
MOST_TEXTS = 20_000


class ReplayedColumn(ColumnScore):
    count: int


class ReplayDetail(ColumnScores):
    columns: list[ReplayedColumn]


class RareColumn(ColumnScore):
    rare: int


class RareDetail(ColumnScores):
    columns: list[RareColumn]
    rare: int


@metric(
    "Personal data replayed",
    "privacy",
    "Do names, addresses, numbers or texts of real people appear in the synthetic table?",
    0,
    1,
    "low",
    detail=ReplayDetail,
    place=140,
    why="0 means none; a first name may be common, an e-mail address is not.",
    matters=0.001,
    every_row=True,
    source="NVIDIA NeMo Safe Synthesizer, PII replay",
)
def pii_replay(tables: Tables) -> Score:
    """Do names, addresses, numbers or texts of real people appear in the synthetic table?

    For every column of ids, personal data and free text the share of synthetic rows that hold a value of the
    training data, and for texts also those that contain an identifier of a real person. The value is that of the
    worst column; the held-out rows show how often other people share such a value. In [0, 1].
    """
    tables = conformed(tables)
    names = tables.schema.having(roles=("id", "pii"))
    texts = [name for name in tables.schema.having(kinds=("text",)) if tables.schema[name].role != "drop"]
    if not names and not texts:
        raise NotMeasurable("No column holds ids, personal data or free text, so there is nothing to replay.")
    identifiers = {
        value
        for name in names
        for value in tables.train[name].dropna().astype(str).unique()
        if len(value) >= LEAST_LETTERS
    }
    columns = []
    for name in dict.fromkeys([*names, *texts]):
        looked_in = identifiers if name in texts else set()
        found = {
            side: replayed(tables.train[name], getattr(tables, side)[name], looked_in)
            for side in ("synthetic", "holdout")
            if getattr(tables, side) is not None
        }
        columns.append((name, found))
    worst = max(columns, key=lambda column: column[1]["synthetic"].mean())[1]
    score = Score(
        value=float(worst["synthetic"].mean()),
        ci=share_interval(int(worst["synthetic"].sum()), len(worst["synthetic"])),
        detail=ReplayDetail(
            columns=[
                ReplayedColumn(
                    column=name,
                    score=plain(found["synthetic"].mean()),
                    count=int(found["synthetic"].sum()),
                    reference=plain(found["holdout"].mean()) if "holdout" in found else None,
                )
                for name, found in sorted(columns, key=lambda column: -column[1]["synthetic"].mean())
            ]
        ),
    )
    if "holdout" in worst:
        score.reference = float(worst["holdout"].mean())
        score.reference_ci = share_interval(int(worst["holdout"].sum()), len(worst["holdout"]))
    else:
        score.note = NO_HOLDOUT
    return score


def replayed(real: pd.Series, other: pd.Series, identifiers: set[str]) -> np.ndarray:
    """Which values of a column occur in the real one, or contain one of the identifiers as a word."""
    known = set(real.dropna().astype(str).unique())
    values = other.dropna().astype(str)
    found = np.zeros(len(other), dtype=bool)
    there = other.notna().to_numpy()
    found[there] = values.isin(known).to_numpy()
    if identifiers:
        rows = np.flatnonzero(there)[:MOST_TEXTS]
        for row, text in zip(rows, values, strict=False):
            found[row] |= any(word.strip(".,;:!?()\"'<>") in identifiers for word in text.split())
    return found


@metric(
    "Rare values reproduced",
    "privacy",
    "How many rare values of the training data reappear?",
    0,
    1,
    "low",
    detail=RareDetail,
    place=150,
    why="Held-out people share some rare values too; more than that was memorised.",
    matters=0.02,
    source="rare-category protection as in mostlyai-engine; outer fences: Tukey 1977",
)
def rare_values(tables: Tables) -> Score:
    """How many rare values of the training data reappear?

    The only bishop in a town is easily recognised. Rare are levels that at most three training rows
    have, and outlying numbers (beyond the outer fences) that at most three have. The share of them that occur among
    the synthetic rows, over all columns together. In [0, 1].
    """
    sides = encoded(tables)
    rare = {name: values for name in sides.names if len(values := rarities(sides, name))}
    if not rare:
        raise NotMeasurable("The training data has no rare level and no outlier that could reappear.")
    counts = np.array([len(values) for values in rare.values()], dtype=float)

    def measure(others: list[Side]) -> np.ndarray:
        return np.array([[reappeared(side, name, values) for name, values in rare.items()] for side in others])

    compared = compare(tables, measure, counts)
    score, total = compared.score, int(counts.sum())
    # Each rare value comes out or not; drawing the same rows again cannot tell what other rows would have held.
    score.ci = share_interval(score.value * total, total)
    if score.reference is not None:
        score.reference_ci = share_interval(score.reference * total, total)
    columns = [
        RareColumn(column=name, **compared.item(place), rare=len(values))
        for place, (name, values) in enumerate(rare.items())
    ]
    score.detail = RareDetail(columns=sorted(columns, key=lambda column: -column.score), rare=total)
    return score


def rarities(sides: Encoded, name: str) -> np.ndarray:
    """The rare values of one column of train, as codes or numbers."""
    if name in sides.levels:
        counts = np.bincount(sides.train.codes[name], minlength=len(sides.levels[name]) + 1)[:-1]
        return np.flatnonzero((counts > 0) & (counts <= FEW))
    numbers = sides.train.numbers[name][~np.isnan(sides.train.numbers[name])]
    if not len(numbers):
        return numbers
    low, high = np.quantile(numbers, [0.25, 0.75])
    values, counts = np.unique(numbers, return_counts=True)
    outlying = (values < low - FAR * (high - low)) | (values > high + FAR * (high - low))
    return values[outlying & (counts <= FEW)]


def reappeared(side: Side, name: str, rare: np.ndarray) -> float:
    """The share of the rare values that occur in a table."""
    return float(np.isin(rare, side.codes[name] if name in side.codes else side.numbers[name]).mean())


@metric(
    "Epsilon",
    "privacy",
    "How much can one person's data change the synthetic table?",
    0,
    None,
    "low",
    place=160,
    why="Below 1 is strong, up to 10 is usual, above that the guarantee says little.",
    source="Dwork et al. 2006, differential privacy",
)
def epsilon(tables: Tables) -> Score:
    """How much can one person's data change the synthetic table?

    A differentially private generator promises: whatever anybody concludes from its output, the odds differ by at
    most a factor e^epsilon from what they would be without any one person's row. A property of the generator, not
    measured but given by it in `options["epsilon"]`. At least 0, smaller is safer.
    """
    given = tables.options.get("epsilon")
    if given is None:
        raise NotMeasurable("The generator is not differentially private, so there is no epsilon to report.")
    value = float(given)
    factor = f"a factor of {exp(value):,.1f}" if value < 20 else "an astronomical factor"
    return Score(
        value=value, ci=(value, value), note=f"One person changes the odds of any conclusion by at most {factor}."
    )
