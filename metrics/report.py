"""A report on a synthetic table for readers without an account: HTML, JSON and CSV.

The report is shared outside, so it holds statistics of the real table and none of its rows: levels that few real rows
have are counted together, single rows are not drawn, and free text and personal data appear by length only.
"""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from dataclasses import replace
from functools import cache
from gzip import compress
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader
from plotly.offline import get_plotlyjs
from pydantic import BaseModel, Field

from metrics import charts, views
from metrics.base import Card, NotMeasurable, Score, Tables, conformed
from metrics.charts.scores import FAMILIES
from metrics.detail import ColumnScores
from metrics.registry import METRICS
from metrics.verdict import Figure, Gate, Threshold, Verdict, gate, number, summary, verdict
from synth.schema import Column, Schema

COLUMNS = 60
"""Columns drawn; beyond them those that differ most from the real ones."""
PLOTLY_CONFIG = charts.CONFIG | {"displayModeBar": "hover"}


class Evaluated(BaseModel):
    """One metric: how to read it, what was measured, and the verdict."""

    card: Card
    score: Score
    verdict: Verdict


class Report(BaseModel):
    """The content of the report, as JSON."""

    title: str
    facts: dict[str, str] = Field(description="How the table came to be: dataset, generator, rows, seed, ...")
    rows: dict[str, int]
    figures: list[Figure]
    gate: Gate | None = Field(description="Whether the owner's thresholds are met; None: none were set.")
    judged: list[Evaluated]
    columns: list[dict[str, Any]] = Field(description="`metrics.views.column_view` of the columns drawn.")
    columns_left_out: int
    correlation: dict[str, Any]
    projection: dict[str, Any] | None
    missingness: dict[str, Any]


def gather(
    title: str,
    facts: dict[str, str],
    tables: Tables,
    scores: dict[str, Score],
    thresholds: list[Threshold] | None = None,
) -> Report:
    """The report on `tables.synthetic`; `facts` are lines of its head, such as {"Seed": "0"}.

    Tables that do not fit their schema are reported on without pictures, and the head says why.
    """
    try:
        tables = conformed(tables)
    except NotMeasurable as reason:
        facts, tables = facts | {"Charts": f"None. {reason}"}, replace(tables, schema=Schema(columns=[]))
    train, holdout, synthetic = tables.train, tables.holdout, tables.synthetic
    schema = tables.schema
    worst = _worst_columns(scores, schema.names)[:COLUMNS]
    drawn = [name for name in schema.names if name in set(worst)]
    return Report(
        title=title,
        facts=facts,
        rows={"train": len(train), "holdout": 0 if holdout is None else len(holdout), "synthetic": len(synthetic)},
        figures=summary(scores),
        gate=None if thresholds is None else gate(scores, thresholds),
        judged=[_evaluated(METRICS[name].card, scores[name]) for name in METRICS if name in scores],
        columns=[_discreet(views.column_view(train, holdout, synthetic, _shown(schema[name]))) for name in drawn],
        columns_left_out=len(schema) - len(drawn),
        correlation=views.correlation_view(train, synthetic, schema, seed=tables.seed),
        projection=_density(views.projection_view(train, synthetic, schema, seed=tables.seed)),
        missingness=views.missingness_view(train, synthetic, schema),
    )


def _evaluated(card: Card, score: Score) -> Evaluated:
    """The score with that part of its detail that is drawn or is a number; other lists may name real rows."""
    drawn = {name for picture in charts.PICTURES for name in picture.part.model_fields}
    kept = {
        name: value
        for name, value in score.model_dump(mode="json")["detail"].items()
        if name in drawn or isinstance(value, str | int | float | None)
    }
    return Evaluated(card=card, score=score.model_copy(update={"detail": kept}), verdict=verdict(card, score))


def _worst_columns(scores: dict[str, Score], names: list[str]) -> list[str]:
    shapes = scores.get("column_shapes")
    detail = shapes.detail_as(ColumnScores) if shapes else None
    ranked = list(detail.by_column()) if detail else []
    return [*ranked, *(name for name in names if name not in set(ranked))]


def _shown(column: Column) -> Column:
    """The column as the report may show it: what names people only by its length."""
    if column.role in ("pii", "id") and column.kind == "category":
        return column.model_copy(update={"kind": "text"})
    return column


def _discreet(view: dict[str, Any]) -> dict[str, Any]:
    """The view with its rare levels counted as one."""
    rare = [level for level in view.get("levels", []) if level["rare"]]
    if not rare:
        return view
    shares = {name: round(sum(level["shares"][name] for level in rare), 6) for name in view["rows"]}
    label = f"{len(rare):,} rare level{'s' if len(rare) > 1 else ''}"
    together = {"label": label, "shares": shares, "rare": False, "rest": True, "invented": False}
    common = [level for level in view["levels"] if not level["rare"]]
    place = next((n for n, level in enumerate(common) if level["rest"]), len(common))
    return view | {"levels": [*common[:place], together, *common[place:]]}


def _density(view: dict[str, Any]) -> dict[str, Any] | None:
    """The projection as densities: how many rows lie where, but not which."""
    if not view["axes"]:
        return None
    names = [
        f"{place} direction ({axis['explained']:.0%})"
        for place, axis in zip(("First", "Second"), view["axes"], strict=False)
    ]
    names += ["Second direction"] * (2 - len(names))
    tables = {name: pd.DataFrame({names[0]: at["x"], names[1]: at["y"]}) for name, at in view["points"].items()}
    first, second = (Column(name=name, kind="number") for name in names)
    density = views.pair_view(tables["real"], tables["synthetic"], first, second, points=0)
    return density | {"rows": view["rows"]}


# As files --------------------------------------------------------------------------------------------------------


def as_json(report: Report) -> str:
    return report.model_dump_json(indent=1)


def as_csv(report: Report) -> str:
    """The scores, one a line."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = ("metric", "title", "family", "value", "interval_low", "interval_high", "real_rows_score")
    writer.writerow([*names, "verdict", "in_words", "note"])
    for one in report.judged:
        low, high = one.score.ci or (None, None)
        named = (one.card.name, one.card.title, one.card.family)
        measured = (one.score.value, low, high, one.score.reference)
        writer.writerow([*named, *measured, one.verdict.level, one.verdict.text, one.score.note])
    return out.getvalue()


def as_html(report: Report) -> str:
    """One self-contained page: it needs no network, follows the reader's light or dark theme, and prints."""
    drawn = figures(report)
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    environment.filters |= {"number": number, "words": lambda level: level.replace("_", " ")}
    return environment.get_template("report.html").render(
        report=report,
        families={
            family: title for family, title in FAMILIES.items() if any(j.card.family == family for j in report.judged)
        },
        figures={name: figure.layout.height for name, figure in drawn.items()},
        drawn=_as_script({name: _bare(figure) for name, figure in drawn.items()}),
        templates=_as_script({theme: charts.template(theme) for theme in ("light", "dark")}),
        config=_as_script(PLOTLY_CONFIG),
        plotly=_plotly_packed(),
    )


def figures(report: Report) -> dict[str, go.Figure]:
    """Every chart of the report by the place it has there."""
    drawn = {
        "scorecard": charts.scorecard_figure(
            [j.card for j in report.judged], {j.card.name: j.score for j in report.judged}
        )
    }
    drawn |= {f"column-{n}": charts.column_figure(view) for n, view in enumerate(report.columns)}
    drawn["correlation"] = charts.correlation_figure(report.correlation)
    if report.projection:
        plane = "Rows in the plane in which real rows differ most"
        drawn["projection"] = charts.pair_figure(report.projection).update_layout(title_text=plane)
    drawn["missingness"] = charts.missingness_figure(report.missingness)
    for one in report.judged:
        found = charts.score_figures(one.score, one.card)
        drawn |= {f"{one.card.name}-{n}": figure for n, figure in enumerate(found)}
    return drawn


def _bare(figure: go.Figure) -> dict[str, Any]:
    """The figure without its template, which the page holds once for all."""
    bare = json.loads(figure.to_json())
    del bare["layout"]["template"]
    return bare


def _as_script(value: Any) -> str:
    """JSON that cannot end the script it stands in, whatever the names of columns."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _plotly_packed() -> str:
    """Plotly's own script, as base64 of gzip: 2.0 MB instead of 4.8, unpacked by the reader's browser."""
    return b64encode(compress(get_plotlyjs().encode(), 9)).decode()
