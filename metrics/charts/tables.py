"""Pictures of whole tables: associations between columns, rows as points, missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from metrics.charts.axes import panels, row_axis
from metrics.charts.theme import (
    DIFFERENCE,
    LABELS,
    REAL,
    SHARE,
    SIGNED,
    SYNTHETIC,
    figure,
    heading,
    nothing,
    plain,
    rgba,
    rows_in_words,
    unique,
)

_COLOURS = {"real": REAL, "synthetic": SYNTHETIC}


def correlation_figure(view: dict[str, Any]) -> go.Figure:
    """Draws `metrics.views.correlation_view`: real, synthetic, and synthetic less real."""
    names = view["columns"]
    if len(names) < 2:
        return nothing("Associations", "There are fewer than two columns to compare.")
    layout, notes = panels(["Real", "Synthetic", "Difference"], gap=0.02)
    layout |= {"annotations": notes}
    labels = unique([plain(name, 40) for name in names])
    widest = max((abs(value) for row in view["difference"] for value in row if value is not None), default=0)
    traces = []
    for n, part in enumerate(("real", "synthetic", "difference")):
        is_gap = part == "difference"
        suffix = "" if n == 0 else str(n + 1)
        # A small gap must not look like a big one: the scale never narrows below 0.2.
        reach = max(widest, 0.2) if is_gap else 1
        traces.append(
            {
                "type": "heatmap",
                "name": LABELS.get(part, "Difference"),
                "x": labels,
                "y": labels,
                "z": np.array(view[part], dtype=np.float32),
                "zmin": -reach,
                "zmax": reach,
                "colorscale": DIFFERENCE if is_gap else SIGNED,
                "showscale": n > 0,
                "colorbar": _scale_at(0.65 if n == 1 else 1),
                "hovertemplate": "%{y} and %{x}: %{z:.2f}<extra>%{fullData.name}</extra>",
                "hoverongaps": False,
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        # As categories Plotly thins the labels where there is no room, and shows them all after zooming in.
        alias = {label: plain(name, 18) for label, name in zip(labels, names, strict=True)}
        layout[f"xaxis{suffix}"] |= {"type": "category", "labelalias": alias, "tickangle": -60, "constrain": "domain"}
        layout[f"yaxis{suffix}"] |= {"type": "category", "labelalias": alias}
    layout["yaxis"]["autorange"] = "reversed"
    looked = view["looked_at"]["real"]
    drawn = f"; {looked:,} rows of each looked at" if looked < view["rows"]["real"] else ""
    return figure(
        traces,
        "Associations between columns",
        rows_in_words(view["rows"], view["real_rows"]),
        f"Difference: synthetic less real{drawn}",
        height=400,
        **layout,
    )


def _scale_at(right: float) -> dict[str, Any]:
    """A small colour bar over the right end of a panel, beside its heading."""
    place = {"x": right, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "len": 0.12, "ypad": 0, "xpad": 0}
    return place | {"orientation": "h", "thickness": 8, "tickfont": {"size": 10}, "outlinewidth": 0, "nticks": 3}


def projection_figure(view: dict[str, Any]) -> go.Figure:
    """Draws `metrics.views.projection_view`. Each point's `customdata` is its row's position in its table."""
    if not view["axes"]:
        return nothing("Rows as points", "There are no columns to compare.")
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": LABELS[name] if name == "synthetic" else f"Real ({view['real_rows']})",
            "x": points["x"],
            "y": points["y"],
            "customdata": points["row"],
            "marker": {"color": rgba(_COLOURS[name], 0.6), "size": 4},
            "hovertemplate": "row %{customdata}",
        }
        for name, points in view["points"].items()
    ]
    titles = []
    for place, axis in zip(("First", "Second"), view["axes"], strict=False):
        weigh = ", ".join(plain(name, 16) for name in axis["columns"][:2])
        titles.append(f"{place} direction, {axis['explained']:.0%} of variance: {weigh}")
    shown = {name: len(points["x"]) for name, points in view["points"].items()}
    return figure(
        traces,
        "Rows as points",
        rows_in_words(view["rows"], view["real_rows"]),
        f"{shown['real']:,} and {shown['synthetic']:,} of them shown, in the directions in which real rows differ most",
        height=420,
        xaxis={"title": {"text": titles[0]}, "zeroline": False},
        yaxis={"title": {"text": titles[1] if len(titles) > 1 else ""}, "zeroline": False},
        dragmode="lasso",
    )


def missingness_figure(view: dict[str, Any]) -> go.Figure:
    """Draws `metrics.views.missingness_view`: missing shares by column, and the commonest combinations."""
    columns, patterns = view["columns"], view["patterns"]
    if not columns:
        return nothing("Missing values", f"No value is missing in any of the {view['whole']:,} columns.")
    names = [column["name"] for column in columns]
    places = list(range(len(names)))
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": LABELS[table] if table == "synthetic" else f"Real ({view['real_rows']})",
            "legendgroup": table,
            "x": [column[table] for column in columns],
            "y": places,
            "customdata": [plain(name, 60) for name in names],
            "marker": {"color": rgba(_COLOURS[table], 0.6), "line": {"color": _COLOURS[table], "width": 1}},
            "hovertemplate": f"%{{customdata}}: %{{x:{SHARE}}} missing",
        }
        for table in ("real", "synthetic")
    ]
    number = list(range(len(patterns)))
    holes = {name: place for place, name in enumerate(names)}
    dots = [(n, holes[name]) for n, pattern in enumerate(patterns) for name in pattern["missing"]]
    said = [plain(", ".join(pattern["missing"]) or "nothing missing", 200) for pattern in patterns]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": [n for n, _ in dots],
            "y": [place for _, place in dots],
            "customdata": [said[n] for n, _ in dots],
            "marker": {"symbol": "square", "size": 9, "color": "#808080"},
            "hovertemplate": "Missing together: %{customdata}<extra></extra>",
            "showlegend": False,
            "xaxis": "x2",
            "yaxis": "y2",
        }
    )
    for table in ("real", "synthetic"):
        traces.append(
            {
                "type": "bar",
                "name": LABELS[table],
                "legendgroup": table,
                "showlegend": False,
                "x": number,
                "y": [pattern[table] for pattern in patterns],
                "customdata": said,
                "marker": {"color": rgba(_COLOURS[table], 0.6), "line": {"color": _COLOURS[table], "width": 1}},
                "hovertemplate": f"%{{customdata}}: %{{y:{SHARE}}} of rows",
                "xaxis": "x3",
                "yaxis": "y3",
            }
        )
    rows, bars = 24 * len(names) + 30, 130
    low = rows / (rows + bars)
    layout: dict[str, Any] = {
        "xaxis": {"domain": [0, 0.46], "tickformat": SHARE, "rangemode": "tozero", "title": {"text": "Share missing"}},
        "yaxis": row_axis(names, 22) | {"domain": [0, low]},
        "xaxis2": {"domain": [0.52, 1], "anchor": "y2", "showticklabels": False, "showgrid": False, "zeroline": False},
        "yaxis2": row_axis(names) | {"domain": [0, low], "anchor": "x2", "showticklabels": False, "showgrid": True},
        "xaxis3": {"domain": [0.52, 1], "anchor": "y3", "showticklabels": False, "matches": "x2", "showgrid": False},
        "yaxis3": {"domain": [low + 0.02, 1], "anchor": "x3", "tickformat": SHARE, "rangemode": "tozero"},
        "annotations": [
            heading("By column", "x", "y"),
            heading("Together: a bar for each combination of missing columns", "x3", "y3"),
        ],
    }
    layout["xaxis2"]["range"] = [-0.5, len(patterns) - 0.5]
    subtitle = rows_in_words(view["rows"], view["real_rows"])
    return figure(traces, "Missing values", subtitle, height=rows + bars, **layout)
