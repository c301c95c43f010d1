"""What the pictures show: tables in, plain JSON values out. `metrics.charts` draws them."""

from metrics.views.across import column_across_view
from metrics.views.association import associations, correlation_view
from metrics.views.columns import column_view
from metrics.views.missingness import missingness_view
from metrics.views.pairs import pair_view
from metrics.views.projection import projection_view
from metrics.views.runs import runs_view

__all__ = [
    "associations",
    "column_across_view",
    "column_view",
    "correlation_view",
    "missingness_view",
    "pair_view",
    "projection_view",
    "runs_view",
]
