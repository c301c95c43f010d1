"""Pictures of what a score found: its `detail`, drawn by what it holds.

A metric whose detail has a part in the shape that one of `PICTURES` asks for has its picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from metrics.base import Card, Score
from metrics.charts import curves, rankings

Detail = Mapping[str, Any]


def score_figures(score: Score, card: Card | None = None) -> list[go.Figure]:
    """The pictures of one score's `detail`; empty where there is nothing to draw. `card` tells what is good in it."""
    low_is_good = card is not None and card.good == "low"
    return [picture.draw(score.detail, low_is_good) for picture in PICTURES if picture.fits(score.detail)]


@dataclass(frozen=True)
class Picture:
    """What `detail[key]` must hold to be drawn: `holds` are keys of it, or of each of its items when it is a list."""

    key: str
    holds: tuple[str, ...]
    draw: Callable[[Detail, bool], go.Figure]

    def fits(self, detail: Detail) -> bool:
        part = detail.get(self.key)
        if isinstance(part, list):
            part = part[0] if part else None
        if not self.holds:
            return part is not None
        return isinstance(part, Mapping) and all(name in part for name in self.holds)


PICTURES: tuple[Picture, ...] = (
    Picture("ways", ("way", "score", "ceiling"), rankings.ways_figure),
    Picture("columns", ("score",), rankings.ranking_figure),
    Picture("columns", ("real", "synthetic"), curves.importances_figure),
    Picture("pairs", ("columns", "score"), rankings.pair_scores_figure),
    Picture("curves", ("synthetic",), curves.curves_figure),
    Picture("rules", ("rule", "broken"), rankings.rules_figure),
    Picture("learners", ("learner", "real", "synthetic"), curves.learners_figure),
    Picture("synthetic", ("said", "happened"), curves.calibration_figure),
    Picture("attack_rate", (), curves.attack_figure),
    Picture("secrets", ("secret", "risk"), rankings.secrets_figure),
    Picture("secrets", ("secret", "score"), rankings.protection_figure),
    Picture("groups_with_fewer_rows", (), rankings.groups_figure),
    Picture("groups_with_fewer_secrets", (), rankings.groups_figure),
    Picture("histogram", ("edges",), curves.nearness_figure),
    Picture("roc", (), curves.roc_figure),
    Picture("attacks", ("attack", "roc"), curves.roc_figure),
    Picture("gave_it_away", ("column", "share"), rankings.culprits_figure),
)
