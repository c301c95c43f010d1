"""Pictures of scores: the scorecard, and what each score's `detail` holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from metrics.base import Card, Score
from metrics.charts.axes import middles, panels, row_axis
from metrics.charts.theme import (
    LABELS,
    NEUTRAL,
    REAL,
    SHARE,
    SYNTHETIC,
    fading,
    figure,
    nothing,
    plain,
    rgba,
    unique,
)
from metrics.verdict import number, verdict

FAMILIES = {"fidelity": "Fidelity", "utility": "Utility", "privacy": "Privacy", "dialogue": "Conversations"}
MOST = 25
"""Columns, or features, drawn of a ranking."""
HOLDOUT = "Real (holdout in its place)"


def scorecard_figure(cards: Iterable[Card], scores: Mapping[str, Score]) -> go.Figure:
    """Each metric a row from its smallest to its largest value: the score, its interval, and what real rows score."""
    rows = [card for card in cards if card.name in scores]
    rows.sort(key=lambda card: list(FAMILIES).index(card.family))
    if not rows:
        return nothing("Scorecard", "Nothing was measured.")
    lines: list[Card | str] = []
    for card in rows:
        if card.family not in {line.family for line in lines if isinstance(line, Card)}:
            lines.append(FAMILIES[card.family])
        lines.append(card)
    places = {line.name: place for place, line in enumerate(lines) if isinstance(line, Card)}
    spans = {card.name: _span(card, scores[card.name]) for card in rows}

    def at(card: Card, value: float) -> float:
        low, high = spans[card.name]
        return float(np.clip((value - low) / (high - low), 0, 1))

    measured = [card for card in rows if scores[card.name].value is not None]
    traces = [_tracks([places[card.name] for card in measured]), *_good_ends(measured, places)]
    bounded = [(card, scores[card.name].ci) for card in measured if scores[card.name].ci]
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "95 % interval",
            "x": [x for card, ci in bounded for x in (at(card, ci[0]), at(card, ci[1]), None)],
            "y": [y for card, _ in bounded for y in (places[card.name], places[card.name], None)],
            "line": {"color": rgba(SYNTHETIC, 0.45), "width": 6},
            "hoverinfo": "skip",
        }
    )
    referred = [card for card in measured if scores[card.name].reference is not None]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": HOLDOUT,
            "x": [at(card, scores[card.name].reference) for card in referred],
            "y": [places[card.name] for card in referred],
            "marker": {"symbol": "line-ns", "size": 18, "line": {"width": 3, "color": REAL}},
            "hoverinfo": "skip",
        }
    )
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": LABELS["synthetic"],
            "x": [at(card, scores[card.name].value) for card in measured],
            "y": [places[card.name] for card in measured],
            "marker": {"size": 11, "color": SYNTHETIC},
            "customdata": [[card.name] for card in measured],
            "text": [_hover(card, scores[card.name]) for card in measured],
            "hovertemplate": "%{text}<extra></extra>",
        }
    )
    labels = [f"<b>{line}</b>" if isinstance(line, str) else plain(line.title, 40) for line in lines]
    said = [_said(card, scores[card.name]) | {"y": places[card.name]} for card in rows]
    return figure(
        traces,
        "Scorecard",
        "Every row runs from the smallest to the largest value; ▸ and ◂ point to the good end",
        height=20 + 30 * len(lines),
        annotations=said,
        xaxis={"domain": [0, 0.68], "range": [-0.04, 1.04], "visible": False, "fixedrange": True},
        yaxis=row_axis([""] * len(lines)) | {"ticktext": labels, "fixedrange": True},
    )


def _span(card: Card, score: Score) -> tuple[float, float]:
    """The ends of a metric's row; where it has no bound, what was measured and some room."""
    seen = [value for value in (score.value, score.reference, *(score.ci or ())) if value is not None] or [0.0]
    room = (max(seen) - min(seen)) * 0.2 or 1.0
    low = min(seen) - room if card.low is None else card.low
    high = max(seen) + room if card.high is None else card.high
    return low, max(high, low + 1e-9)


def _tracks(places: list[int]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1, None] * len(places),
        "y": [y for place in places for y in (place, place, None)],
        "line": {"color": rgba(NEUTRAL, 0.3), "width": 2},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _good_ends(cards: list[Card], places: Mapping[str, int]) -> list[dict[str, Any]]:
    ends = []
    for good, x, symbol in (("high", 1.02, "triangle-right"), ("low", -0.02, "triangle-left")):
        rows = [places[card.name] for card in cards if card.good == good]
        ends.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [x] * len(rows),
                "y": rows,
                "marker": {"symbol": symbol, "size": 7, "color": NEUTRAL},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    return ends


def _hover(card: Card, score: Score) -> str:
    lines = [f"<b>{plain(card.title, 60)}</b>", *wrapped(card.question), *wrapped(verdict(card, score).text)]
    if score.ci:
        lines.append(f"95 % interval: {number(score.ci[0])} to {number(score.ci[1])}")
    return "<br>".join(lines)


def wrapped(text: str, width: int = 60) -> list[str]:
    """A sentence in lines for a hover box."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [plain(line, 2 * width) for line in lines]


def _said(card: Card, score: Score) -> dict[str, Any]:
    """The figures at the right end of a row, in words."""
    place = {"yref": "y", "xanchor": "left", "yanchor": "middle", "font": {"size": 12}, "showarrow": False}
    if score.value is None:
        # The row has no dot, so the sentence takes its place.
        return place | {"x": 0, "xref": "x", "text": f"<i>Not measured. {plain(score.note, 140)}</i>"}
    words = {"better": "better than real", "as_good": "as good as real", "worse": "<b>worse than real</b>"}
    level = words.get(verdict(card, score).level, "no reference")
    reference = "" if score.reference is None else f" (real {number(score.reference)})"
    return place | {"x": 0.7, "xref": "paper", "text": f"<b>{number(score.value)}</b>{reference}, {level}"}


def ranking_figure(detail: Mapping[str, Any], title: str = "Columns, worst first") -> go.Figure:
    """`detail["columns"]`: each column's score beside the holdout's, worst first. `customdata` is the column's name."""
    items = [item for item in detail["columns"] if item["score"] is not None]
    if not items:
        return nothing(title, "No column could be compared.")
    shown = items[:MOST]
    places = list(range(len(shown)))
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": HOLDOUT,
            "x": [item.get("reference") for item in shown],
            "y": places,
            "marker": {"symbol": "line-ns", "size": 14, "line": {"width": 3, "color": REAL}},
            "hovertemplate": "%{x:.3f}",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": LABELS["synthetic"],
            "x": [item["score"] for item in shown],
            "y": places,
            "customdata": [[item["column"]] for item in shown],
            "marker": {"size": 10, "color": SYNTHETIC},
            "hovertemplate": "%{x:.3f}",
        },
    ]
    more = f"The {len(shown)} worst of {len(items):,} columns" if len(shown) < len(items) else ""
    seen = [value for item in shown for value in (item["score"], item.get("reference")) if value is not None]
    return figure(
        traces,
        title,
        more,
        height=50 + 24 * len(shown),
        xaxis={
            "title": {"text": "1 is as in the training rows"},
            "range": [min(*seen, 0.95) - 0.01, 1.01],
            "showgrid": False,
        },
        yaxis=row_axis([item["column"] for item in shown]) | {"showgrid": True},
    )


def pair_scores_figure(detail: Mapping[str, Any], title: str = "Pairs of columns") -> go.Figure:
    """`detail["pairs"]`: how far each pair is from training rows, beside the holdout. `customdata`: the two names."""
    pairs = detail["pairs"]
    names = list(dict.fromkeys(name for pair in sorted(pairs, key=lambda p: p["columns"]) for name in pair["columns"]))
    place = {name: n for n, name in enumerate(names)}
    labels = unique([plain(name, 40) for name in names])
    has_holdout = any(pair.get("reference") is not None for pair in pairs)
    sides = (
        {"score": "Synthetic", "reference": "Real holdout rows in its place"} if has_holdout else {"score": "Synthetic"}
    )
    lost = {}
    for key in sides:
        lost[key] = np.full((len(names), len(names)), np.nan)
        for pair in pairs:
            if pair.get(key) is not None:
                one, two = (place[name] for name in pair["columns"])
                lost[key][one, two] = lost[key][two, one] = 1 - pair[key]
    most = max(0.05, float(np.nanmax(lost["score"], initial=0)))
    layout, notes = panels(list(sides.values()))
    traces = []
    for n, key in enumerate(sides):
        suffix = "" if n == 0 else str(n + 1)
        traces.append(
            {
                "type": "heatmap",
                "name": sides[key],
                "x": labels,
                "y": labels,
                "z": lost[key],
                "zmin": 0,
                "zmax": most,
                "customdata": [[[one, two] for two in names] for one in names],
                "colorscale": fading(SYNTHETIC if key == "score" else REAL),
                "showscale": False,
                "hoverongaps": False,
                "hovertemplate": "%{y} and %{x}: %{z:.3f} lost<extra>%{fullData.name}</extra>",
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        alias = {label: plain(name, 18) for label, name in zip(labels, names, strict=True)}
        layout[f"xaxis{suffix}"] |= {"type": "category", "labelalias": alias, "tickangle": -60}
        layout[f"yaxis{suffix}"] |= {"type": "category", "labelalias": alias}
    layout["yaxis"]["autorange"] = "reversed"
    subtitle = f"What each pair's score lacks to 1; full colour: {most:.2f}"
    return figure(traces, title, subtitle, height=420, annotations=notes, **layout)


def distances_figure(detail: Mapping[str, Any], title: str = "Distance to the nearest real row") -> go.Figure:
    """`detail["histogram"]`: `edges`, and for each "rows of one table to another" the share in every bin."""
    histogram = detail["histogram"]
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
        title,
        "A generator that copies has its solid line left of the dotted one",
        height=260,
        xaxis={"title": {"text": "Distance (0: the same row)"}},
        yaxis={"title": {"text": "Share of rows"}, "tickformat": SHARE, "rangemode": "tozero"},
        hovermode="x unified",
    )


def roc_figure(detail: Mapping[str, Any], title: str = "Telling synthetic from real") -> go.Figure:
    """`detail["roc"]`: one curve, or several by name; the diagonal is guessing."""
    curves = detail["roc"] if "false_positive_rate" not in detail["roc"] else {"": detail["roc"]}
    guess = {"type": "scatter", "mode": "lines", "name": "Guessing", "x": [0, 1], "y": [0, 1], "hoverinfo": "skip"}
    traces: list[dict[str, Any]] = [guess | {"line": {"color": NEUTRAL, "width": 1, "dash": "dash"}}]
    for n, (name, curve) in enumerate(curves.items()):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": plain(name, 40) if name else "Attack",
                "x": curve["false_positive_rate"],
                "y": curve["true_positive_rate"],
                "line": {"width": 2, "dash": ("solid", "dot", "dashdot", "longdash")[n % 4], "color": SYNTHETIC},
                "hovertemplate": "finds %{y:.1%} at %{x:.1%} false alarms",
            }
        )
    return figure(
        traces,
        title,
        "A curve above the diagonal succeeds more often than guessing",
        height=340,
        xaxis={"title": {"text": "False alarms"}, "range": [-0.01, 1.01], "tickformat": ".0%"},
        yaxis={"title": {"text": "Found"}, "range": [-0.01, 1.01], "tickformat": ".0%"},
    )


def culprits_figure(detail: Mapping[str, Any], title: str = "What gave it away") -> go.Figure:
    """`detail["gave_it_away"]`: each column's part in telling synthetic rows from real ones, largest first."""
    shown = [item for item in detail["gave_it_away"] if item["share"] > 0][:MOST]
    if not shown:
        return nothing(title, "No column told synthetic rows from real ones.")
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [item["share"] for item in shown],
        "y": list(range(len(shown))),
        "customdata": [[item["column"]] for item in shown],
        "marker": {"color": rgba(SYNTHETIC, 0.8)},
        "hovertemplate": "%{x:.1%}<extra></extra>",
    }
    return figure(
        [bars],
        title,
        "Each column's part in telling synthetic rows from held-out real ones",
        height=50 + 22 * len(shown),
        xaxis={"tickformat": ".0%", "rangemode": "tozero"},
        yaxis=row_axis([item["column"] for item in shown]),
    )


def learners_figure(
    detail: Mapping[str, Any], title: str = "Models trained on synthetic and on real rows"
) -> go.Figure:
    """`detail["learners"]`: how well each learner predicts held-out real rows, taught by either table."""
    learners = detail["learners"]
    names = {"real": ("Trained on real", REAL), "synthetic": ("Trained on synthetic", SYNTHETIC)}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": label,
            "x": [item[key] for item in learners],
            "y": list(range(len(learners))),
            "marker": {"color": rgba(colour, 0.85)},
            "texttemplate": "%{x:.3f}",
            "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": "%{x:.3f}",
        }
        for key, (label, colour) in names.items()
    ]
    return figure(
        traces,
        title,
        f"Predicting {detail['target']} of held-out real rows from {detail['rows_of_each']:,} rows of either table",
        height=50 + 50 * len(learners),
        barmode="group",
        xaxis={"title": {"text": plain(detail["measure"], 60)}, "range": [0, 1.08]},
        yaxis=row_axis([item["learner"] for item in learners]),
    )


PICTURES: dict[str, Callable[..., go.Figure]] = {
    "columns": ranking_figure,
    "pairs": pair_scores_figure,
    "learners": learners_figure,
    "histogram": distances_figure,
    "roc": roc_figure,
    "gave_it_away": culprits_figure,
}
"""Which part of a score's `detail` is drawn how. A metric that fills one of these keys has its picture."""


def score_figures(score: Score) -> list[go.Figure]:
    """The pictures of one score's `detail`; empty where there is nothing to draw."""
    return [draw(score.detail) for key, draw in PICTURES.items() if score.detail.get(key)]
