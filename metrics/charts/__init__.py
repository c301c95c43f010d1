"""Plotly figures from plain values: nothing here reads a table.

Each function takes what the view of the same name in `metrics.views` returns, or a score's `detail`. Figures carry
the light template; `themed(figure, "dark")` is for a dark page. Hand `CONFIG` to whatever shows a figure.
"""

from metrics.charts.columns import column_figure
from metrics.charts.pairs import pair_figure
from metrics.charts.tables import correlation_figure, missingness_figure, projection_figure
from metrics.charts.theme import CONFIG, REAL, SYNTHETIC, template, themed

__all__ = [
    "CONFIG",
    "REAL",
    "SYNTHETIC",
    "column_figure",
    "correlation_figure",
    "missingness_figure",
    "pair_figure",
    "projection_figure",
    "template",
    "themed",
]
