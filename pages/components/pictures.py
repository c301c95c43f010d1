"""Charts of real and synthetic rows, each computed once for a run and cached."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from metrics import charts, views
from metrics.detail import ColumnScores, PairScores
from pages.components.words import count
from workspace.workspace import Run, Workspace

ROWS = 50_000
"""Rows drawn from each table for the pictures: what they show then no longer changes to the eye."""
CHARTS_A_PAGE = 6
SOME_ROWS = 100
PAGE_FONT = "'Source Sans', sans-serif"

Part = Literal["train", "holdout", "synthetic"]


@st.cache_resource(max_entries=12, show_spinner="Reading the rows …")
def table(_workspace: Workspace, run_id: str, part: Part) -> pd.DataFrame | None:
    """A random part of a run's rows, or all of them; never changed by those who share it."""
    if part == "synthetic":
        return _workspace.runs.synthetic_table(run_id, ROWS)
    real = _workspace.runs.train_table if part == "train" else _workspace.runs.holdout_table
    return real(run_id, ROWS)


@st.cache_data(max_entries=400, show_spinner=False)
def column(_workspace: Workspace, run_id: str, name: str) -> dict[str, Any]:
    real, held, synthetic = (table(_workspace, run_id, part) for part in ("train", "holdout", "synthetic"))
    return views.column_view(real, held, synthetic, _workspace.runs.get(run_id).schema[name])


@st.cache_data(max_entries=200, show_spinner="Counting …")
def pair(_workspace: Workspace, run_id: str, first: str, second: str) -> dict[str, Any]:
    schema = _workspace.runs.get(run_id).schema
    return views.pair_view(*_both(_workspace, run_id), schema[first], schema[second])


@st.cache_data(max_entries=50, show_spinner="Measuring every pair of columns …")
def correlations(_workspace: Workspace, run_id: str) -> dict[str, Any]:
    return views.correlation_view(*_both(_workspace, run_id), _workspace.runs.get(run_id).schema)


@st.cache_data(max_entries=50, show_spinner="Projecting …")
def projection(_workspace: Workspace, run_id: str) -> dict[str, Any]:
    return views.projection_view(*_both(_workspace, run_id), _workspace.runs.get(run_id).schema)


@st.cache_data(max_entries=50, show_spinner="Counting what is missing …")
def missingness(_workspace: Workspace, run_id: str) -> dict[str, Any]:
    return views.missingness_view(*_both(_workspace, run_id), _workspace.runs.get(run_id).schema)


def _both(workspace: Workspace, run_id: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    return table(workspace, run_id, "train"), table(workspace, run_id, "synthetic")


def draw(figure: go.Figure, key: str, *, select: bool = False) -> list[dict[str, Any]]:
    """Show a chart in the page's light or dark theme; with `select`, the points that the visitor drew around."""
    figure = charts.themed(figure, st.context.theme.type or "light").update_layout(font_family=PAGE_FONT)
    shown = {"theme": None, "config": charts.CONFIG, "key": key, "alt": figure.layout.title.text}
    if not select:
        st.plotly_chart(figure, **shown)
        return []
    return st.plotly_chart(figure, on_select="rerun", selection_mode=("box", "lasso"), **shown).selection.points


def columns_tab(workspace: Workspace, run: Run) -> None:
    """Every column, those that differ most first, page by page."""
    names = _worst_first(run)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        only = st.multiselect("Columns", run.schema.names, placeholder="All, those that differ most first", width=520)
        names = only or names
        page = st.pagination(max(1, math.ceil(len(names) / CHARTS_A_PAGE)), key=f"columns_{run.id}_{len(names)}")
    if run.rows > ROWS or run.split.of > ROWS:
        st.caption(f"Drawn from at most {ROWS:,} random rows of each table.")
    with st.grid(2, min_column_width=420):
        for name in names[(page - 1) * CHARTS_A_PAGE : page * CHARTS_A_PAGE]:
            with st.container(border=True, height="stretch"):
                draw(charts.column_figure(column(workspace, run.id, name)), f"column_{run.id}_{name}")


def _worst_first(run: Run) -> list[str]:
    shapes = run.scores.get("column_shapes")
    detail = shapes.detail_as(ColumnScores) if shapes else None
    found = detail.by_column() if detail else {}
    return sorted(run.schema.names, key=lambda name: math.inf if found.get(name) is None else found[name])


def _worst_pair(run: Run, names: list[str]) -> list[str]:
    trends = run.scores.get("column_pair_trends")
    detail = trends.detail_as(PairScores) if trends else None
    pairs = [pair.columns for pair in detail.pairs] if detail else []
    return next((pair for pair in pairs if set(pair) <= set(names)), names[:2])


def pairs_tab(workspace: Workspace, run: Run) -> None:
    """Two columns together."""
    names = run.schema.modelled.names
    if len(names) < 2:
        st.caption("A pair takes two learned columns; this dataset has fewer.")
        return
    worst = _worst_pair(run, names)
    with st.container(horizontal=True):
        first = st.selectbox("First column", names, names.index(worst[0]), key=f"first_{run.id}", width=300)
        others = [name for name in names if name != first]
        place = others.index(worst[1]) if worst[1] in others else 0
        second = st.selectbox("Second column", others, place, key=f"second_{run.id}_{first}", width=300)
    st.caption("The pair that differs most is shown first.")
    draw(charts.pair_figure(pair(workspace, run.id, first, second)), "pair")


def correlations_tab(workspace: Workspace, run: Run) -> None:
    draw(charts.correlation_figure(correlations(workspace, run.id)), "correlations")


def map_tab(workspace: Workspace, run: Run) -> None:
    """Rows as points; those the visitor draws around are listed, and compared column by column."""
    view = projection(workspace, run.id)
    rows = selected_rows(view, draw(charts.projection_figure(view), f"projection_{run.id}", select=True))
    real, synthetic = _both(workspace, run.id)
    chosen = real.iloc[rows["real"]], synthetic.iloc[rows["synthetic"]]
    if not any(map(len, chosen)):
        st.caption("Draw around points to see their rows and how they differ in each column.")
        return
    st.markdown(f"**{count(len(chosen[0]), 'real row')}** and **{count(len(chosen[1]), 'synthetic row')}** selected")
    for side, title, table_rows in zip(st.columns(2), ("Real", "Synthetic"), chosen, strict=True):
        with side:
            st.dataframe(table_rows.head(SOME_ROWS), height=360, alt=f"{title} rows selected")
    name = st.selectbox("Column", run.schema.names, key=f"selected_{run.id}", width=300)
    with st.container(border=True):
        selection = views.column_view(chosen[0], None, chosen[1], run.schema[name])
        draw(charts.column_figure(selection), f"selected_{run.id}_{name}")


def selected_rows(view: dict[str, Any], points: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Positions in each table of the points selected in its projection."""
    tables = list(view["points"])
    rows: dict[str, list[int]] = {name: [] for name in tables}
    for point in points:
        name = tables[point["curve_number"]]
        rows[name].append(view["points"][name]["row"][point["point_index"]])
    return rows


def missing_tab(workspace: Workspace, run: Run) -> None:
    draw(charts.missingness_figure(missingness(workspace, run.id)), "missingness")


def rows_tab(workspace: Workspace, run: Run) -> None:
    """The first rows of both."""
    sides = {
        "**Real** rows, as uploaded": workspace.datasets.rows(run.dataset_id, 0, SOME_ROWS),
        "**Synthetic** rows": workspace.runs.rows(run.id, 0, SOME_ROWS),
    }
    for side, (title, rows) in zip(st.columns(2), sides.items(), strict=True):
        with side:
            st.markdown(title)
            st.dataframe(rows, hide_index=True, height=560, alt=title.replace("*", ""))
    st.caption(f"The first {SOME_ROWS} of each. The synthetic table has {count(run.rows, 'row')}.")


TABS: dict[str, Callable[[Workspace, Run], None]] = {
    "Columns": columns_tab,
    "Pairs": pairs_tab,
    "Correlations": correlations_tab,
    "Map": map_tab,
    "Missing values": missing_tab,
    "Rows": rows_tab,
}
