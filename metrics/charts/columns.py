"""The picture of one column: real beside synthetic."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from metrics.charts.axes import middles, positions, row_axis
from metrics.charts.theme import (
    LABELS,
    NEUTRAL,
    REAL,
    SHARE,
    SYNTHETIC,
    figure,
    heading,
    nothing,
    plain,
    rgba,
    rows_in_words,
    scale_of,
)
from metrics.views.axes import edge_text

_COLOURS = {"train": REAL, "holdout": REAL, "synthetic": SYNTHETIC}


def column_figure(view: dict[str, Any]) -> go.Figure:
    """Draws `metrics.views.column_view`: a histogram, bars by level, or a datetime by time and calendar."""
    if not any(view["rows"].values()):
        return nothing(view["column"], "There are no rows.")
    draw = {"histogram": _histogram, "bars": _bars, "time": _time}[view["form"]]
    return draw(view)


def _histogram(view: dict[str, Any]) -> go.Figure:
    apart = min(0.24 + 0.04 * len(view["apart"]), 0.4) if view["apart"] else 0
    traces = _steps(view, "x", "y")
    name = f"{view['column']} (characters)" if view["kind"] == "text" else view["column"]
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": plain(name)}, "domain": [0, 1 - apart], **scale_of(view)},
        "yaxis": {"title": {"text": "Share of rows"}, "tickformat": SHARE, "rangemode": "tozero"},
        "hovermode": "x unified",
    }
    if apart:
        traces += _apart(view, "x2", "y2")
        layout["xaxis2"] = {
            "domain": [0.8, 1],
            "anchor": "y2",
            **positions([level["label"] for level in view["apart"]]),
        }
        layout["yaxis2"] = {"anchor": "x2", "tickformat": SHARE, "rangemode": "tozero"}
        layout["annotations"] = [heading("Outside the main range / missing", "x2", "y2")]
    return figure(traces, view["column"], rows_in_words(view["rows"]), view["note"], height=280, **layout)


def _steps(view: dict[str, Any], xaxis: str, yaxis: str) -> list[dict[str, Any]]:
    """Outlines of the histograms; real filled, so that the line of synthetic stays visible upon it."""
    edges, scale = view["edges"], view["scale"]
    centres, labels = middles(edges, scale), _bin_labels(edges, scale)
    traces = []
    for name in ("train", "holdout", "synthetic"):
        if name not in view["shares"]:
            continue
        line = {"color": _COLOURS[name], "width": 2, "shape": "hvh"}
        if name == "holdout":
            line |= {"width": 1.5, "dash": "dot"}
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": LABELS[name],
                "legendgroup": name,
                "x": centres,
                # A bin of nothing at either end closes the outline.
                "y": [0, *view["shares"][name], 0],
                "line": line,
                "fill": "tozeroy" if name == "train" else "none",
                "fillcolor": rgba(REAL, 0.35),
                "customdata": ["beyond the axis", *labels, "beyond the axis"],
                "hovertemplate": f"%{{y:{SHARE}}} in %{{customdata}}",
                "xaxis": xaxis,
                "yaxis": yaxis,
            }
        )
    return traces


def _bin_labels(edges: list[Any], scale: str) -> list[str]:
    if scale == "linear" and all((2 * edge) % 2 == 1 for edge in edges):
        # Edges between integers: a bin is named by the integers it holds.
        pairs = [(round(a + 0.5), round(b - 0.5)) for a, b in pairwise(edges)]
        return [f"{a:,}" if a == b else f"{a:,} to {b:,}" for a, b in pairs]
    days = scale == "date" and all(edge.endswith("T00:00:00") for edge in edges)
    return [f"{a} to {b}" for a, b in pairwise(edge_text(edge, days) for edge in edges)]


def _apart(view: dict[str, Any], xaxis: str, yaxis: str) -> list[dict[str, Any]]:
    levels = view["apart"]
    return [
        {
            "type": "bar",
            "name": LABELS[name],
            "legendgroup": name,
            "showlegend": False,
            "x": list(range(len(levels))),
            "y": [level["shares"][name] for level in levels],
            "marker": _fill(name),
            "customdata": [plain(level["label"]) for level in levels],
            "hovertemplate": f"%{{customdata}}: %{{y:{SHARE}}}",
            "xaxis": xaxis,
            "yaxis": yaxis,
        }
        for name in view["rows"]
    ]


def _fill(name: str) -> dict[str, Any]:
    colour = _COLOURS[name]
    if name == "holdout":
        return {"color": rgba(colour, 0.15), "line": {"color": colour, "width": 1}}
    return {"color": rgba(colour, 0.85), "line": {"color": colour, "width": 1}}


def _bars(view: dict[str, Any]) -> go.Figure:
    levels = [*view["levels"], *({"rare": False, "rest": True, "invented": False} | level for level in view["apart"])]
    if not levels:
        return nothing(view["column"], "Every value is missing.")
    labels = [plain(level["label"]) + (" <i>(few rows)</i>" if level["rare"] else "") for level in levels]
    labels = [f"<i>{label}</i>" if level["rest"] else label for label, level in zip(labels, levels, strict=True)]
    traces = []
    for name in ("train", "synthetic"):
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": LABELS[name],
                "x": [level["shares"][name] for level in levels],
                "y": list(range(len(levels))),
                "marker": _fill(name),
                "customdata": [plain(level["label"], 60) for level in levels],
                "hovertemplate": f"%{{customdata}}: %{{x:{SHARE}}}",
                # Blanks keep the figure clear of the holdout's tick.
                "texttemplate": "\u00a0\u00a0%{x:.2~p}",
                "textposition": "outside",
                "textfont": {"size": 10},
                "cliponaxis": False,
            }
        )
    if "holdout" in view["rows"]:
        traces.insert(
            1,
            {
                "type": "scatter",
                "mode": "markers",
                "name": LABELS["holdout"],
                "x": [level["shares"]["holdout"] for level in levels],
                "y": list(range(len(levels))),
                "marker": {"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": NEUTRAL}},
                "customdata": [plain(level["label"], 60) for level in levels],
                "hovertemplate": f"%{{customdata}}: %{{x:{SHARE}}}",
            },
        )
    return figure(
        traces,
        view["column"],
        rows_in_words(view["rows"]),
        view["note"],
        height=60 + 30 * len(levels),
        xaxis={"title": {"text": "Share of rows"}, "tickformat": SHARE, "rangemode": "tozero"},
        yaxis=row_axis([""] * len(levels)) | {"ticktext": labels},
        barmode="group",
        bargap=0.25,
    )


def _time(view: dict[str, Any]) -> go.Figure:
    cycles = view["cycles"]
    traces = _steps(view, "x", "y")
    panels = [
        *cycles,
        *([{"name": "outside the main range / missing", "labels": [], "shares": {}}] if view["apart"] else []),
    ]
    layout: dict[str, Any] = {
        "xaxis": {"type": "date", "domain": [0, 1], "anchor": "y"},
        "yaxis": {"title": {"text": "Share of rows"}, "tickformat": SHARE, "rangemode": "tozero"},
        "annotations": [],
        "hovermode": "x unified",
    }
    layout["yaxis"]["domain"] = [0.5, 1] if panels else [0, 1]
    # Every panel is as wide as it has bars.
    width = [max(len(panel["labels"]), 4) for panel in panels]
    gap = 0.1
    unit = min((1 - gap * (len(panels) - 1)) / max(sum(width), 1), 0.04)
    left = 0.0
    for number, panel in enumerate(panels, start=2):
        x, y = f"x{number}", f"y{number}"
        if panel["labels"]:
            traces += _cycle(panel, x, y)
            ticks = positions(panel["labels"])
        else:
            traces += _apart(view, x, y)
            ticks = positions([level["label"] for level in view["apart"]])
        right = left + unit * width[number - 2]
        layout[f"xaxis{number}"] = {"domain": [left, min(right, 1)], "anchor": y, **ticks}
        layout[f"yaxis{number}"] = {"domain": [0, 0.33], "anchor": x, "tickformat": SHARE, "rangemode": "tozero"}
        layout["annotations"].append(
            heading(f"By {panel['name']}" if panel["labels"] else "Outside the main range / missing", x, y)
        )
        left = right + gap
    return figure(
        traces, view["column"], rows_in_words(view["rows"]), view["note"], height=440 if panels else 280, **layout
    )


def _cycle(panel: dict[str, Any], xaxis: str, yaxis: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "bar",
            "name": LABELS[name],
            "legendgroup": name,
            "showlegend": False,
            "x": list(range(len(panel["labels"]))),
            "y": shares,
            "marker": _fill(name),
            "customdata": panel["labels"],
            "hovertemplate": f"%{{customdata}}: %{{y:{SHARE}}}",
            "xaxis": xaxis,
            "yaxis": yaxis,
        }
        for name, shares in panel["shares"].items()
    ]
