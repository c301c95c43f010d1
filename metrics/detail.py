"""What a score found beside its value: models that metrics declare of it, and that charts read.

A chart draws whatever holds the parts that it reads, whichever metric found them; see `metrics.charts.details`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Detail(BaseModel):
    """Plain JSON values, read by attribute. A metric's own detail is a subclass, declared beside the metric."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Columns and groups of columns -----------------------------------------------------------------------------------


class ColumnScore(Detail):
    """One column: how near the synthetic rows come to the training rows, and how near the held-out rows do."""

    column: str
    score: float | None
    reference: float | None = None


class GroupScore(Detail):
    """The same of several columns together."""

    columns: list[str]
    score: float | None
    reference: float | None = None


class ColumnScores(Detail):
    columns: list[ColumnScore] | list[GroupScore]
    """Worst first."""

    def by_column(self) -> dict[str, float | None]:
        """The score of each single column, worst first."""
        return {item.column: item.score for item in self.columns if isinstance(item, ColumnScore)}


class PairScores(Detail):
    pairs: list[GroupScore]
    """Worst first."""


class WayScore(Detail):
    """How accurate columns are, taken so many at a time, and how accurate chance lets them be."""

    way: str
    score: float | None
    ceiling: float | None
    reference: float | None = None


class WayScores(Detail):
    ways: list[WayScore]


class BrokenRule(Detail):
    """A rule that holds in the training rows, and the shares of synthetic and of held-out rows that break it."""

    rule: str
    broken: float | None
    reference: float | None = None


class Rules(Detail):
    rules: list[BrokenRule]
    """Most broken first."""


# Models ----------------------------------------------------------------------------------------------------------


class Learner(Detail):
    """How well one learner predicts held-out real rows, trained on synthetic and on real ones."""

    learner: str
    synthetic: float | None
    real: float | None


class Learners(Detail):
    target: str
    measure: str
    rows_of_each: int
    learners: list[Learner]


class Importance(Detail):
    """A column's share of the importance, for a model trained on real rows and for one trained on synthetic rows."""

    column: str
    real: float | None
    synthetic: float | None


class Importances(Detail):
    target: str
    columns: list[Importance]
    """Most important first."""


class CalibrationGroup(Detail):
    """Rows about which a model was equally sure: what it said, and what happened."""

    said: float | None
    happened: float | None
    rows: int


class Calibration(Detail):
    synthetic: list[CalibrationGroup]
    real: list[CalibrationGroup] = []


class ColumnShare(Detail):
    """A column's part in telling synthetic rows from real ones."""

    column: str
    share: float


class ColumnShares(Detail):
    gave_it_away: list[ColumnShare]
    """Largest first."""


# Curves and histograms -------------------------------------------------------------------------------------------


class Curves(Detail):
    curve: str
    """The one to draw, of each table's curves."""
    curves: dict[str, dict[str, list[float]]]
    """By table, by name; `level` is the horizontal axis."""


class RocCurve(Detail):
    false_positive_rate: list[float]
    true_positive_rate: list[float]


class Roc(Detail):
    roc: RocCurve


class RocOfAttack(Detail):
    attack: str
    roc: RocCurve


class RocOfAttacks(Detail):
    attacks: list[RocOfAttack]


def _with_edges(histogram: dict[str, list[float]]) -> dict[str, list[float]]:
    if "edges" not in histogram:
        raise ValueError("A histogram has edges.")
    return histogram


class Distances(Detail):
    histogram: Annotated[dict[str, list[float]], AfterValidator(_with_edges)]
    """`edges`, and for each "rows of one table to another" the share in every bin."""


# Attacks and groups ----------------------------------------------------------------------------------------------


class AttackRates(Detail):
    """How often an attack succeeds against people in the training data, against others, and by guessing."""

    attack_rate: float
    control_rate: float
    guessing_rate: float
    attacks: int


class SecretRisk(Detail):
    """How much more often a column is guessed right of people in the training data than of others."""

    secret: str
    risk: float | None
    ci: list[float | None] | None = None


class SecretRisks(Detail):
    secrets: list[SecretRisk]
    """Most at risk first."""


class SecretScore(Detail):
    """How well a column of a person stays hidden."""

    secret: str
    score: float | None
    reference: float | None = None


class SecretScores(Detail):
    secrets: list[SecretScore]
    """Worst protected first."""


class Groups(Detail):
    """Groups of rows that are alike in the columns `known`."""

    known: list[str]
    groups: int


class GroupsOfFewRows(Groups):
    groups_with_fewer_rows: dict[str, int]
    """How many groups have fewer rows than each bound."""


class GroupsOfFewSecrets(Groups):
    groups_with_fewer_secrets: dict[str, int]
    """How many groups have fewer different secrets than each bound."""
