"""How near one, two and three columns together come to the real data, against the noise that any sample has."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from metrics.base import Score, Tables
from metrics.detail import ColumnScores, GroupScore, PairScores, WayScore, WayScores
from metrics.registry import metric
from metrics.tools.compare import Stack, compare, plain, worst_first
from metrics.tools.encode import Encoded, Side, encoded
from metrics.tools.sampling import randomness

BINS = 10
RARE = 5
"""Levels with fewer rows than this share a bin."""
MOST_TRIPLES = 1000
WAYS = {1: "one column", 2: "two columns", 3: "three columns"}


class MarginalScore(GroupScore):
    ceiling: float | None


class MarginalsDetail(WayScores, ColumnScores, PairScores):
    ceiling: float | None
    columns: list[MarginalScore]
    pairs: list[MarginalScore]
    triples: list[MarginalScore]
    """The hundred worst."""


@metric(
    "Marginal accuracy",
    "fidelity",
    "How closely do single columns, pairs and triples follow the real distribution?",
    0,
    1,
    "high",
    detail=MarginalsDetail,
    place=30,
    why="The ceiling is what a perfect sample of this size scores; above it, rows are being copied.",
    matters=0.01,
    cost="medium",
    source="mostlyai-qa 1.10, accuracy (Platzer and Reutterer 2021)",
)
def marginal_accuracy(tables: Tables) -> Score:
    """How closely do single columns, pairs and triples follow the real distribution?

    Every column is cut into ten bins holding about equally many training rows (its ten commonest levels), missing
    on its own; each single column, pair and triple gives a cross table, and its accuracy is 1 - the total variation
    distance between synthetic and train. Means over columns, pairs and triples; the value is the mean of the three.
    The ceiling is the accuracy expected of two samples of these sizes from one distribution. In [0, 1].
    Source: mostlyai-qa, accuracy (there against train and holdout together where a holdout is given).
    """
    tables_encoded = encoded(tables)
    groups = column_groups(tables_encoded.names, tables.seed)
    ways = np.array([len(group) for group in groups])
    weights = 1 / np.bincount(ways)[ways]
    real = quantile_bins(tables_encoded, [])
    sizes = tables_encoded.train.rows, tables_encoded.synthetic.rows
    ceilings = np.array([ceiling(real.counts(*group)[0] / sizes[0], *sizes) for group in groups])

    def measure(sides: list[Side]) -> np.ndarray:
        stack = quantile_bins(tables_encoded, sides)
        return np.column_stack([1 - stack.distances(*group) for group in groups])

    compared = compare(tables, measure, weights)
    score = compared.score
    items = [
        MarginalScore(columns=list(group), **compared.item(place), ceiling=plain(ceilings[place]))
        for place, group in enumerate(groups)
    ]
    score.detail = MarginalsDetail(
        ways=[
            WayScore(
                way=label,
                score=plain(compared.synthetic[ways == way].mean()),
                ceiling=plain(ceilings[ways == way].mean()),
                reference=None if compared.holdout is None else plain(compared.holdout[ways == way].mean()),
            )
            for way, label in WAYS.items()
            if (ways == way).any()
        ],
        ceiling=plain(float(ceilings @ weights / weights.sum())),
        columns=worst_first([item for item in items if len(item.columns) == 1]),
        pairs=worst_first([item for item in items if len(item.columns) == 2]),
        triples=worst_first([item for item in items if len(item.columns) == 3])[:100],
    )
    triples = comb(len(tables_encoded.names), 3)
    if triples > MOST_TRIPLES:
        score.note = f"{score.note} {MOST_TRIPLES:,} of {triples:,} triples of columns, drawn at random.".strip()
    return score


def column_groups(names: list[str], seed: int) -> list[tuple[str, ...]]:
    """All columns, all pairs, and all triples or a random choice of them."""
    groups = [*combinations(names, 1), *combinations(names, 2)]
    if comb(len(names), 3) <= MOST_TRIPLES:
        return groups + list(combinations(names, 3))
    rng = randomness(seed, "triples")
    chosen: set[tuple[int, ...]] = set()
    while len(chosen) < MOST_TRIPLES:
        chosen.add(tuple(sorted(rng.choice(len(names), 3, replace=False))))
    return groups + [tuple(names[place] for place in triple) for triple in sorted(chosen)]


def ceiling(shares: np.ndarray, rows: int, other_rows: int) -> float:
    """The accuracy expected of two samples of these sizes that follow the same shares.

    The difference of two shares is about normal with variance p (1 - p) (1/n + 1/m), and the mean absolute value of
    a normal is its deviation times sqrt(2 / pi).
    """
    variance = shares * (1 - shares) * (1 / rows + 1 / other_rows)
    return 1 - float(np.sqrt(variance * 2 / np.pi).sum()) / 2


def quantile_bins(tables_encoded: Encoded, sides: list[Side]) -> Stack:
    """Train and the sides in codes: numbers in about equally full bins of train, the common levels as they are."""
    train = tables_encoded.train
    breaks = {name: inner_breaks(values) for name, values in train.numbers.items()}
    bins = {name: level_bins(tables_encoded.levels[name], codes) for name, codes in train.codes.items()}

    def cut(name: str, side: Side) -> np.ndarray:
        if name in bins:
            return bins[name][side.codes[name]]
        values, inner = side.numbers[name], breaks[name]
        return np.where(np.isnan(values), len(inner) + 1, np.digitize(values, inner))

    sizes = {name: len(inner) + 2 for name, inner in breaks.items()}
    sizes |= {name: int(bin_of.max()) + 1 for name, bin_of in bins.items()}
    return Stack.of(tables_encoded, sides, cut, sizes)


def inner_breaks(values: np.ndarray) -> np.ndarray:
    """Where one bin ends and the next begins: each distinct value of a few, else quantiles, finer until ten differ.

    As mostlyai-qa does it, down to the last bin: the outermost breaks are not needed, since what lies beyond them
    belongs to the outermost bins.
    """
    ordered = np.sort(values[~np.isnan(values)])
    distinct = np.unique(ordered)
    if len(distinct) <= BINS:
        return distinct[1:]
    breaks = distinct[:0]
    for points in range(BINS, max(BINS + 1, min(1000, len(ordered) + 1))):
        breaks = np.unique(ordered[np.linspace(0, len(ordered) - 1, points).astype(int)])
        if len(breaks) > BINS:
            break
    return rounded_down(breaks)[1:-1]


def rounded_down(breaks: np.ndarray) -> np.ndarray:
    """Breaks cut to the fewest decimals at which all still differ; the last as it is."""
    for decimals in range(20):
        short = np.floor(breaks * 10**decimals) / 10**decimals
        if len(np.unique(short)) == len(breaks):
            return np.append(short[:-1], breaks[-1])
    return breaks


def level_bins(levels: list[str], codes: np.ndarray) -> np.ndarray:
    """Bin of each code: the ten commonest levels (missing among them) as they are, the others together, missing."""
    size = len(levels) + 1
    seen = np.bincount(codes, minlength=size)
    common = [code for code in np.argsort(-seen, kind="stable")[:BINS] if seen[code] >= RARE and code < len(levels)]
    # An empty text is always a bin of its own.
    if "" in levels and levels.index("") not in common:
        common.append(levels.index(""))
    bin_of = np.full(size, len(common))
    bin_of[common] = np.arange(len(common))
    bin_of[-1] = len(common) + 1
    return bin_of
