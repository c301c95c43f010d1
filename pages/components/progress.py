"""Jobs as people follow them: how far, how long still, what the curve says, and how to stop."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from pages.components.words import ago, duration, label, plain
from synth import GENERATORS
from workspace.workspace import Event, Job, NotFound, Workspace

ACTIVE = ("queued", "running")
STATES = {
    "queued": (":material/schedule:", "gray", "waiting its turn"),
    "running": (":material/autorenew:", "blue", "at work"),
    "done": (":material/check_circle:", "green", "done"),
    "failed": (":material/error:", "red", "failed"),
    "cancelled": (":material/cancel:", "gray", "cancelled"),
    "interrupted": (":material/power_off:", "orange", "interrupted"),
}
KINDS = {
    "sample": "Write more rows",
    "evaluate": "Judge again",
    "tune": "Search settings of",
    "converse": "Write conversations",
    "replace_rows": "Replace risky rows",
    "self_test": "Test the judge",
}
"""What jobs do, where the kind's own name does not say it."""
CURVES = ["#009E73", "#CC79A7", "#7A6FD8", "#56B4E9", "#E69F00"]
"""Colours of curves: none of those that mean real or synthetic."""


def job_title(job: Job, table: str | None) -> str:
    """What the job does, in words: Train CTGAN on adult.csv."""
    model = job.arguments.get("model")
    what = f" {GENERATORS[model].title}" if model in GENERATORS else ""
    return f"{KINDS.get(job.kind, job.kind.capitalize())}{what}{f' on {table}' if table else ''}"


def follow(workspace: Workspace, job_id: str, when_ended: Callable[[Job], None] | None = None) -> None:
    """Show a job live until it ends, then rerun the page, so that what it made appears."""
    active = workspace.jobs.get(job_id).state in ACTIVE

    @st.fragment(run_every="1s" if active else None)
    def live() -> None:
        try:
            job = workspace.jobs.get(job_id)
        except NotFound:
            st.rerun()
        job_card(workspace, job)
        if active and job.state not in ACTIVE:
            st.rerun()

    live()
    if not active and when_ended:
        when_ended(workspace.jobs.get(job_id))


def job_card(workspace: Workspace, job: Job) -> None:
    """One job: its state, progress, curves, and what can be done about it."""
    icon, color, word = STATES[job.state]
    with st.container(border=True):
        table = workspace.datasets.get(job.dataset_id).name if job.dataset_id else None
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{plain(job_title(job, table))}**")
            st.badge(word, icon=icon, color=color)
        if job.state in ACTIVE:
            st.progress(min(max(job.progress, 0.0), 1.0), text=_how_far(job))
        elif job.state == "done":
            st.caption(f"Took {_took(job)}, ended {ago(job.finished)}.")
        else:
            _why_ended(job)
        # What was read before is kept: a long training reports thousands of times.
        events = st.session_state.setdefault(f"events_{job.id}", [])
        events += workspace.jobs.events(job.id, after=events[-1].seq if events else 0)
        curves(events)
        _actions(workspace, job)


def _how_far(job: Job) -> str:
    if job.state == "queued":
        return "Waiting for a free slot"
    left = f" · about {duration(job.seconds_left)} left" if job.seconds_left is not None else ""
    note = f": {plain(job.note)}" if job.note else ""
    return f"{label(job.stage)}{note} · {job.progress:.0%}{left}"


def _took(job: Job) -> str:
    return duration((job.finished - job.started).total_seconds()) if job.finished and job.started else "no time"


def _why_ended(job: Job) -> None:
    if job.state == "failed":
        st.error(plain(job.error or "The log says more."), title="It stopped with an error", icon=":material/error:")
    elif job.state == "interrupted":
        st.warning(
            "The process that did it went away (the machine or the server stopped). The table is intact; run it again.",
            icon=":material/power_off:",
        )
    else:
        st.caption(f"Cancelled after {_took(job)}. Nothing of it was kept.")


def _actions(workspace: Workspace, job: Job) -> None:
    with st.container(horizontal=True):
        if job.state == "running" and job.stage == "Training":
            st.button(
                "Stop and keep",
                icon=":material/front_hand:",
                key=f"enough_{job.id}",
                on_click=workspace.jobs.stop_early,
                args=(job.id,),
                help="Ends the training here; what is trained so far is kept, sampled and judged.",
            )
        if job.state in ACTIVE:
            st.button(
                "Cancel",
                icon=":material/close:",
                key=f"cancel_{job.id}",
                on_click=workspace.jobs.cancel,
                args=(job.id,),
                help="Stops at once and keeps nothing of this job. The table stays.",
            )
        if job.state in ("failed", "cancelled", "interrupted") and st.button(
            "Run again", icon=":material/replay:", key=f"retry_{job.id}", type="primary"
        ):
            again = workspace.jobs.retry(job.id)
            st.query_params["job"] = again.id
            st.rerun()
        if (
            job.state == "done"
            and job.run_id
            and st.button("See the result", icon=":material/compare:", key=f"see_{job.id}", type="primary")
        ):
            st.switch_page("compare.py", query_params={"dataset": job.dataset_id, "run": job.run_id})
        if (
            job.dataset_id
            and job.state not in ACTIVE
            and st.button("Delete", icon=":material/delete:", key=f"delete_{job.id}", type="tertiary")
        ):
            workspace.jobs.delete(job.id)
            st.query_params.pop("job", None)
            st.rerun()


def curves(events: list[Event]) -> None:
    """How loss and quality moved while it trained; nothing while there are no two points."""
    points = pd.DataFrame([event.curve for event in events if event.curve])
    if len(points) < 2:
        return
    x = next((name for name in ("epoch", "step", "trial", "round") if name in points), None)
    points = points.drop_duplicates(x, keep="last").set_index(x) if x else points
    losses = [name for name in points if "loss" in name]
    charts = {"Loss": losses} | {label(name): [name] for name in points if name not in losses}
    charts = {title: names for title, names in charts.items() if names and points[names].notna().any().any()}
    for column, (title, names) in zip(st.columns(len(charts) or 1), charts.items(), strict=False):
        with column:
            st.caption(title)
            lines = points[names].dropna(how="all").rename(columns=label)
            st.line_chart(
                lines,
                height=180,
                x_label=label(x) if x else "",
                color=[CURVES[place % len(CURVES)] for place in range(len(names))],
                alt=f"{title} while training",
            )
