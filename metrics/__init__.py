"""Judges of synthetic tables. To add a metric: write it in its family's file, and name it in `METRICS`."""

from metrics.base import Card, Metric, Score, Tables

METRICS: dict[str, Metric] = {metric.card.name: metric for metric in ()}

__all__ = ["METRICS", "Card", "Metric", "Score", "Tables"]
