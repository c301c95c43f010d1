"""Axes of charts: middles of bins, labels by position, panels side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from metrics.charts.theme import heading, plain


def middles(edges: list[Any], scale: str) -> list[Any]:
    """Middles of the bins and of one more at either end; steps halfway between middles then fall on the edges."""
    if scale == "date":
        at = np.array(edges, dtype="datetime64[s]").astype("int64")
        return [str(np.int64(moment).astype("datetime64[s]")) for moment in _padded([int(moment) for moment in at])]
    if scale == "log":
        return [10.0**exponent for exponent in _padded(list(np.log10(edges)))]
    return _padded(edges)


def _padded(edges: list[float]) -> list[float]:
    inside = [(a + b) / 2 for a, b in pairwise(edges)]
    return [inside[0] - (edges[1] - edges[0]), *inside, inside[-1] + (edges[-1] - edges[-2])]


def positions(labels: list[str], most: int = 28) -> dict[str, Any]:
    """An axis of labels by position: never read as numbers or dates, and equal labels stay apart."""
    ticks = [plain(label, most) for label in labels]
    return {"tickmode": "array", "tickvals": list(range(len(labels))), "ticktext": ticks}


def row_axis(labels: list[str], most: int = 28) -> dict[str, Any]:
    """A vertical axis of labels, the first on top, with half a row of room at either end."""
    return positions(labels, most) | {"range": [len(labels) - 0.5, -0.5], "showgrid": False, "zeroline": False}


def panels(headings: list[str], gap: float = 0.04) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Axes for panels side by side that pan and zoom together, and the headings over them."""
    layout: dict[str, Any] = {}
    width = (1 - gap * (len(headings) - 1)) / len(headings)
    notes = []
    for n, text in enumerate(headings):
        suffix = "" if n == 0 else str(n + 1)
        left = n * (width + gap)
        bare = {"showgrid": False, "zeroline": False}
        layout[f"xaxis{suffix}"] = {"domain": [left, left + width], "anchor": f"y{suffix}", **bare}
        layout[f"yaxis{suffix}"] = {"anchor": f"x{suffix}", **bare}
        if n:
            layout[f"xaxis{suffix}"]["matches"] = "x"
            layout[f"yaxis{suffix}"] |= {"matches": "y", "showticklabels": False}
        notes.append(heading(text, f"x{suffix}", f"y{suffix}"))
    return layout, notes
