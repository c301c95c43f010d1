"""The picture of two chosen columns: real beside synthetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from metrics.charts.axes import panels, positions, row_axis
from metrics.charts.theme import (
    DIFFERENCE,
    LABELS,
    REAL,
    SHARE,
    SYNTHETIC,
    diverging,
    fading,
    figure,
    nothing,
    plain,
    rgba,
    rows_in_words,
    scale_of,
    shortened,
)

_COLOURS = {"real": REAL, "synthetic": SYNTHETIC}


def pair_figure(view: dict[str, Any]) -> go.Figure:
    """Draws `metrics.views.pair_view`: densities, points, boxes by level, or shares of one category by another."""
    if view["form"] == "nothing":
        return nothing(_title(view), "There are no rows.")
    return {"density": _density, "points": _points, "boxes": _boxes, "shares": _shares}[view["form"]](view)


def _title(view: dict[str, Any]) -> str:
    return f"{view['first']} and {view['second']}"


def _subtitle(view: dict[str, Any]) -> str:
    return rows_in_words(view["rows"], view["real_rows"])


def _density(view: dict[str, Any]) -> go.Figure:
    layout, notes = panels(["Real", "Synthetic", "Synthetic less real"])
    layout |= {"annotations": notes}
    real, synthetic = (np.array(view["shares"][name]) for name in ("real", "synthetic"))
    most = max(real.max(), synthetic.max()) or 1
    widest = np.abs(synthetic - real).max() or 1
    traces = []
    for n, (name, shares, colours, reach) in enumerate(
        [
            ("Real", real, fading(REAL), most),
            ("Synthetic", synthetic, fading(SYNTHETIC), most),
            ("Difference", synthetic - real, DIFFERENCE, widest),
        ]
    ):
        is_gap = name == "Difference"
        suffix = "" if n == 0 else str(n + 1)
        traces.append(
            {
                "type": "heatmap",
                "name": name,
                "x": view["x"]["edges"],
                "y": view["y"]["edges"],
                # Colour follows the root of the share, or one crowded cell would hide all others.
                "z": np.where(shares == 0, np.nan, np.sign(shares) * np.sqrt(np.abs(shares))),
                "zmin": -np.sqrt(reach) if is_gap else 0,
                "zmax": np.sqrt(reach),
                "customdata": shares,
                "colorscale": colours,
                "showscale": False,
                "hoverongaps": False,
                "hovertemplate": f"%{{x}}, %{{y}}: %{{customdata:{'+' if is_gap else ''}{SHARE}}} of rows"
                f"<extra>{name}</extra>",
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        layout[f"xaxis{suffix}"] |= scale_of(view["x"]) | {"title": {"text": plain(view["first"])}}
        layout[f"yaxis{suffix}"] |= scale_of(view["y"])
    layout["yaxis"]["title"] = {"text": plain(view["second"])}
    return figure(traces, _title(view), _subtitle(view), height=360, **layout)


def _points(view: dict[str, Any]) -> go.Figure:
    layout, notes = panels(["Real", "Synthetic"])
    layout |= {"annotations": notes}
    traces = []
    for suffix, name in (("", "real"), ("2", "synthetic")):
        points = view["points"][name]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": LABELS[name],
                "x": points["x"],
                "y": points["y"],
                "marker": {"color": rgba(_COLOURS[name], 0.5), "size": 5},
                "hovertemplate": "%{x}, %{y}",
                "showlegend": False,
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        layout[f"xaxis{suffix}"] |= scale_of(view["x"]) | {"title": {"text": plain(view["first"])}}
        layout[f"yaxis{suffix}"] |= scale_of(view["y"]) | {"showgrid": True}
    layout["yaxis"]["title"] = {"text": plain(view["second"])}
    return figure(traces, _title(view), _subtitle(view), height=360, **layout)


def _boxes(view: dict[str, Any]) -> go.Figure:
    traces = []
    for name in ("real", "synthetic"):
        held = [(n, box) for n, box in enumerate(view["boxes"][name]) if box is not None]
        parts = {key: [box[key] for _, box in held] for key in ("low", "q25", "median", "q75", "high", "share")}
        traces.append(
            {
                "type": "box",
                "orientation": "h",
                "name": LABELS[name],
                "y": [n for n, _ in held],
                "lowerfence": parts["low"],
                "q1": parts["q25"],
                "median": parts["median"],
                "q3": parts["q75"],
                "upperfence": parts["high"],
                "line": {"color": _COLOURS[name], "width": 1.5},
                "fillcolor": rgba(_COLOURS[name], 0.35),
                "offsetgroup": name,
            }
        )
    levels = view["levels"]
    return figure(
        traces,
        _title(view),
        _subtitle(view),
        "Box: the middle half of the rows; line: 5 % to 95 %",
        height=60 + 46 * len(levels),
        boxmode="group",
        xaxis={"title": {"text": plain(view["number"])}, **scale_of(view)},
        yaxis=row_axis(levels) | {"title": {"text": plain(view["of"])}},
    )


def _written(shares: list[list[float | None]], sign: str, suffix: str) -> dict[str, Any]:
    """The shares as text over their cells, in the page's text colour (a heat map's own would suit white pages only)."""
    cells = [(x, y, share) for y, row in enumerate(shares) for x, share in enumerate(row) if share is not None]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [x for x, _, _ in cells],
        "y": [y for _, y, _ in cells],
        "text": [f"{share:{sign}.0%}" for _, _, share in cells],
        "hoverinfo": "skip",
        "showlegend": False,
        "xaxis": f"x{suffix}",
        "yaxis": f"y{suffix}",
    }


def _shares(view: dict[str, Any]) -> go.Figure:
    layout, notes = panels(["Real", "Synthetic", "Synthetic less real"])
    layout |= {"annotations": notes}
    real, synthetic = view["shares"]["real"], view["shares"]["synthetic"]
    gaps = [
        [None if r is None or s is None else s - r for r, s in zip(*rows, strict=True)]
        for rows in zip(real, synthetic, strict=True)
    ]
    widest = max((abs(gap) for row in gaps for gap in row if gap is not None), default=0) or 1
    most = max((share for row in [*real, *synthetic] for share in row if share is not None), default=0) or 1
    down, across = view["first_levels"], view["second_levels"]
    names = [[[plain(one), plain(two)] for two in across] for one in down]
    written = len(across) <= 6
    strength = 0.6 if written else 1
    traces = []
    for n, (name, shares, colours, reach) in enumerate(
        [
            ("Real", real, fading(REAL, strength), most),
            ("Synthetic", synthetic, fading(SYNTHETIC, strength), most),
            ("Difference", gaps, diverging(REAL, SYNTHETIC, strength), widest),
        ]
    ):
        sign = "+" if name == "Difference" else ""
        suffix = "" if n == 0 else str(n + 1)
        traces.append(
            {
                "type": "heatmap",
                "name": name,
                "x": list(range(len(across))),
                "y": list(range(len(down))),
                "z": shares,
                "zmin": -widest if sign else 0,
                "zmax": reach,
                "colorscale": colours,
                "showscale": False,
                "hoverongaps": False,
                "xgap": 1,
                "ygap": 1,
                "customdata": names,
                "hovertemplate": f"%{{z:{sign}{SHARE}}} of rows with %{{customdata[0]}} have %{{customdata[1]}}"
                f"<extra>{name}</extra>",
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        if written:
            traces.append(_written(shares, sign, suffix))
        layout[f"xaxis{suffix}"] |= positions(across, 18) | {"title": {"text": plain(view["second"])}}
        layout[f"xaxis{suffix}"]["range"] = [-0.5, len(across) - 0.5]
    layout["yaxis"] |= row_axis(down) | {"title": {"text": plain(view["first"])}}
    return figure(
        traces,
        _title(view),
        _subtitle(view),
        f"Shares of {shortened(view['second'], 24)} within each level of {shortened(view['first'], 24)}",
        height=120 + 28 * len(down),
        **layout,
    )
