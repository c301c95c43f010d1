"""Attacks, distances and models: what they find, how near rows are, how sure predictions are."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from metrics.charts.axes import middles, row_axis
from metrics.charts.theme import HOLDOUT, LABELS, NEUTRAL, REAL, SHARE, SYNTHETIC, figure, plain, rgba, shortened
from metrics.detail import AttackRates, Calibration, Curves, Distances, Importances, Learners, Roc, RocOfAttacks

MOST = 25
"""Columns drawn of the importances."""


def curves_figure(detail: Curves, low_is_good: bool = False) -> go.Figure:
    """`curves` {synthetic, holdout: {level, <curve>}} and `curve`, the one to draw; the diagonal is agreement."""
    curve = detail.curve
    looks = {"holdout": (HOLDOUT, REAL), "synthetic": (LABELS["synthetic"], SYNTHETIC)}
    traces: list[dict[str, Any]] = [_diagonal("Agreement")]
    for side, (name, colour) in looks.items():
        if side in detail.curves:
            points = detail.curves[side]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": name,
                    "x": points["level"],
                    "y": points[curve],
                    "line": {"width": 2, "color": colour},
                    "hovertemplate": f"%{{y:{SHARE}}} at %{{x:{SHARE}}}",
                }
            )
    return figure(
        traces,
        f"{curve.capitalize()} from typical to unusual rows",
        "From the most typical real rows, at the left, to all of them, at the right",
        height=320,
        xaxis={"title": {"text": "Share of real rows inside"}, "range": [-0.01, 1.01], "tickformat": ".0%"},
        yaxis={"title": {"text": curve.capitalize()}, "range": [-0.01, 1.01], "tickformat": ".0%"},
    )


def _diagonal(name: str) -> dict[str, Any]:
    line = {"type": "scatter", "mode": "lines", "name": name, "x": [0, 1], "y": [0, 1], "hoverinfo": "skip"}
    return line | {"line": {"color": NEUTRAL, "width": 1, "dash": "dash"}}


def nearness_figure(detail: Distances, low_is_good: bool = False) -> go.Figure:
    """`histogram`: `edges`, and for each "rows of one table to another" the share in every bin."""
    histogram = detail.histogram
    centres = middles(histogram["edges"], "linear")
    looks = {"holdout to train": (REAL, "solid"), "synthetic to train": (SYNTHETIC, "solid")}
    traces = []
    for name, shares in histogram.items():
        if name == "edges":
            continue
        colour, dash = looks.get(name, (SYNTHETIC if name.startswith("synthetic") else REAL, "dot"))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name.capitalize(),
                "x": centres,
                "y": [0, *shares, 0],
                "line": {"color": colour, "width": 2, "dash": dash, "shape": "hvh"},
                "hovertemplate": f"%{{y:{SHARE}}}",
            }
        )
    return figure(
        traces,
        "Distance to the nearest real row",
        "If the generator copies, its solid line lies left of the dotted one",
        height=260,
        xaxis={"title": {"text": "0: the same row"}},
        yaxis={"title": {"text": "Share of rows"}, "tickformat": SHARE, "rangemode": "tozero"},
        hovermode="x unified",
    )


def roc_figure(detail: Roc | RocOfAttacks, low_is_good: bool = False) -> go.Figure:
    """`roc` {false_positive_rate, true_positive_rate}, or `attacks` [{attack, roc}]; the diagonal is guessing."""
    named = isinstance(detail, RocOfAttacks)
    curves = {attack.attack: attack.roc for attack in detail.attacks} if named else {"attack": detail.roc}
    traces: list[dict[str, Any]] = [_diagonal("Guessing")]
    for n, (name, curve) in enumerate(curves.items()):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": plain(name.capitalize(), 40),
                "x": curve.false_positive_rate,
                "y": curve.true_positive_rate,
                "line": {"width": 2, "dash": ("solid", "dot", "dashdot", "longdash")[n % 4], "color": SYNTHETIC},
                "hovertemplate": "finds %{y:.1%} at %{x:.1%} false alarms",
            }
        )
    return figure(
        traces,
        "ROC curve: found against false alarms",
        "A curve above the diagonal succeeds more often than guessing",
        height=340,
        xaxis={"title": {"text": "False alarms"}, "range": [-0.01, 1.01], "tickformat": ".0%"},
        yaxis={"title": {"text": "Found"}, "range": [-0.01, 1.01], "tickformat": ".0%"},
    )


def attack_figure(detail: AttackRates, low_is_good: bool = False) -> go.Figure:
    """`attack_rate`, `control_rate`, `guessing_rate`: how often an attack is right, about whom."""
    bars = {
        "People in the training data": (detail.attack_rate, SYNTHETIC),
        "People outside the training data": (detail.control_rate, REAL),
        "Guessing without the table": (detail.guessing_rate, NEUTRAL),
    }
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [rate for rate, _ in bars.values()],
        "y": list(range(len(bars))),
        "marker": {"color": [rgba(colour, 0.85) for _, colour in bars.values()]},
        "texttemplate": f"%{{x:{SHARE}}}",
        "textposition": "outside",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    return figure(
        [trace],
        "How often the attack is right",
        f"{detail.attacks:,} attacks with the synthetic table",
        "Right more often about people in the training data than about others: that is a leak",
        height=130,
        xaxis={"tickformat": ".0%", "range": [0, 1.1 * max(*(rate for rate, _ in bars.values()), 0.05)]},
        yaxis=row_axis(list(bars)),
    )


def calibration_figure(detail: Calibration, low_is_good: bool = False) -> go.Figure:
    """`real` and `synthetic` [{said, happened, rows}]: how often what a model said so sure came true."""
    traces: list[dict[str, Any]] = [_diagonal("Perfect calibration")]
    sides = ((detail.real, "Trained on real", REAL), (detail.synthetic, "Trained on synthetic", SYNTHETIC))
    for groups, name, colour in sides:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": [group.said for group in groups],
                "y": [group.happened for group in groups],
                "customdata": [group.rows for group in groups],
                "line": {"width": 2, "color": colour},
                "hovertemplate": "predicted %{x:.1%}, observed %{y:.1%} (%{customdata:,} rows)",
            }
        )
    return figure(
        traces,
        "Calibration: predicted and observed",
        "Held-out real rows, grouped by predicted probability",
        height=340,
        xaxis={"title": {"text": "Predicted probability"}, "range": [-0.01, 1.01], "tickformat": ".0%"},
        yaxis={"title": {"text": "Observed share"}, "range": [-0.01, 1.01], "tickformat": ".0%"},
    )


def importances_figure(detail: Importances, low_is_good: bool = False) -> go.Figure:
    """`columns` [{column, real, synthetic}]: what models taught by either table look at, most important first."""
    shown = detail.columns[:MOST]
    return _side_by_side(
        [item.column for item in shown],
        {"real": [item.real for item in shown], "synthetic": [item.synthetic for item in shown]},
        "Feature importance",
        f"Importance of each column for predicting {shortened(detail.target, 40)}, on held-out real rows",
        {"tickformat": SHARE},
        22,
    )


def learners_figure(detail: Learners, low_is_good: bool = False) -> go.Figure:
    """`learners` [{learner, real, synthetic}]: how well each learner predicts held-out real rows, by its teacher."""
    learners = detail.learners
    return _side_by_side(
        [item.learner for item in learners],
        {"real": [item.real for item in learners], "synthetic": [item.synthetic for item in learners]},
        "Models trained on synthetic and on real rows",
        f"Predicting {shortened(detail.target, 30)} of held-out real rows from {detail.rows_of_each:,} rows of "
        "either table",
        {"title": {"text": plain(detail.measure, 60)}, "range": [0, 1.08]},
        24,
    )


def _side_by_side(
    labels: list[str], values: dict[str, list[float]], title: str, subtitle: str, xaxis: dict[str, Any], thick: int
) -> go.Figure:
    """Two bars a label: a model trained on real rows, and one trained on synthetic rows."""
    names = {"real": ("Trained on real", REAL), "synthetic": ("Trained on synthetic", SYNTHETIC)}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": label,
            "x": values[key],
            "y": list(range(len(labels))),
            "marker": {"color": rgba(colour, 0.85)},
            "texttemplate": "%{x:.3f}",
            "textposition": "outside",
            "textfont": {"size": 10},
            "cliponaxis": False,
            "hovertemplate": "%{x:.3f}",
        }
        for key, (label, colour) in names.items()
    ]
    height = 50 + 2 * thick * len(labels)
    return figure(traces, title, subtitle, height=height, barmode="group", xaxis=xaxis, yaxis=row_axis(labels))
