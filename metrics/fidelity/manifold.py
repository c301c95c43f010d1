"""Alpha-precision, beta-recall and authenticity: do synthetic rows lie where real rows lie, and not exactly there?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrics.base import NotMeasurable, Score, Tables, once
from metrics.detail import Curves, Detail
from metrics.registry import metric
from metrics.tools.compare import NO_HOLDOUT
from metrics.tools.encode import encoded
from metrics.tools.intervals import Interval, around, mean_interval
from metrics.tools.nearest import MISSING, nearest, space
from metrics.tools.sampling import randomness, sample_rows

SOURCE = "Alaa et al. 2022, How faithful is your synthetic data?; curves as in synthcity 0.2"
LEVELS = np.linspace(0, 1, 30)
LEAST_ROWS, MOST_ROWS, DRAWS = 20, 5000, 30


@dataclass(frozen=True)
class Support:
    """How one table lies relative to equally many training rows."""

    precision_at: np.ndarray
    """Of each of its rows: the share of train's rows that lie nearer to train's middle."""
    recall_at: np.ndarray
    """Of each training row that has one of its rows nearer than any other training row: how far out that one lies,
    as a share of all such; 2 for training rows that have none."""
    authentic: np.ndarray
    """Of each of its rows: whether it is farther from its nearest training row than that is from the next one."""

    def curves(self) -> dict[str, list[float]]:
        """Precision and recall at each level, for a chart; a faithful table follows the diagonal of the first."""
        return {
            "level": LEVELS.round(4).tolist(),
            "precision": at_levels(self.precision_at).round(4).tolist(),
            "recall": at_levels(self.recall_at).round(4).tolist(),
        }


def at_levels(places: np.ndarray) -> np.ndarray:
    """The share of places at or below each level."""
    return np.searchsorted(np.sort(places), LEVELS, "right") / len(places)


def agreement(places: np.ndarray) -> float:
    """1 when the share at or below each level is the level; 0 when it is everywhere as far off as can be."""
    return float(1 - np.abs(LEVELS - at_levels(places)).sum() / LEVELS.sum())


def agreement_interval(places: np.ndarray, value: float, seed: int) -> Interval:
    """The bootstrap interval of an agreement."""
    rng = randomness(seed, "agreement")
    again = [agreement(places[rng.integers(0, len(places), len(places))]) for _ in range(DRAWS)]
    return around(value, float(np.std(again, ddof=1)))


@once
def supports(tables: Tables) -> dict[str, Support]:
    """How the synthetic rows lie among equally many training rows, and how the holdout rows do."""
    sides, metric_space = encoded(tables), space(tables)
    others = {"synthetic": sides.synthetic} | ({"holdout": sides.holdout} if sides.holdout else {})
    size = min(MOST_ROWS, sides.train.rows, *(side.rows for side in others.values()))
    if size < LEAST_ROWS:
        raise NotMeasurable(f"Only {size} rows can be compared and at least {LEAST_ROWS} of each table are needed.")
    train = metric_space.points(sides.train.take(sample_rows(sides.train.rows, size, tables.seed, "train")))
    own, _ = nearest(train, train, metric_space.is_code, 2)
    found = {}
    for name, side in others.items():
        rows = metric_space.points(side.take(sample_rows(side.rows, size, tables.seed, name)))
        found[name] = support(train, own[:, 1], rows, metric_space.is_code)
    return found


def support(train: np.ndarray, to_next: np.ndarray, rows: np.ndarray, is_code: np.ndarray) -> Support:
    """How `rows` lie relative to `train`, whose rows have their nearest fellow at `to_next`."""
    middle = Middle.of(train, is_code)
    radii = np.sort(middle.distances(train))
    precision_at = np.searchsorted(radii, middle.distances(rows), "left") / len(radii)

    to_rows, at = nearest(train, rows, is_code)
    to_rows, at = to_rows[:, 0], at[:, 0]
    out = Middle.of(rows, is_code).distances(rows)[at]
    rank = np.searchsorted(np.sort(out), out, "left") / len(out)
    recall_at = np.where(to_rows <= to_next, rank, 2.0)

    to_train, nearest_train = nearest(rows, train, is_code)
    authentic = to_train[:, 0] > to_next[nearest_train[:, 0]]
    return Support(precision_at, recall_at, authentic)


@dataclass(frozen=True)
class Middle:
    """Tells how far from the middle of a cloud of points a point lies: its mean distance to all of them."""

    columns: list[tuple[np.ndarray, np.ndarray]]
    is_code: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, is_code: np.ndarray) -> Middle:
        columns = []
        for values, codes in zip(points.T.astype(np.float64), is_code, strict=True):
            if codes:
                columns.append(np.unique(values, return_counts=True))
            else:
                ordered = np.sort(values[values != MISSING])
                columns.append((ordered, np.concatenate([[0.0], np.cumsum(ordered)])))
        return cls([(*column, len(points)) for column in columns], is_code)

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Of each point the mean of its Gower distances to the cloud."""
        total = np.zeros(len(points))
        for values, codes, column in zip(points.T.astype(np.float64), self.is_code, self.columns, strict=True):
            total += self._levels(values, *column) if codes else self._numbers(values, *column)
        return total / len(self.columns)

    @staticmethod
    def _levels(values: np.ndarray, known: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
        place = np.searchsorted(known, values).clip(0, len(known) - 1)
        return 1 - np.where(known[place] == values, counts[place], 0) / size

    @staticmethod
    def _numbers(values: np.ndarray, ordered: np.ndarray, sums: np.ndarray, size: int) -> np.ndarray:
        # Sum of |x - y| over sorted y: those below x and those above it, from their running sums.
        below = np.searchsorted(ordered, values)
        away = values * (2 * below - len(ordered)) - 2 * sums[below] + sums[-1]
        lacking = values == MISSING
        return np.where(lacking, len(ordered), away + size - len(ordered)) / size


class ManifoldDetail(Curves):
    rows_of_each: int


class AuthenticityDetail(Detail):
    rows_of_each: int


def scored(tables: Tables, places: str, curve: str) -> Score:
    """The agreement of one of the curves, of the synthetic rows and of the holdout rows."""
    found = supports(tables)
    values = {name: agreement(getattr(support, places)) for name, support in found.items()}
    intervals = {
        name: agreement_interval(getattr(support, places), values[name], tables.seed) for name, support in found.items()
    }
    return Score(
        value=values["synthetic"],
        ci=intervals["synthetic"],
        reference=values.get("holdout"),
        reference_ci=intervals.get("holdout"),
        detail=ManifoldDetail(
            rows_of_each=len(found["synthetic"].authentic),
            curve=curve,
            curves={name: support.curves() for name, support in found.items()},
        ),
        note="" if "holdout" in found else NO_HOLDOUT,
    )


@metric(
    "Alpha-precision",
    "fidelity",
    "Do synthetic rows lie where real rows lie, the usual ones inside and the unusual ones outside?",
    0,
    1,
    "high",
    detail=ManifoldDetail,
    place=90,
    why="1 means that as many synthetic as real rows are typical, at every degree of typicalness.",
    matters=0.02,
    cost="medium",
    source=SOURCE,
)
def alpha_precision(tables: Tables) -> Score:
    """Do synthetic rows lie where real rows lie, the usual ones inside and the unusual ones outside?

    Draw balls around the middle of the real rows that hold 10, 20, ... percent of them: as many percent of the
    synthetic rows should lie inside. 1 - 2 times the area between that curve and the diagonal. In [0, 1].
    Here a row's distance from the middle is its mean Gower distance to all real rows.
    """
    return scored(tables, "precision_at", "precision")


@metric(
    "Beta-recall",
    "fidelity",
    "Is there a synthetic row near every kind of real row?",
    0,
    1,
    "reference",
    detail=ManifoldDetail,
    place=100,
    why="Held-out real rows reach about one half: half of them are closer to a training row than its neighbour is.",
    matters=0.03,
    cost="medium",
    source=SOURCE,
)
def beta_recall(tables: Tables) -> Score:
    """Is there a synthetic row near every kind of real row?

    A real row counts as met when a synthetic row is nearer to it than any other real row; the met rows should lie
    as far out as synthetic rows do. A generator that forgot a group meets none of it; one that copies meets all.
    1 - 2 times the area between the curve and the diagonal. In [0, 1]; held-out real rows score about one half.
    """
    return scored(tables, "recall_at", "recall")


@metric(
    "Authenticity",
    "privacy",
    "How many synthetic rows are new, rather than a training row slightly changed?",
    0,
    1,
    "high",
    detail=AuthenticityDetail,
    place=50,
    why="Held-out real rows score about one half; less means that synthetic rows lie close around training rows.",
    matters=0.03,
    cost="medium",
    needs=("holdout",),
    source=SOURCE,
)
def authenticity(tables: Tables) -> Score:
    """How many synthetic rows are new, rather than a training row slightly changed?

    A row counts as new when it is farther from its nearest training row than that row is from its nearest fellow.
    The share of new rows, among equally many training rows. In [0, 1]; held-out real rows score about one half.
    """
    found = supports(tables)
    return Score(
        value=float(found["synthetic"].authentic.mean()),
        ci=mean_interval(found["synthetic"].authentic),
        reference=float(found["holdout"].authentic.mean()),
        reference_ci=mean_interval(found["holdout"].authentic),
        detail=AuthenticityDetail(rows_of_each=len(found["synthetic"].authentic)),
    )
