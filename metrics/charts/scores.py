"""The scorecard: every metric beside its benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from metrics.base import Card, Score
from metrics.charts.axes import row_axis
from metrics.charts.theme import (
    HOLDOUT,
    LABELS,
    NEUTRAL,
    REAL,
    SYNTHETIC,
    figure,
    nothing,
    plain,
    rgba,
)
from metrics.verdict import number, verdict

FAMILIES = {"fidelity": "Fidelity", "utility": "Utility", "privacy": "Privacy", "dialogue": "Conversations"}


def scorecard_figure(cards: Iterable[Card], scores: Mapping[str, Score]) -> go.Figure:
    """Each metric a row from its smallest to its largest value: the score, its interval, and the benchmark."""
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
            "name": "95 % confidence interval",
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
        "Every row runs from the smallest to the largest value; the arrow points to the good end",
        "Benchmark: what held-out real rows score",
        height=20 + 30 * len(lines),
        annotations=said,
        xaxis={"domain": [0, 0.66], "range": [-0.04, 1.04], "visible": False, "fixedrange": True},
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
        lines.append(f"95 % confidence interval: {number(score.ci[0])} to {number(score.ci[1])}")
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
    """The text at the right end of a row."""
    place = {"yref": "y", "xanchor": "left", "yanchor": "middle", "font": {"size": 12}, "showarrow": False}
    if score.value is None:
        # The row has no dot, so the sentence takes its place.
        return place | {"x": 0, "xref": "x", "text": f"<i>Not measured. {plain(score.note, 140)}</i>"}
    words = {"better": "better", "as_good": "as good", "worse": "<b>worse</b>"}
    level = words.get(verdict(card, score).level, "no benchmark")
    reference = "" if score.reference is None else f" (benchmark {number(score.reference)})"
    return place | {"x": 0.68, "xref": "paper", "text": f"<b>{number(score.value)}</b>{reference}: {level}"}
