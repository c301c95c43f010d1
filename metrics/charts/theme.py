"""One look for every chart: a colour for real, a colour for synthetic, and a template for light and for dark.

Colours are Okabe and Ito's blue and vermillion, told apart by the colour-blind, with a contrast of at least 3 on
white and on near-black. Everything else that is drawn (grids, empty cells of a heat map) is partly transparent, so
that one figure serves both backgrounds and only its template changes: `themed(figure, "dark")`.
"""

from __future__ import annotations

from html import escape
from typing import Any, Literal

import plotly.graph_objects as go

REAL = "#0072B2"
SYNTHETIC = "#D55E00"
NEUTRAL = "#808080"

LABELS = {"train": "Real (training)", "holdout": "Real (holdout)", "real": "Real", "synthetic": "Synthetic"}
HOLDOUT = "Benchmark: held-out real rows"
"""What a score's reference is called."""

CONFIG: dict[str, Any] = {
    "displaylogo": False,
    # Plotly's own button would upload the chart, and with it real data, to a cloud.
    "showSendToCloud": False,
    "responsive": True,
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
"""What to hand to `st.plotly_chart(config=...)`: no logo, no upload, a camera button that saves a PNG."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
SHARE = ".3~p"
"""d3's format of a share: three significant digits of a percentage."""


def rgba(colour: str, alpha: float) -> str:
    """A hex colour with transparency."""
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def fading(colour: str, most: float = 1) -> list[list[Any]]:
    """A colour scale from nothing to `colour`, or to a part of it that leaves text upon it legible."""
    return [[0, rgba(colour, 0)], [1, rgba(colour, most)]]


def diverging(low: str, high: str, most: float = 1) -> list[list[Any]]:
    """A colour scale from `low` over nothing to `high`."""
    return [[0, rgba(low, most)], [0.5, rgba(low, 0)], [0.5, rgba(high, 0)], [1, rgba(high, most)]]


DIFFERENCE = diverging(REAL, SYNTHETIC)
"""Blue where real rows have more, vermillion where synthetic rows have more."""
SIGNED = diverging("#8E5BA6", "#2E9160")
"""Purple for negative, green for positive: correlations, which are neither real nor synthetic by colour."""


def template(theme: Literal["light", "dark"]) -> dict[str, Any]:
    """Plotly's layout template for a light or a dark page, with transparent backgrounds."""
    text, grid, ground = ("#31333F", "rgba(49,51,63,0.12)", "#FFFFFF")
    if theme == "dark":
        text, grid, ground = ("#E6E8EB", "rgba(230,232,235,0.16)", "#1A1D24")
    axis = {
        "gridcolor": grid,
        "zerolinecolor": grid,
        "linecolor": grid,
        "automargin": True,
        "ticks": "",
        "ticklabelstandoff": 4,
        "title": {"font": {"size": 12}, "standoff": 8},
        "tickfont": {"size": 11},
    }
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": text},
            "title": {"font": {"size": 16}, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 8}},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [REAL, SYNTHETIC, NEUTRAL, "#009E73", "#CC79A7", "#E69F00", "#56B4E9"],
            "hoverlabel": {"bgcolor": ground, "bordercolor": grid, "font": {"color": text, "family": FONT, "size": 12}},
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"bgcolor": "rgba(0,0,0,0)", "font": {"size": 11}},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": grid, "activecolor": text},
        }
    }


def themed(figure: go.Figure, theme: Literal["light", "dark"]) -> go.Figure:
    """The same figure for a light or a dark page."""
    return go.Figure(figure).update_layout(template=template(theme))


def figure(
    traces: list[dict[str, Any]], title: str, subtitle: str = "", note: str = "", *, height: int = 380, **layout: Any
) -> go.Figure:
    """A figure in the house's look: a title, which rows it shows, and a note on how to read it.

    The three are plain text: they may hold anything a column name may. `height` in pixels is for the drawing with its axes; title, legend and the headings over panels come on top.
    """
    lines = [escape(line, quote=False) for line in (subtitle, note) if line]
    named = {"text": plain(title, 70), "subtitle": {"text": "<br>".join(lines)}, "y": 1}
    named |= {"yref": "container", "yanchor": "top", "pad": {"t": 10, "l": 8}}
    top = 40 + 20 * len(lines)
    has_legend = sum(trace.get("name") is not None and trace.get("showlegend", True) for trace in traces) > 1
    has_legend &= all(trace["type"] != "heatmap" for trace in traces)
    legend_at = top
    top += 26 * has_legend + 20 * bool(layout.get("annotations"))
    height += top
    legend = {"orientation": "h", "x": 0, "xref": "container", "xanchor": "left"}
    legend |= {"y": 1 - legend_at / height, "yref": "container", "yanchor": "top"}
    base = {
        "template": template("light"),
        "title": named,
        "height": height,
        "margin": {"l": 8, "r": 8, "t": top, "b": 8},
        "legend": legend,
        "showlegend": has_legend,
    }
    return go.Figure({"data": traces, "layout": base | layout})


def nothing(title: str, message: str) -> go.Figure:
    """A figure that says why there is nothing to draw."""
    note = {
        "text": escape(message, quote=False),
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0,
        "y": 0.5,
    }
    hidden = {"visible": False}
    return figure([], title, height=80, annotations=[note | {"xanchor": "left"}], xaxis=hidden, yaxis=hidden)


def plain(text: str, most: int = 28) -> str:
    """`text` as Plotly prints it literally, shortened: a column may be called `<b>` or hold a page of text."""
    return escape(shortened(text, most), quote=False)


def shortened(text: str, most: int) -> str:
    """`text` on one line of at most `most` characters."""
    text = " ".join(str(text).split()) or "(blank)"
    return text if len(text) <= most else text[: most - 1] + "…"


def unique(labels: list[str]) -> list[str]:
    """Labels made distinct: two long names may be shortened to the same text."""
    seen: dict[str, int] = {}
    out = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        out.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return out


def heading(text: str, x: str, y: str, **more: Any) -> dict[str, Any]:
    """The small heading over a panel, as an annotation over axes `x` and `y`."""
    at = {"xref": f"{x} domain", "yref": f"{y} domain", "x": 0, "y": 1, "xanchor": "left", "yanchor": "bottom"}
    return {"text": escape(text, quote=False), "showarrow": False, "font": {"size": 12}} | at | more


def scale_of(axis: dict[str, Any]) -> dict[str, Any]:
    """Plotly's type of an axis of `metrics.views`, with a tick for each power of ten where there are several."""
    edges = axis.get("edges")
    if axis["scale"] == "log" and edges and edges[-1] > 100 * edges[0]:
        return {"type": "log", "dtick": 1}
    return {"type": axis["scale"]}


def rows_in_words(rows: dict[str, int], real_rows: str = "training") -> str:
    """Which rows a chart shows: "Real: 26,049 training rows; synthetic: 26,049 rows"."""
    if "train" in rows:
        held = f" and {rows['holdout']:,} holdout rows" if "holdout" in rows else ""
        return f"Real: {rows['train']:,} training{held or ' rows'}; synthetic: {rows['synthetic']:,} rows"
    return f"Real: {rows['real']:,} {real_rows} rows; synthetic: {rows['synthetic']:,} rows"
