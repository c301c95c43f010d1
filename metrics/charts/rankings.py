"""Columns, pairs, rules and secrets, worst first, the synthetic table's score beside the holdout's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from metrics.charts.axes import panels, row_axis
from metrics.charts.theme import (
    HOLDOUT,
    LABELS,
    REAL,
    SHARE,
    SYNTHETIC,
    fading,
    figure,
    nothing,
    plain,
    rgba,
    shortened,
    unique,
)
from metrics.detail import (
    ColumnScore,
    ColumnScores,
    ColumnShares,
    GroupScore,
    GroupsOfFewRows,
    GroupsOfFewSecrets,
    PairScores,
    Rules,
    SecretRisks,
    SecretScores,
    WayScores,
)

MOST = 25
"""Columns, rules or secrets drawn of a ranking."""


def dots(
    labels: Sequence[str],
    values: Sequence[float | None],
    references: Sequence[float | None],
    title: str,
    subtitle: str,
    xaxis: dict[str, Any],
    *,
    clicked: Sequence[Any] | None = None,
    intervals: Sequence[Sequence[float]] | None = None,
    reference_name: str = HOLDOUT,
) -> go.Figure:
    """A row for each label: a dot for synthetic, a tick for real; `clicked` is what a click on the dot hands over."""
    places = list(range(len(labels)))
    synthetic: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": LABELS["synthetic"],
        "x": list(values),
        "y": places,
        "customdata": [what if isinstance(what, list) else [what] for what in (clicked or labels)],
        "marker": {"size": 10, "color": SYNTHETIC},
        "hovertemplate": "%{x:.3~g}",
    }
    if intervals is not None:
        reach = [(high - value, value - low) for value, (low, high) in zip(values, intervals, strict=True)]
        bars = {"type": "data", "symmetric": False, "array": [up for up, _ in reach], "thickness": 1.5, "width": 4}
        synthetic["error_x"] = bars | {"arrayminus": [down for _, down in reach], "color": SYNTHETIC}
    real = {
        "type": "scatter",
        "mode": "markers",
        "name": reference_name,
        "x": list(references),
        "y": places,
        "marker": {"symbol": "line-ns", "size": 14, "line": {"width": 3, "color": REAL}},
        "hovertemplate": "%{x:.3~g}",
    }
    return figure(
        [real, synthetic],
        title,
        subtitle,
        height=50 + 24 * len(labels),
        xaxis={"showgrid": False, "zeroline": False} | xaxis,
        yaxis=row_axis(list(labels), 44) | {"showgrid": True},
    )


def ranking_figure(detail: ColumnScores, low_is_good: bool = False) -> go.Figure:
    """`columns` [{column, score, reference}], worst first. A click hands over the column's name."""
    items = detail.columns
    names = [item.column if isinstance(item, ColumnScore) else item.columns[0] for item in items]
    return _ranking("Columns", items, names, names, low_is_good)


def pair_ranking_figure(detail: PairScores, low_is_good: bool = False) -> go.Figure:
    """`pairs` [{columns, score, reference}], worst first. A click hands over both names."""
    items = detail.pairs
    names = [" and ".join(shortened(name, 20) for name in item.columns) for item in items]
    return _ranking("Pairs of columns", items, names, [item.columns for item in items], low_is_good)


def _ranking(
    what: str,
    items: Sequence[ColumnScore | GroupScore],
    labels: Sequence[str],
    clicked: Sequence[str | list[str]],
    low_is_good: bool,
) -> go.Figure:
    title = f"{what}, worst first"
    places = [place for place, item in enumerate(items) if item.score is not None]
    if not places:
        return nothing(title, "None could be compared.")
    shown = places[:MOST]
    values, references = [items[place].score for place in shown], [items[place].reference for place in shown]
    seen = [value for value in (*values, *references) if value is not None]
    ends = (min(*seen, 0) - 0.01, max(seen) + 0.01) if low_is_good else (min(*seen, 0.95) - 0.01, max(*seen, 1) + 0.005)
    return dots(
        [labels[place] for place in shown],
        values,
        references,
        title,
        f"The {MOST} worst of {len(places):,}" if len(places) > MOST else "",
        {"title": {"text": f"{0 if low_is_good else 1} is best"}, "range": list(ends)},
        clicked=[clicked[place] for place in shown],
    )


def ways_figure(detail: WayScores, low_is_good: bool = False) -> go.Figure:
    """`ways` [{way, score, reference, ceiling}]: how well columns agree alone, in pairs and in threes."""
    return dots(
        [way.way for way in detail.ways],
        [way.score for way in detail.ways],
        [way.ceiling for way in detail.ways],
        "One, two and three columns together",
        "The tick is the most that chance allows for tables of these sizes",
        {"title": {"text": "Accuracy"}},
        reference_name="Ceiling",
    )


def rules_figure(detail: Rules, low_is_good: bool = False) -> go.Figure:
    """`rules` [{rule, broken, reference}]: the share of rows that breaks each rule, most broken first."""
    rules = detail.rules
    shown = rules[:MOST]
    most = max(0.01, *(share for rule in shown for share in (rule.broken, rule.reference) if share is not None))
    few = f"The {MOST} most broken of {len(rules):,} rules" if len(rules) > MOST else "All rules"
    return dots(
        [rule.rule for rule in shown],
        [rule.broken for rule in shown],
        [rule.reference for rule in shown],
        "Rules, most broken first",
        f"{few} that hold in the training rows",
        {"title": {"text": "Share of rows that break it"}, "tickformat": SHARE, "range": [-0.02 * most, 1.05 * most]},
    )


def secrets_figure(detail: SecretRisks, low_is_good: bool = False) -> go.Figure:
    """`secrets` [{secret, risk, ci}]: how much more often an attacker learns each column of a person trained on."""
    shown = [secret for secret in detail.secrets if secret.risk is not None][:MOST]
    if not shown:
        return nothing("Sensitive columns, most at risk first", "No column could be attacked.")
    return dots(
        [secret.secret for secret in shown],
        [secret.risk for secret in shown],
        [0.0] * len(shown),
        "Sensitive columns, most at risk first",
        "How much more often each is guessed right of people in the training data than of others",
        {"title": {"text": "Risk, with its 95 % confidence interval"}},
        intervals=[secret.ci for secret in shown],
        reference_name="People outside the training data",
    )


def protection_figure(detail: SecretScores, low_is_good: bool = False) -> go.Figure:
    """`secrets` [{secret, score, reference}]: how well each column of a person stays hidden."""
    shown = detail.secrets[:MOST]
    return dots(
        [secret.secret for secret in shown],
        [secret.score for secret in shown],
        [secret.reference for secret in shown],
        "Protection of each sensitive column",
        "1: an attacker who knows the person's other columns learns no more than by guessing",
        {"title": {"text": "Protection"}, "range": [-0.01, 1.01]},
    )


def culprits_figure(detail: ColumnShares, low_is_good: bool = False) -> go.Figure:
    """`gave_it_away` [{column, share}]: each column's part in telling synthetic rows from real ones, largest first."""
    title = "What tells synthetic rows from real ones"
    shown = [item for item in detail.gave_it_away if item.share > 0][:MOST]
    if not shown:
        return nothing(title, "No column told synthetic rows from real ones.")
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [item.share for item in shown],
        "y": list(range(len(shown))),
        "customdata": [[item.column] for item in shown],
        "marker": {"color": rgba(SYNTHETIC, 0.8)},
        "hovertemplate": "%{x:.1%}<extra></extra>",
    }
    return figure(
        [bars],
        title,
        "Each column's share in the classifier's decisions",
        height=50 + 22 * len(shown),
        xaxis={"tickformat": ".0%", "rangemode": "tozero"},
        yaxis=row_axis([item.column for item in shown]),
    )


def groups_figure(detail: GroupsOfFewRows | GroupsOfFewSecrets, low_is_good: bool = False) -> go.Figure:
    """`groups_with_fewer_rows` or `groups_with_fewer_secrets` {bound: groups}, of `groups`."""
    if isinstance(detail, GroupsOfFewRows):
        what, bounds = "rows", detail.groups_with_fewer_rows
    else:
        what, bounds = "secrets", detail.groups_with_fewer_secrets
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": list(bounds.values()),
        "y": list(range(len(bounds))),
        "marker": {"color": rgba(SYNTHETIC, 0.85)},
        "texttemplate": "%{x:,}",
        "textposition": "outside",
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    return figure(
        [bars],
        f"Groups of few {what}",
        f"{detail.groups:,} groups of rows alike in {shortened(', '.join(detail.known), 80)}",
        height=50 + 28 * len(bounds),
        xaxis={"title": {"text": "Groups"}, "range": [0, 1.1 * max(*bounds.values(), 1)]},
        yaxis=row_axis([f"fewer than {bound}" for bound in bounds]),
    )


def pair_scores_figure(detail: PairScores, low_is_good: bool = False) -> go.Figure:
    """`pairs` [{columns, score, reference}]: how far each is from the training rows, at a glance."""
    pairs = detail.pairs
    names = list(dict.fromkeys(name for pair in sorted(pairs, key=lambda p: p.columns) for name in pair.columns))
    place = {name: n for n, name in enumerate(names)}
    labels = unique([plain(name, 40) for name in names])
    has_holdout = any(pair.reference is not None for pair in pairs)
    sides = (
        {"score": "Synthetic", "reference": "Benchmark: held-out real rows"} if has_holdout else {"score": "Synthetic"}
    )
    lost = {}
    for key in sides:
        lost[key] = np.full((len(names), len(names)), np.nan, dtype=np.float32)
        for pair in pairs:
            found = getattr(pair, key)
            if found is not None:
                one, two = (place[name] for name in pair.columns)
                lost[key][one, two] = lost[key][two, one] = found if low_is_good else 1 - found
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
                "colorscale": fading(SYNTHETIC if key == "score" else REAL),
                "showscale": False,
                "hoverongaps": False,
                "hovertemplate": "%{y} and %{x}: %{z:.3f} away<extra>%{fullData.name}</extra>",
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        alias = {label: plain(name, 18) for label, name in zip(labels, names, strict=True)}
        layout[f"xaxis{suffix}"] |= {"type": "category", "labelalias": alias, "tickangle": -60}
        layout[f"yaxis{suffix}"] |= {"type": "category", "labelalias": alias}
    layout["yaxis"]["autorange"] = "reversed"
    subtitle = f"How far each pair is from the training rows; full colour: {most:.2f}"
    return figure(traces, "Pairs of columns", subtitle, height=420, annotations=notes, **layout)
