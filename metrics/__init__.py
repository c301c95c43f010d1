"""Metrics of synthetic tables and conversations, the verdict on their scores, and whether a table may be released.

To add a metric: write its function with its decorator in a file of its family's folder; `METRICS` finds it there.
What is named here is imported when it is first used: a stored score is read without the metrics that made it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics.base import OPTIONS, Card, Metric, NotMeasurable, Score, Tables
    from metrics.evaluation import evaluate
    from metrics.privacy.distances import riskiest_rows
    from metrics.registry import DIALOGUE_METRICS, METRICS, metric
    from metrics.utility.task import suggest_target
    from metrics.verdict import THRESHOLDS, Figure, Gate, Threshold, Verdict, gate, plain_names, summary

HOMES = {
    "metrics.base": ("OPTIONS", "Card", "Metric", "NotMeasurable", "Score", "Tables"),
    "metrics.evaluation": ("evaluate",),
    "metrics.privacy.distances": ("riskiest_rows",),
    "metrics.registry": ("DIALOGUE_METRICS", "METRICS", "metric"),
    "metrics.utility.task": ("suggest_target",),
    "metrics.verdict": (
        "THRESHOLDS",
        "Figure",
        "Gate",
        "Threshold",
        "Verdict",
        "gate",
        "plain_names",
        "summary",
    ),
}
"""Where each public name is declared."""

__all__ = [
    "DIALOGUE_METRICS",
    "METRICS",
    "OPTIONS",
    "THRESHOLDS",
    "Card",
    "Figure",
    "Gate",
    "Metric",
    "NotMeasurable",
    "Score",
    "Tables",
    "Threshold",
    "Verdict",
    "evaluate",
    "gate",
    "metric",
    "plain_names",
    "riskiest_rows",
    "suggest_target",
    "summary",
]


def __getattr__(name: str) -> Any:
    home = next((home for home, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
