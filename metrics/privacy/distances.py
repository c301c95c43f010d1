"""Copies and distances: does the synthetic table leak rows of the training data?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from metrics.base import NotMeasurable, Score, Tables, conformed, once
from metrics.detail import Detail, Distances
from metrics.registry import metric
from metrics.tools.encode import encoded
from metrics.tools.intervals import Interval, around, share_interval
from metrics.tools.nearest import nearest, row_keys, space
from metrics.tools.sampling import randomness, sample_rows

LEAST_ROWS = 30
"""With fewer real rows every privacy interval is too wide to say anything."""
MOST_ROWS, MOST_REAL = 10_000, 20_000
"""Synthetic rows whose nearest record is looked for, and real rows of each table that it is looked for among."""
LEAST_RISKY, MOST_RISKY, MOST_COMPARED = 500, 50_000, 15_000_000_000
"""Synthetic rows among which the riskiest are looked for: so many that few cells are compared (some seconds' work)."""
NEAR = 0.05
"""A near copy is as near to a training row as this share of held-out real rows."""
TIE = 1e-6
"""Distances nearer than this to each other are ties: float32 sums of the same terms can differ by less."""


class CopiesDetail(Detail):
    count: int
    rows: int
    copies_of_rows_that_occur_once: int
    """A row that several people share names nobody; a row that one person has does."""


class DistanceDetail(Distances):
    median_to_train: float
    median_to_holdout: float
    median_holdout_to_train: float
    rows_of_each: int


class RatioDetail(Distances):
    medians: dict[str, float]


class NearCopiesDetail(Detail):
    mark: float
    """The distance at which a row counts as a near copy."""
    count: int
    rows: int


@metric(
    "Exact copies",
    "privacy",
    "How many synthetic rows are rows of the training data, value for value?",
    0,
    1,
    "low",
    detail=CopiesDetail,
    place=10,
    why="Held-out real rows repeat training rows too where rows are common; only more than that is a leak.",
    matters=0.002,
    every_row=True,
    plain="exact match count",
    source="SDMetrics NewRowSynthesis; mostlyai-qa identical match share",
)
def exact_copies(tables: Tables) -> Score:
    """How many synthetic rows are rows of the training data, value for value?

    A copied row exposes a person. But two people can be alike: the share of held-out rows that also occur in the
    training data is the number of copies that chance alone makes. A share, in [0, 1].
    """
    sides = encoded(tables)
    there = [sides.train, sides.synthetic] + ([sides.holdout] if sides.holdout else [])
    train, synthetic, *rest = row_keys(there, sides.names)
    copied = np.isin(synthetic, train)
    seen, counts = np.unique(train, return_counts=True)
    score = Score(
        value=float(copied.mean()),
        ci=share_interval(int(copied.sum()), len(copied)),
        detail=CopiesDetail(
            count=int(copied.sum()),
            rows=len(copied),
            copies_of_rows_that_occur_once=int(np.isin(synthetic, seen[counts == 1]).sum()),
        ),
    )
    if rest:
        also = np.isin(rest[0], train)
        score.reference = float(also.mean())
        score.reference_ci = share_interval(int(also.sum()), len(also))
    else:
        score.note = "No rows were held out, so nobody can say how many copies chance alone makes."
    return score


def equal_sides(tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    """Row positions of train and holdout in equal numbers, which every attack and nearest-record share needs.

    With the whole of a larger train the nearest record lies in it more often for that reason alone: held-out
    rows then look like a leak (measured on adult: multivariate singling-out 0.158 instead of 0.000).
    """
    sides = encoded(tables)
    for side, rows in (("holdout", sides.holdout.rows), ("training table", sides.train.rows)):
        if rows < LEAST_ROWS:
            raise NotMeasurable(f"The {side} has {rows} rows and privacy metrics need at least {LEAST_ROWS}.")
    size = min(sides.train.rows, sides.holdout.rows, MOST_REAL)
    return (
        sample_rows(sides.train.rows, size, tables.seed, "train"),
        sample_rows(sides.holdout.rows, size, tables.seed, "holdout"),
    )


@once
def distances(tables: Tables) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Distances and positions of the two nearest records: of synthetic rows and of held-out real rows.

    `synthetic_train` and `synthetic_holdout` look among equally many rows of train and holdout; `half_train` and
    `half_holdout` put one half of the holdout in the synthetic's place and look among as many rows of train as the
    other half has, and in that half. `holdout_train` looks from the holdout into the train rows used first.
    """
    sides, metric_space = encoded(tables), space(tables)
    train_rows, holdout_rows = equal_sides(tables)
    train, holdout = (
        metric_space.points(sides.train.take(train_rows)),
        metric_space.points(sides.holdout.take(holdout_rows)),
    )
    synthetic = metric_space.points(
        sides.synthetic.take(sample_rows(sides.synthetic.rows, MOST_ROWS, tables.seed, "synthetic"))
    )
    middle = len(holdout) // 2
    order = randomness(tables.seed, "halves").permutation(len(holdout))
    first, second = holdout[order[:middle]], holdout[order[middle : 2 * middle]]

    def near(queries: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return nearest(queries, points, metric_space.is_code, 2)

    return {
        "synthetic_train": near(synthetic, train),
        "synthetic_holdout": near(synthetic, holdout),
        "holdout_train": near(holdout, train),
        "half_train": near(first, train[order[middle : 2 * middle]]),
        "half_holdout": near(first, second),
    }


def nearer_share(
    to_train: np.ndarray, to_holdout: np.ndarray, train_at: np.ndarray, holdout_at: np.ndarray
) -> tuple[float, Interval]:
    """The share of rows that are nearer to train than to holdout, ties half, and its interval.

    One real row can be the nearest of many others, and those then win or lose together: what varies is to which
    table that real row belongs. With w its number of wins, the share has variance sum(w²) v (1 - v) / n².
    """
    tie = np.abs(to_train - to_holdout) < TIE
    wins = np.where(tie, 0.5, to_train < to_holdout)
    share = float(wins.mean())
    weight = np.bincount(train_at, wins) @ np.bincount(train_at, wins)
    weight += np.bincount(holdout_at, 1 - wins) @ np.bincount(holdout_at, 1 - wins)
    # Where all rows are on one side the variance would be 0; half a row keeps it honest.
    spread = min(max(share, 0.5 / len(wins)), 1 - 0.5 / len(wins))
    return share, around(share, float(np.sqrt(weight * spread * (1 - spread))) / len(wins))


def histogram(named: dict[str, np.ndarray], bins: int = 40) -> dict[str, list[float]]:
    """Shares of each set of distances in common bins: edges and one list per set."""
    largest = max(float(values.max()) for values in named.values()) or 1.0
    edges = np.linspace(0, largest, bins + 1)
    counts = {name: np.histogram(values, edges)[0] / len(values) for name, values in named.items()}
    return {"edges": edges.round(6).tolist()} | {name: share.round(6).tolist() for name, share in counts.items()}


@metric(
    "Distance to closest record",
    "privacy",
    "Do synthetic rows lie closer to training rows than to held-out rows?",
    0,
    1,
    "low",
    detail=DistanceDetail,
    place=30,
    why="0.5 is what held-out real rows score; more means the generator remembers training rows.",
    cost="medium",
    needs=("holdout",),
    matters=0.02,
    plain="nearest-neighbour distance",
    source="Platzer and Reutterer 2021, Holdout-based empirical assessment of mixed-type synthetic data",
)
def distance_to_closest_record(tables: Tables) -> Score:
    """Do synthetic rows lie closer to training rows than to held-out rows?

    A generator that generalises lands as close to people it never saw as to those in its training data; one that
    memorises lands closer to the latter. The share of synthetic rows whose nearest real row, among
    equally many of train and holdout, is in train; ties count half. In [0, 1], and 0.5 for held-out real rows.
    """
    found = distances(tables)
    share, interval = share_nearer(found, "synthetic")
    reference, reference_interval = share_nearer(found, "half")
    to_train, to_holdout = found["synthetic_train"][0][:, 0], found["synthetic_holdout"][0][:, 0]
    fresh = found["holdout_train"][0][:, 0]
    return Score(
        value=share,
        ci=interval,
        reference=reference,
        reference_ci=reference_interval,
        detail=DistanceDetail(
            median_to_train=round(float(np.median(to_train)), 6),
            median_to_holdout=round(float(np.median(to_holdout)), 6),
            median_holdout_to_train=round(float(np.median(fresh)), 6),
            rows_of_each=len(fresh),
            histogram=histogram(
                {"synthetic to train": to_train, "synthetic to holdout": to_holdout, "holdout to train": fresh}
            ),
        ),
    )


def share_nearer(
    found: dict[str, tuple[np.ndarray, np.ndarray]], who: str, as_ratio: bool = False
) -> tuple[float, Interval]:
    """`nearer_share` of the rows of `who`, by distance, or by its ratio to the second distance."""
    (to_train, train_at), (to_holdout, holdout_at) = found[f"{who}_train"], found[f"{who}_holdout"]
    measure = ratios if as_ratio else lambda distances: distances[:, 0]
    return nearer_share(measure(to_train), measure(to_holdout), train_at[:, 0], holdout_at[:, 0])


def ratios(distances: np.ndarray) -> np.ndarray:
    """Distance to the nearest record as a share of that to the second nearest; 1 where both are 0."""
    return (distances[:, 0] + 1e-8) / (distances[:, -1] + 1e-8)


@metric(
    "Nearest-neighbour distance ratio",
    "privacy",
    "Do synthetic rows lie close to one training row and far from all others?",
    0,
    1,
    "low",
    detail=RatioDetail,
    place=40,
    why="0.5 is what held-out real rows score; more means that synthetic rows lie close to single training rows.",
    cost="medium",
    needs=("holdout",),
    matters=0.02,
    source="Zhao et al. 2021 (CTAB-GAN); mostlyai-qa",
)
def nearest_neighbour_ratio(tables: Tables) -> Score:
    """Do synthetic rows lie close to one training row and far from all others?

    A row in a crowd is near to many and points at nobody. A row at 0.01 from one training row and at 0.3 from the
    next points at the one. The share of synthetic rows whose ratio of nearest to second nearest distance is smaller
    among training rows than among equally many holdout rows; ties half. In [0, 1], and 0.5 for held-out real rows.
    """
    found = distances(tables)
    share, interval = share_nearer(found, "synthetic", as_ratio=True)
    reference, reference_interval = share_nearer(found, "half", as_ratio=True)
    named = {
        "synthetic to train": ratios(found["synthetic_train"][0]),
        "synthetic to holdout": ratios(found["synthetic_holdout"][0]),
        "holdout to train": ratios(found["holdout_train"][0]),
    }
    medians = {name: round(float(np.median(values)), 6) for name, values in named.items()}
    return Score(
        value=share,
        ci=interval,
        reference=reference,
        reference_ci=reference_interval,
        detail=RatioDetail(medians=medians, histogram=histogram(named)),
    )


@metric(
    "Near copies",
    "privacy",
    "How many synthetic rows are nearly a training row?",
    0,
    1,
    "low",
    detail=NearCopiesDetail,
    place=20,
    why="One in twenty held-out real rows lies this near to a training row by chance; more than that is copying.",
    cost="medium",
    needs=("holdout",),
    matters=0.02,
    source="Platzer and Reutterer 2021; 5th percentile of the distance to closest record as in CTAB-GAN",
)
def near_copies(tables: Tables) -> Score:
    """How many synthetic rows are nearly a training row?

    Changing one digit hides nobody. The closest twentieth of held-out real rows sets the threshold: rows that close
    to a training row are near copies. Their share, in [0, 1]; about 0.05 for held-out real rows.
    """
    found = distances(tables)
    fresh, synthetic = found["holdout_train"][0][:, 0], found["synthetic_train"][0][:, 0]
    mark = float(np.quantile(fresh, NEAR)) + TIE
    near, near_by_chance = int((synthetic <= mark).sum()), int((fresh <= mark).sum())
    return Score(
        value=near / len(synthetic),
        ci=share_interval(near, len(synthetic)),
        reference=near_by_chance / len(fresh),
        reference_ci=share_interval(near_by_chance, len(fresh)),
        detail=NearCopiesDetail(mark=round(mark, 6), count=near, rows=len(synthetic)),
    )


def rows_looked_at(tables: Tables) -> int:
    """Among how many synthetic rows the riskiest are looked for."""
    sides = encoded(tables)
    real = sides.train.rows + (sides.holdout.rows if sides.holdout else 0)
    return affordable(sides.synthetic.rows, real, len(sides.names))


def affordable(synthetic: int, real: int, columns: int) -> int:
    """How many of the synthetic rows can be compared with all real rows in some seconds."""
    return min(synthetic, MOST_RISKY, max(MOST_COMPARED // (real * columns), LEAST_RISKY))


def riskiest_rows(tables: Tables, count: int = 20) -> pd.DataFrame:
    """The synthetic rows closest to one training row, for the data owner only.

    Columns: `synthetic_row` and `train_row` (positions), `distance` to that training row, `holdout_distance` to the
    nearest holdout row, and `ratio` of the two; the smallest ratio first, among equal ones the smallest distance.
    A row that is close to held-out rows too is no risk, however close it is to a training row.
    Raises NotMeasurable without a holdout.
    """
    tables = conformed(tables)
    sides, metric_space = encoded(tables), space(tables)
    if sides.holdout is None:
        raise NotMeasurable(
            "No rows were held out, so nobody can say which rows are closer to the training data than chance explains."
        )
    rows = sample_rows(sides.synthetic.rows, rows_looked_at(tables), tables.seed, "risky")
    synthetic = metric_space.points(sides.synthetic.take(rows))
    to_train, at = nearest(synthetic, metric_space.points(sides.train), metric_space.is_code)
    to_holdout, _ = nearest(synthetic, metric_space.points(sides.holdout), metric_space.is_code)
    found = pd.DataFrame(
        {
            "synthetic_row": rows,
            "train_row": at[:, 0],
            "distance": to_train[:, 0].astype(float),
            "holdout_distance": to_holdout[:, 0].astype(float),
        }
    )
    found["ratio"] = (found["distance"] + TIE) / (found["holdout_distance"] + TIE)
    return found.sort_values(["ratio", "distance", "synthetic_row"], ignore_index=True).head(count)
