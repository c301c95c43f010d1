"""Several synthetic tables of one dataset, beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from metrics.base import Score
from metrics.charts.axes import middles, row_axis
from metrics.charts.theme import (
    NEUTRAL,
    REAL,
    SHARE,
    SYNTHETIC,
    fading,
    figure,
    nothing,
    plain,
    rgba,
    scale_of,
    unique,
)
from metrics.detail import ColumnScores

MOST = 40
"""Columns drawn of the comparison across runs."""
PALETTE = ["#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#9A7BD0", "#7A8B00", "#B0413E"]
"""One colour a generator, or a run; blue stays with real rows."""
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot")


def runs_figure(view: dict[str, Any]) -> go.Figure:
    """Draws `metrics.views.runs_view`: fidelity against privacy, larger for longer training, with the Pareto front."""
    runs = [run for run in view["runs"] if run["fidelity"] is not None and run["privacy"] is not None]
    if not runs:
        return nothing("Fidelity against privacy", "No run has both a fidelity and a privacy figure yet.")
    front = sorted((run for run in runs if run["front"]), key=lambda run: run["fidelity"])
    models = list(dict.fromkeys(run["model"] for run in runs))
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Best trade-offs",
            # A step down where the next run gives up privacy for fidelity.
            "x": [run["fidelity"] for run in front],
            "y": [run["privacy"] for run in front],
            "line": {"color": NEUTRAL, "width": 1.5, "dash": "dash", "shape": "vh"},
            "hoverinfo": "skip",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "Benchmark: held-out real rows",
            "x": [1],
            "y": [1],
            "marker": {"symbol": "star", "size": 15, "color": REAL},
            "hovertemplate": "Benchmark: held-out real rows<extra></extra>",
        },
    ]
    low = min(0.9, *(min(run["fidelity"], run["privacy"]) for run in runs)) - 0.03
    sides = _label_sides(runs, 1.05 - low)
    longest = max((run["seconds"] for run in runs if run["seconds"]), default=0) or 1
    for n, model in enumerate(models):
        own = [run for run in runs if run["model"] == model]
        colour = PALETTE[n % len(PALETTE)]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": plain(model, 40),
                "x": [run["fidelity"] for run in own],
                "y": [run["privacy"] for run in own],
                "text": [plain(run["name"], 34) for run in own],
                "textposition": [sides[run["id"]] for run in own],
                "textfont": {"size": 11},
                "customdata": [[run["id"], _cost(run["seconds"]), _utility(run["utility"])] for run in own],
                "marker": {
                    "size": [_size(run["seconds"], longest) for run in own],
                    "color": [rgba(colour, 0.85 if run["front"] else 0.25) for run in own],
                    "line": {"color": colour, "width": 1.5},
                },
                "hovertemplate": "fidelity %{x:.3f}, privacy %{y:.3f}%{customdata[2]}<br>%{customdata[1]}",
            }
        )
    return figure(
        traces,
        "Fidelity against privacy",
        "1: as good as held-out real rows. Size = training time",
        "Faded = beaten by another synthetic table: better in one of the two, no worse in the other",
        height=420,
        xaxis={"title": {"text": "Fidelity"}, "range": [low, 1.04]},
        yaxis={"title": {"text": "Privacy"}, "range": [low, 1.06]},
    )


def _label_sides(runs: list[dict[str, Any]], span: float) -> dict[str, str]:
    """For each run the side of its marker on which its label meets none set before; axes are `span` long."""
    sides: dict[str, str] = {}
    taken: list[tuple[float, float]] = []
    for run in runs:
        middles = {
            side: (run["fidelity"] + right * span, run["privacy"] + up * span)
            for side, (right, up) in LABEL_SIDES.items()
        }
        free = [
            side
            for side, (x, y) in middles.items()
            if all(abs(x - a) > LABEL[0] * span or abs(y - b) > LABEL[1] * span for a, b in taken)
        ]
        sides[run["id"]] = free[0] if free else next(iter(LABEL_SIDES))
        taken.append(middles[sides[run["id"]]])
    return sides


LABEL_SIDES = {
    "top center": (0, 0.06),
    "bottom center": (0, -0.06),
    "middle right": (0.08, 0),
    "middle left": (-0.08, 0),
}
"""Where a label's middle lies beside its marker, in parts of the axes."""
LABEL = (0.13, 0.05)
"""How wide and high a label is, in parts of the axes."""


def _size(seconds: float | None, longest: float) -> float:
    """The marker's size: 9 for a run that took no time, 26 for the longest, by the logarithm of the time."""
    return 9.0 if not seconds else 9 + 17 * math.log1p(seconds) / math.log1p(longest)


def _cost(seconds: float | None) -> str:
    if seconds is None:
        return "training time unknown"
    return f"{seconds:,.1f} s to train" if seconds < 90 else f"{seconds / 60:,.1f} min to train"


def _utility(value: float | None) -> str:
    return "" if value is None else f", utility {value:.3f}"


def runs_columns_figure(scores: Mapping[str, Score], title: str = "Columns across synthetic tables") -> go.Figure:
    """One row a column, one cell a run: what the columns of each run's score lack to 1, worst first."""
    lost = {
        run: {column: 1 - value for column, value in detail.by_column().items() if value is not None}
        for run, score in scores.items()
        if (detail := score.detail_as(ColumnScores)) is not None
    }
    columns = {name for run in lost.values() for name in run}
    if not columns:
        return nothing(title, "None of the synthetic tables has scores by column.")
    worst = sorted(columns, key=lambda name: (-max(run.get(name, 0) for run in lost.values()), name))[:MOST]
    table = np.array([[run.get(name, np.nan) for run in lost.values()] for name in worst])
    rows, across = unique([plain(name, 30) for name in worst]), unique([plain(run, 34) for run in lost])
    written = len(across) <= 12
    most = max(0.05, float(np.nanmax(table)))
    traces: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "x": across,
            "y": rows,
            "z": table,
            "zmin": 0,
            "zmax": most,
            "colorscale": fading(SYNTHETIC, 0.6 if written else 1),
            "showscale": False,
            "hoverongaps": False,
            "xgap": 1,
            "ygap": 1,
            "hovertemplate": "%{y} in %{x}: %{z:.3f} lost<extra></extra>",
        }
    ]
    if written:
        cells = [(x, y, lack) for y, row in zip(rows, table, strict=True) for x, lack in zip(across, row, strict=True)]
        cells = [cell for cell in cells if np.isfinite(cell[2])]
        traces.append(
            {
                "type": "scatter",
                "mode": "text",
                "x": [x for x, _, _ in cells],
                "y": [y for _, y, _ in cells],
                "text": [f"{1 - lack:.3f}" for _, _, lack in cells],
                "textfont": {"size": 11},
                "hoverinfo": "skip",
            }
        )
    more = f"The {len(worst)} worst of {len(columns):,} columns. " if len(worst) < len(columns) else ""
    return figure(
        traces,
        title,
        f"{more}1: as in the training rows; the stronger the colour, the larger the difference",
        height=40 + 24 * len(worst),
        xaxis={"type": "category", "showgrid": False, "side": "bottom"},
        yaxis={"type": "category", "showgrid": False, "autorange": "reversed"},
    )


def column_across_figure(view: dict[str, Any]) -> go.Figure:
    """Draws `metrics.views.column_across_view`: the real rows in blue, a line or a marker for each run."""
    if not any(view["rows"].values()):
        return nothing(view["column"], "There are no rows.")
    if not view["runs"]:
        return nothing(view["column"], "Choose a run to see its column here.")
    draw = _lines_across if view["form"] == "lines" else _levels_across
    return draw(view, unique([plain(run, 40) for run in view["runs"]]))


def _lines_across(view: dict[str, Any], names: list[str]) -> go.Figure:
    centres = middles(view["edges"], view["scale"])
    traces: list[dict[str, Any]] = []
    for place, (table, name) in enumerate(zip(["real", *view["runs"]], ["Real (training)", *names], strict=True)):
        real = table == "real"
        colour = REAL if real else PALETTE[(place - 1) % len(PALETTE)]
        dash = "solid" if real else DASHES[(place - 1) % len(DASHES)]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": centres,
                # A bin of nothing at either end closes the outline.
                "y": [0, *view["shares"][table], 0],
                "line": {"color": colour, "width": 2, "shape": "hvh", "dash": dash},
                "fill": "tozeroy" if real else "none",
                "fillcolor": rgba(REAL, 0.35),
                "hovertemplate": f"%{{y:{SHARE}}}",
            }
        )
    return figure(
        traces,
        view["column"],
        _rows_of_all(view),
        view["note"],
        height=320,
        xaxis={"title": {"text": plain(view["column"])}, **scale_of(view)},
        yaxis={"title": {"text": "Share of rows"}, "tickformat": SHARE, "rangemode": "tozero"},
        hovermode="x unified",
    )


def _levels_across(view: dict[str, Any], names: list[str]) -> go.Figure:
    levels = view["levels"]
    if not levels:
        return nothing(view["column"], "Every value is missing.")
    places, said = list(range(len(levels))), [plain(level["label"], 60) for level in levels]
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": "Real (training)",
            "x": [level["shares"]["real"] for level in levels],
            "y": places,
            "customdata": said,
            "marker": {"color": rgba(REAL, 0.35), "line": {"color": REAL, "width": 1}},
            "hovertemplate": f"%{{customdata}}: %{{x:{SHARE}}}",
        }
    ]
    for place, (run, name) in enumerate(zip(view["runs"], names, strict=True)):
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [level["shares"][run] for level in levels],
                "y": places,
                "customdata": said,
                "marker": {
                    "color": PALETTE[place % len(PALETTE)],
                    "symbol": MARKERS[place % len(MARKERS)],
                    "size": 10,
                    "line": {"width": 1, "color": "rgba(255,255,255,0.7)"},
                },
                "hovertemplate": f"%{{customdata}}: %{{x:{SHARE}}}",
            }
        )
    return figure(
        traces,
        view["column"],
        _rows_of_all(view),
        view["note"],
        height=60 + 28 * len(levels),
        xaxis={"title": {"text": "Share of rows"}, "tickformat": SHARE, "rangemode": "tozero"},
        yaxis=row_axis([level["label"] for level in levels]),
        bargap=0.35,
    )


def _rows_of_all(view: dict[str, Any]) -> str:
    made = sum(rows for table, rows in view["rows"].items() if table != "real")
    return f"Real: {view['rows']['real']:,} training rows; synthetic: {made:,} rows of {len(view['runs'])} synthetic tables"
