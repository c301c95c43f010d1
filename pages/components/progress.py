"""Jobs: their progress, the time left, the training curves, and how to stop them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from pages.components.deletion import ask_to_delete
from pages.components.words import ago, duration, label, plain
from synth import GENERATORS
from synth.errors import Invalid
from workspace.jobs.kinds import KINDS
from workspace.jobs.retries import when_again
from workspace.workspace import Event, Job, NotFound, Workspace

ACTIVE = ("queued", "running")
STATES = {
    "queued": (":material/schedule:", "gray", "queued"),
    "running": (":material/autorenew:", "blue", "running"),
    "done": (":material/check_circle:", "green", "done"),
    "failed": (":material/error:", "red", "failed"),
    "cancelled": (":material/cancel:", "gray", "cancelled"),
    "interrupted": (":material/power_off:", "orange", "interrupted"),
}
CURVES = ["#009E73", "#CC79A7", "#7A6FD8", "#56B4E9", "#E69F00"]
"""Colours of curves: none of those that mean real or synthetic."""


def job_title(job: Job, dataset: str | None) -> str:
    """What the job does: "Train CTGAN: adult.csv". The kind's or the generator's plugin may be absent."""
    kind = KINDS[job.kind].title if job.kind in KINDS else label(job.kind)
    model = job.arguments.get("model")
    what = f"{kind} {GENERATORS[model].title}" if model in GENERATORS else kind
    return f"{what}: {dataset}" if dataset else what


def state_in_words(job: Job) -> str:
    """The job's state, and whether it was stopped by hand with a result."""
    word = STATES[job.state][2]
    if job.state == "done" and job.stop_early_asked:
        return f"{word}, stopped early"
    return f"{word}, with a result" if job.state == "cancelled" and job.run_id and job.kind != "evaluate" else word


def follow(workspace: Workspace, job_id: str, when_ended: Callable[[Job], None] | None = None) -> None:
    """Show a job live until it ends, then rerun the page, so that its result appears."""
    active = workspace.jobs.get(job_id).state in ACTIVE

    @st.fragment(run_every="1s" if active else None)
    def live() -> None:
        try:
            job = workspace.jobs.get(job_id)
            job_card(workspace, job)
        except NotFound:
            st.rerun()
        if active and job.state not in ACTIVE:
            st.rerun()

    live()
    if not active and when_ended:
        when_ended(workspace.jobs.get(job_id))


def job_card(workspace: Workspace, job: Job) -> None:
    """One job: its state, progress, curves, and what can be done about it."""
    icon, color, word = STATES[job.state][0], STATES[job.state][1], state_in_words(job)
    with st.container(border=True):
        dataset = workspace.datasets.get(job.dataset_id).name if job.dataset_id else None
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{plain(job_title(job, dataset))}**")
            st.badge(word, icon=icon, color=color)
        if job.state in ACTIVE:
            st.progress(min(max(job.progress, 0.0), 1.0), text=_how_far(job))
        elif job.state == "done":
            early = " Its training was stopped by hand." if job.stop_early_asked else ""
            st.caption(f"Took {_took(job)}, ended {ago(job.finished)}.{early}")
        else:
            _why_ended(job)
        # What was read before is kept: a long training reports thousands of times.
        events = st.session_state.setdefault(f"events_{job.id}", [])
        events += workspace.jobs.events(job.id, after=events[-1].seq if events else 0)
        curves(events)
        _actions(workspace, job, dataset)


def _how_far(job: Job) -> str:
    if job.state == "queued":
        return plain(when_again(job)) or "Waiting for a free slot"
    left = f" · about {duration(job.seconds_left)} left" if job.seconds_left is not None else ""
    note = f": {plain(job.note)}" if job.note else ""
    return f"{label(job.stage)}{note} · {job.progress:.0%}{left}"


def _took(job: Job) -> str:
    return duration((job.finished - job.started).total_seconds()) if job.finished and job.started else "no time"


def _why_ended(job: Job) -> None:
    if job.state == "failed":
        st.error(plain(job.error or "See the log."), title="The job failed", icon=":material/error:")
    elif job.state == "interrupted":
        st.warning(
            "The job's process ended unexpectedly (the machine or the server stopped). The dataset is intact; run the job again.",
            icon=":material/power_off:",
        )
    else:
        kept = "The synthetic table was made before and is kept." if job.run_id else "Nothing was kept."
        st.caption(f"Cancelled after {_took(job)}. {kept}")


def _run_again(workspace: Workspace, job: Job) -> None:
    retry = workspace.conversations.retry if job.kind == "converse" else workspace.jobs.retry
    try:
        again = retry(job.id)
    except Invalid as problem:
        st.error(plain(problem), icon=":material/key:")
    else:
        st.query_params["job"] = again.id
        st.rerun()


def _actions(workspace: Workspace, job: Job, dataset: str | None) -> None:
    with st.container(horizontal=True):
        if job.state == "running" and job.stage == "Training":
            st.button(
                "Stop early",
                icon=":material/front_hand:",
                key=f"stop_early_{job.id}",
                on_click=workspace.jobs.stop_early,
                args=(job.id,),
                help="Ends training now; the model trained so far is kept, sampled and evaluated.",
            )
        if job.state in ACTIVE:
            st.button(
                "Cancel",
                icon=":material/close:",
                key=f"cancel_{job.id}",
                on_click=workspace.jobs.cancel,
                args=(job.id,),
                help="Stops at once and keeps nothing of this job. The dataset stays.",
            )
        if (job.state in ("failed", "cancelled", "interrupted") or job.not_before) and st.button(
            "Run again", icon=":material/replay:", key=f"retry_{job.id}", type="primary"
        ):
            _run_again(workspace, job)
        if (
            job.state == "done"
            and job.run_id
            and st.button("See the result", icon=":material/compare:", key=f"see_{job.id}", type="primary")
        ):
            st.switch_page("compare.py", query_params={"dataset": job.dataset_id, "run": job.run_id})
        if (
            job.dataset_id
            and job.state not in ACTIVE
            and st.button("Delete job", icon=":material/delete:", key=f"delete_{job.id}", type="tertiary")
        ):
            keeps = "Its log goes too; what it made stays."
            ask_to_delete(workspace, job, job_title(job, dataset), workspace.jobs.delete, keeps)


def curves(events: list[Event]) -> None:
    """Loss and quality during training; nothing while there are fewer than two points."""
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
