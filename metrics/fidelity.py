"""Does the synthetic table look like the real one? Single columns, pairs of columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from metrics.base import NotMeasurable, Score, Tables, metric
from metrics.encode import Encoded, Side, encoded, sample_rows, tally, total_variation
from metrics.intervals import around

SDMETRICS = "SDMetrics 0.32, QualityReport"
DRAWS, DRAW_ROWS, SUBSETS = 20, 2000, 4


@dataclass(frozen=True)
class Compared:
    """A measurement of many items (columns, pairs) on the synthetic rows and on the holdout rows."""

    score: Score
    synthetic: np.ndarray
    """One number per item; NaN where an item has none."""
    holdout: np.ndarray | None


def compare(tables: Tables, measure: Callable[[list[Side]], np.ndarray], counted: np.ndarray | None = None) -> Compared:
    """Measure how near the synthetic rows are to train, and how near the holdout rows are.

    `measure` takes sides to compare with train and gives a row of numbers for each; the value of a side is the mean
    over the items that are `counted` (default: all). All sides go in together so that what concerns train alone is
    computed once. The intervals come from an m out of n bootstrap (see `intervals.resampled`).
    """
    tables_encoded = encoded(tables)
    rng = np.random.default_rng([tables.seed, 17])
    sides, draws, subsets = [], {}, []
    for name in ("synthetic", "holdout"):
        side: Side | None = getattr(tables_encoded, name)
        if side is not None:
            size = min(side.rows, DRAW_ROWS)
            draws[name] = [side.take(rng.integers(0, side.rows, size)) for _ in range(DRAWS)]
            sides.append(side)
    synthetic, holdout = tables_encoded.synthetic, tables_encoded.holdout
    if holdout is not None and holdout.rows < synthetic.rows:
        subsets = [
            synthetic.take(sample_rows(synthetic.rows, holdout.rows, tables.seed + draw)) for draw in range(SUBSETS)
        ]
    found = measure(sides + subsets + [side for drawn in draws.values() for side in drawn])
    items = found[: len(sides)]
    kept = found if counted is None else found[:, counted]
    defined = np.isfinite(kept).any(axis=1)
    means = np.full(len(kept), np.nan)
    means[defined] = np.nanmean(kept[defined], axis=1)
    if not np.isfinite(means[0]):
        raise NotMeasurable(
            "Nothing can be compared: in one of the tables the columns concerned are empty or constant."
        )

    def interval(which: int) -> tuple[float, float]:
        first = len(sides) + len(subsets) + which * DRAWS
        spread = means[first : first + DRAWS]
        spread = spread[np.isfinite(spread)]
        deviation = float(np.std(spread, ddof=1)) if len(spread) > 1 else 0.0
        return around(float(means[which]), deviation * np.sqrt(min(1.0, DRAW_ROWS / sides[which].rows)))

    has_reference = holdout is not None and np.isfinite(means[1])
    score = Score(
        value=float(means[0]),
        ci=interval(0),
        reference=float(means[1]) if has_reference else None,
        reference_ci=interval(1) if has_reference else None,
        at_holdout_size=float(np.mean(means[2 : 2 + SUBSETS])) if subsets and has_reference else None,
    )
    return Compared(score, items[0], items[1] if len(items) > 1 else None)


def plain(value: float | None, digits: int = 6) -> float | None:
    """A number for JSON: rounded, None for NaN."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


@metric(
    "Column shapes",
    "fidelity",
    "Does each column, taken alone, have the same distribution as in the real data?",
    0,
    1,
    "high",
    why="1 means every column has exactly the real distribution.",
    matters=0.005,
    source=SDMETRICS + ", Column Shapes",
)
def column_shapes(tables: Tables) -> Score:
    """Does each column, taken alone, have the same distribution as in the real data?

    Draw the histograms of one column, real and synthetic, one over the other: how much of the area do they share?
    For numbers and dates the complement of the Kolmogorov-Smirnov distance (the largest gap between the two
    cumulative curves), for levels the complement of the total variation distance; missing values left out; then the
    mean over the columns. In [0, 1]. Source: SDMetrics, Column Shapes (equal to it to 1e-6).
    """
    tables_encoded = encoded(tables)
    compared = compare(tables, lambda sides: shapes(tables_encoded, sides))
    columns = [
        {
            "column": name,
            "measure": "total variation" if name in tables_encoded.levels else "Kolmogorov-Smirnov",
            "score": plain(compared.synthetic[place]),
            "reference": None if compared.holdout is None else plain(compared.holdout[place]),
        }
        for place, name in enumerate(tables_encoded.names)
    ]
    score = compared.score
    score.detail = {"columns": worst_first(columns)}
    undefined = [column["column"] for column in columns if column["score"] is None]
    if undefined:
        score.note = f"Not counted, since a table has no value in them: {', '.join(undefined)}."
    return score


def worst_first(items: list[dict]) -> list[dict]:
    """Items by score, lowest first, those without a score last."""
    return sorted(items, key=lambda item: (item["score"] is None, item["score"]))


def shapes(tables_encoded: Encoded, sides: list[Side]) -> np.ndarray:
    """One row per side, one number per column: the complement of its distance from train's column."""
    found = np.full((len(sides), len(tables_encoded.names)), np.nan)
    for place, name in enumerate(tables_encoded.names):
        if name in tables_encoded.levels:
            size = len(tables_encoded.levels[name])
            real = np.bincount(tables_encoded.train.codes[name], minlength=size + 1)[:size]
            for row, side in enumerate(sides):
                other = np.bincount(side.codes[name], minlength=size + 1)[:size]
                if real.any() and other.any():
                    found[row, place] = 1 - total_variation(real, other)
        else:
            real = settled(tables_encoded.train.numbers[name])
            for row, side in enumerate(sides):
                found[row, place] = 1 - kolmogorov_smirnov(real, settled(side.numbers[name]))
    return found


def settled(numbers: np.ndarray) -> np.ndarray:
    """The values that are there, sorted, and rounded as SDMetrics does (0.1 + 0.2 is 0.3)."""
    numbers = numbers[~np.isnan(numbers)]
    # Above 100 a float64 has no 14th decimal to round.
    if len(numbers) and np.abs(numbers).max() < 100:
        numbers = numbers.round(14)
    return np.sort(numbers)


def kolmogorov_smirnov(left: np.ndarray, right: np.ndarray) -> float:
    """The largest gap between the cumulative curves of two sorted samples; NaN when one is empty."""
    if not len(left) or not len(right):
        return float("nan")
    grid = np.concatenate([left, right])
    gaps = np.searchsorted(left, grid, "right") / len(left) - np.searchsorted(right, grid, "right") / len(right)
    return float(np.abs(gaps).max())


@metric(
    "Column pair trends",
    "fidelity",
    "Do the columns depend on each other as they do in the real data?",
    0,
    1,
    "high",
    why="1 means every pair of columns is associated exactly as in the real data.",
    matters=0.01,
    source=SDMETRICS + ", Column Pair Trends",
)
def column_pair_trends(tables: Tables) -> Score:
    """Do the columns depend on each other as they do in the real data?

    A stranger who knows that husbands are men and that pay grows with age notices at once when a table does not.
    Two columns of numbers: 1 - |difference of Pearson's correlations| / 2. Otherwise the complement of the total
    variation distance between the two-way tables, numbers cut into ten equal bins of their own table, missing as a
    level. The mean over the pairs associated in the real data (|correlation| above 0.5, Cramér's V above 0.3);
    over all pairs where none is. In [0, 1]. Source: SDMetrics, Column Pair Trends (equal to it to 1e-6).
    """
    tables_encoded = encoded(tables)
    if len(tables_encoded.names) < 2:
        raise NotMeasurable("There is only one column to compare, and a trend needs two.")
    pairs = list(combinations(tables_encoded.names, 2))
    strength = real_strength(tables_encoded, pairs)
    least = np.array([0.5 if both_continuous(tables_encoded, pair) else 0.3 for pair in pairs])
    associated = np.abs(np.nan_to_num(strength)) > least
    none_associated = not associated.any()
    compared = compare(
        tables, lambda sides: trends(tables_encoded, sides, pairs), None if none_associated else associated
    )
    synthetic_correlations = paired_correlations(tables_encoded, tables_encoded.synthetic, pairs)
    items = [
        {
            "columns": list(pair),
            "measure": "correlation" if both_continuous(tables_encoded, pair) else "two-way table",
            "score": plain(compared.synthetic[place]),
            "reference": None if compared.holdout is None else plain(compared.holdout[place]),
            "strength": plain(strength[place]),
            "synthetic_correlation": plain(synthetic_correlations[place]),
            "counted": bool(associated[place] or none_associated),
        }
        for place, pair in enumerate(pairs)
    ]
    score = compared.score
    defined = compared.synthetic[np.isfinite(compared.synthetic)]
    score.detail = {"pairs": worst_first(items), "all_pairs": plain(float(np.mean(defined)))}
    if none_associated:
        score.note = "No two columns are strongly associated in the real data, so all pairs are counted."
    return score


def both_continuous(tables_encoded: Encoded, pair: tuple[str, str]) -> bool:
    return pair[0] not in tables_encoded.levels and pair[1] not in tables_encoded.levels


def trends(tables_encoded: Encoded, sides: list[Side], pairs: list[tuple[str, str]]) -> np.ndarray:
    """One row per side, one number per pair: how alike the pair's trend is to train's."""
    train = Binned.of(tables_encoded, tables_encoded.train)
    others = [Binned.of(tables_encoded, side) for side in sides]
    real = paired_correlations(tables_encoded, tables_encoded.train, pairs)
    found = np.array([1 - np.abs(paired_correlations(tables_encoded, side, pairs) - real) / 2 for side in sides])
    for place, pair in enumerate(pairs):
        if not both_continuous(tables_encoded, pair):
            keys, size = train.keys(*pair), train.sizes[pair[0]] * train.sizes[pair[1]]
            found[:, place] = [1 - total_variation(*tally(keys, other.keys(*pair), size)) for other in others]
    return found


def paired_correlations(tables_encoded: Encoded, side: Side, pairs: list[tuple[str, str]]) -> np.ndarray:
    """Pearson's correlation of each pair; NaN where one of its columns has levels or is constant."""
    place_of = {name: place for place, name in enumerate(tables_encoded.continuous)}
    matrix = correlations(side, tables_encoded.continuous)
    return np.array(
        [
            matrix[place_of[left], place_of[right]] if both_continuous(tables_encoded, (left, right)) else np.nan
            for left, right in pairs
        ]
    )


@dataclass(frozen=True)
class Binned:
    """A table whose every column is codes: levels as they are, numbers in ten equal bins of the table's own range."""

    codes: dict[str, np.ndarray]
    sizes: dict[str, int]

    @classmethod
    def of(cls, tables_encoded: Encoded, side: Side) -> Binned:
        codes = dict(side.codes) | {name: ten_bins(values) for name, values in side.numbers.items()}
        sizes = {name: len(tables_encoded.levels[name]) + 1 if name in side.codes else 12 for name in codes}
        return cls(codes, sizes)

    def keys(self, left: str, right: str) -> np.ndarray:
        """One number per row that says in which cell of the two-way table it lies."""
        return self.codes[left].astype(np.int64) * self.sizes[right] + self.codes[right]


def ten_bins(numbers: np.ndarray) -> np.ndarray:
    """Bin of each value, as `np.digitize` over `np.histogram_bin_edges` gives it.

    The largest value and missing ones share bin 11: SDMetrics bins so, and its values are to be met.
    """
    there = numbers[~np.isnan(numbers)]
    return np.digitize(numbers, np.histogram_bin_edges(there))


def correlations(side: Side, names: list[str]) -> np.ndarray:
    """Pearson's correlation of each pair of columns over the rows that have both; NaN where a column is constant."""
    if not names:
        return np.empty((0, 0))
    table = np.column_stack([side.numbers[name] for name in names])
    there = ~np.isnan(table)
    known = there.sum(axis=0)
    totals = np.where(there, table, 0).sum(axis=0)
    centred = np.where(there, table - totals / np.maximum(known, 1), 0)
    largest = np.abs(centred).max(axis=0, initial=0)
    centred /= np.where(largest > 0, largest, 1)
    mask = there.astype(float)
    n = mask.T @ mask
    with np.errstate(invalid="ignore", divide="ignore"):
        means = centred.T @ mask / n
        covariance = centred.T @ centred / n - means * means.T
        variance = (centred**2).T @ mask / n - means**2
        matrix = covariance / np.sqrt(variance * variance.T)
    constant = (known == 0) | (largest == 0)
    matrix[(n < 2) | (variance < 1e-15) | (variance.T < 1e-15)] = np.nan
    matrix[constant, :] = np.nan
    matrix[:, constant] = np.nan
    return np.clip(matrix, -1, 1)


def real_strength(tables_encoded: Encoded, pairs: list[tuple[str, str]]) -> np.ndarray:
    """How strongly each pair is associated in train: Pearson's correlation, or Cramér's V of the two-way table."""
    binned = Binned.of(tables_encoded, tables_encoded.train)
    strength = paired_correlations(tables_encoded, tables_encoded.train, pairs)
    for place, (left, right) in enumerate(pairs):
        if not both_continuous(tables_encoded, (left, right)):
            strength[place] = cramers_v(binned.codes[left], binned.codes[right], binned.sizes[right])
    return strength


def cramers_v(left: np.ndarray, right: np.ndarray, right_size: int) -> float:
    """Association of two columns of codes, 0 to 1; NaN when one of them has a single level."""
    rows, columns = np.bincount(left), np.bincount(right)
    freedom = min(np.count_nonzero(rows), np.count_nonzero(columns)) - 1
    if freedom < 1:
        return float("nan")
    cells, counts = np.unique(left.astype(np.int64) * right_size + right, return_counts=True)
    # chi2 / n = sum of observed² / (row total * column total) - 1, so that empty cells need no memory.
    phi2 = float((counts**2 / (rows[cells // right_size] * columns[cells % right_size])).sum()) - 1
    return float(np.sqrt(max(phi2, 0.0) / freedom))
