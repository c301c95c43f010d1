"""Plotly figures from plain values: nothing here reads a table.

Each function takes what the view of the same name in `metrics.views` returns; `score_figures` takes a score and draws
its `detail`. Figures carry the light template; `themed(figure, "dark")` is for a dark page. Hand `CONFIG` to whatever
shows a figure.
"""

from metrics.charts.columns import column_figure
from metrics.charts.details import PICTURES, score_figures
from metrics.charts.pairs import pair_figure
from metrics.charts.rankings import pair_ranking_figure, pair_scores_figure, ranking_figure
from metrics.charts.runs import column_across_figure, runs_columns_figure, runs_figure
from metrics.charts.scores import scorecard_figure
from metrics.charts.tables import correlation_figure, missingness_figure, projection_figure
from metrics.charts.theme import CONFIG, REAL, SYNTHETIC, template, themed

__all__ = [
    "CONFIG",
    "PICTURES",
    "REAL",
    "SYNTHETIC",
    "column_across_figure",
    "column_figure",
    "correlation_figure",
    "missingness_figure",
    "pair_figure",
    "pair_ranking_figure",
    "pair_scores_figure",
    "projection_figure",
    "ranking_figure",
    "runs_columns_figure",
    "runs_figure",
    "score_figures",
    "scorecard_figure",
    "template",
    "themed",
]
