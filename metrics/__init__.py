"""Judges of synthetic tables. To add a metric: write it in its family's file, and name it in `METRICS`."""

from __future__ import annotations

from collections.abc import Callable

from metrics.base import OPTIONS, Card, Metric, Score, Tables
from metrics.detector import detector
from metrics.fidelity import column_pair_trends, column_shapes
from metrics.privacy import distance_to_closest_record, exact_copies
from metrics.utility import suggest_target, train_on_synthetic
from metrics.verdict import THRESHOLDS, Figure, Gate, Threshold, Verdict, gate, summary, verdict

METRICS: dict[str, Metric] = {
    metric.card.name: metric
    for metric in (
        column_shapes,
        column_pair_trends,
        detector,
        train_on_synthetic,
        exact_copies,
        distance_to_closest_record,
    )
}


def evaluate(
    tables: Tables, names: list[str] | None = None, report: Callable[[float, str], None] | None = None
) -> dict[str, Score]:
    """Score the synthetic table with the named metrics (default: all), in the order of `METRICS`.

    `report(done, note)` hears how far the work is, done from 0 to 1; what it raises stops the work.
    Raises KeyError for an unknown name.
    """
    chosen = list(METRICS) if names is None else names
    metrics = [METRICS[name] for name in chosen]
    weights = [{"cheap": 1, "medium": 3, "dear": 9}[metric.card.cost] for metric in metrics]
    scores: dict[str, Score] = {}
    for place, metric in enumerate(metrics):
        if report:
            report(sum(weights[:place]) / sum(weights), metric.card.title)
        scores[metric.card.name] = metric(tables)
    if report:
        report(1.0, "Scored")
    return scores


__all__ = [
    "METRICS",
    "OPTIONS",
    "THRESHOLDS",
    "Card",
    "Figure",
    "Gate",
    "Metric",
    "Score",
    "Tables",
    "Threshold",
    "Verdict",
    "evaluate",
    "gate",
    "suggest_target",
    "summary",
    "verdict",
]
