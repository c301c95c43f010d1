"""Evaluate a synthetic table: score it with the metrics, large tables on a sample of their rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from types import TracebackType

from metrics.base import Card, Metric, Score, Tables
from metrics.registry import METRICS
from metrics.tools.sampling import sample_rows

MOST_ROWS = 100_000
"""Larger tables are evaluated on a sample of so many rows, except by metrics that need every row."""
EFFORT = {"cheap": 1, "medium": 3, "dear": 6}

Explain = Callable[[Card, BaseException], str | None]
"""The note of a metric that failed, in words; None: the error ends the evaluation."""


def evaluate(
    tables: Tables,
    names: list[str] | None = None,
    report: Callable[[float, str], None] | None = None,
    explain: Explain | None = None,
) -> dict[str, Score]:
    """Score the synthetic table with the named metrics (default: all), in the order given.

    `report(done, note)` is told the progress, from 0 to 1; what it raises stops the work. Tables of more than
    100,000 rows are evaluated on a random sample, and the score's note states the sampling error.
    An unexpected error in a metric ends the evaluation, unless `explain` has words for it: they become the note of
    that metric's score, and the others are measured. Raises KeyError for an unknown name.
    """
    metrics = [METRICS[name] for name in (METRICS if names is None else names)]
    effort = [EFFORT[metric.card.cost] for metric in metrics]
    sample = sampled(tables)
    scores: dict[str, Score] = {}
    for place, metric in enumerate(metrics):
        if report:
            report(sum(effort[:place]) / sum(effort), metric.card.title)
        with Contained(metric.card, explain) as contained:
            contained.score = scored(metric, tables, sample)
        scores[metric.card.name] = contained.score
    if report:
        report(1.0, "Scored")
    return scores


class Contained(AbstractContextManager):
    """Contains the failure of one metric: its own score says what happened, and the others are measured."""

    def __init__(self, card: Card, explain: Explain | None) -> None:
        self.card, self.explain = card, explain
        self.score: Score | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        note = self.explain(self.card, error) if error is not None and self.explain is not None else None
        if note is None:
            return False
        self.score = Score(value=None, note=note)
        return True


def scored(metric: Metric, tables: Tables, sample: Tables) -> Score:
    """A metric's score on all rows, or on a sample where that is enough for it."""
    if metric.card.every_row or sample is tables:
        return metric(tables)
    return with_sampling_error(metric(sample), len(tables.synthetic))


def sampled(tables: Tables) -> Tables:
    """The same tables, each cut to a random sample of at most `MOST_ROWS` rows; themselves when none is larger."""
    sides = {"train": tables.train, "holdout": tables.holdout, "synthetic": tables.synthetic}
    large = {name: table for name, table in sides.items() if table is not None and len(table) > MOST_ROWS}
    if not large:
        return tables
    cut = {
        name: table.iloc[sample_rows(len(table), MOST_ROWS, tables.seed, f"large {name}")]
        for name, table in large.items()
    }
    return replace(tables, **cut)


def with_sampling_error(score: Score, rows: int) -> Score:
    """The score with a note of how many rows it was measured on, and the sampling error."""
    if score.value is None:
        return score
    note = f"Evaluated on a random sample of at most {MOST_ROWS:,} rows of each table ({rows:,} synthetic rows)"
    if score.ci is not None:
        note += f"; sampling error ±{max(score.ci[1] - score.value, score.value - score.ci[0]):.4f}"
    return score.model_copy(update={"note": f"{score.note} {note}.".strip()})
