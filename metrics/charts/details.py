"""Pictures of what a score found: its `detail`, drawn by what it holds.

A metric whose detail has a part in the shape that one of `PICTURES` asks for has its picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from metrics.base import Card, Score
from metrics.charts import curves, rankings
from metrics.detail import (
    AttackRates,
    Calibration,
    ColumnScores,
    ColumnShares,
    Curves,
    Detail,
    Distances,
    GroupsOfFewRows,
    GroupsOfFewSecrets,
    Importances,
    Learners,
    PairScores,
    Roc,
    RocOfAttacks,
    Rules,
    SecretRisks,
    SecretScores,
    WayScores,
)


def score_figures(score: Score, card: Card | None = None) -> list[go.Figure]:
    """The pictures of one score's `detail`; empty where there is nothing to draw. `card` tells what is good in it."""
    low_is_good = card is not None and card.good == "low"
    found = [(picture, picture.part_of(score)) for picture in PICTURES]
    return [picture.draw(part, low_is_good) for picture, part in found if part is not None]


@dataclass(frozen=True)
class Picture:
    """A chart of the field `key` of a detail: `draw` takes the model `part`, which the detail must fit."""

    key: str
    part: type[Detail]
    draw: Callable[[Any, bool], go.Figure]

    def part_of(self, score: Score) -> Detail | None:
        """What is drawn of a score; None where its detail does not fit, or holds nothing there."""
        part = score.detail_as(self.part)
        return None if part is None or getattr(part, self.key) == [] else part


PICTURES: tuple[Picture, ...] = (
    Picture("ways", WayScores, rankings.ways_figure),
    Picture("columns", ColumnScores, rankings.ranking_figure),
    Picture("columns", Importances, curves.importances_figure),
    Picture("pairs", PairScores, rankings.pair_scores_figure),
    Picture("curves", Curves, curves.curves_figure),
    Picture("rules", Rules, rankings.rules_figure),
    Picture("learners", Learners, curves.learners_figure),
    Picture("synthetic", Calibration, curves.calibration_figure),
    Picture("attack_rate", AttackRates, curves.attack_figure),
    Picture("secrets", SecretRisks, rankings.secrets_figure),
    Picture("secrets", SecretScores, rankings.protection_figure),
    Picture("groups_with_fewer_rows", GroupsOfFewRows, rankings.groups_figure),
    Picture("groups_with_fewer_secrets", GroupsOfFewSecrets, rankings.groups_figure),
    Picture("histogram", Distances, curves.nearness_figure),
    Picture("roc", Roc, curves.roc_figure),
    Picture("attacks", RocOfAttacks, curves.roc_figure),
    Picture("gave_it_away", ColumnShares, rankings.culprits_figure),
)
