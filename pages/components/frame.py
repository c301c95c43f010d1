"""What every page shares: the workspace, the heading, empty states, and what the address bar remembers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import streamlit as st

from pages.components.words import count, plain
from synth import GENERATORS
from workspace.telemetry.failures import WithoutData
from workspace.workspace import Dataset, NotFound, Workspace


@st.cache_resource(show_spinner=False)
def get_workspace() -> Workspace:
    """The one started workspace of this process."""
    # Streamlit logs what a page raises, and an exception's message may quote a cell.
    logging.getLogger("streamlit.error_util").addFilter(WithoutData())
    workspace = Workspace()
    workspace.start()
    return workspace


def explain_failure(error: Exception) -> bool:
    """Tell the visitor in a sentence that a page failed; True: nothing more is shown. Streamlit logs the traceback."""
    st.error(
        "Your datasets, jobs and results are safe. Reload the page; if it happens again, the server's log has the "
        f"details (`{type(error).__name__}`).",
        title="This page could not be shown",
        icon=":material/sentiment_dissatisfied:",
    )
    return True


def default_generator() -> str:
    """The generator a newcomer starts with."""
    return "trees" if "trees" in GENERATORS else next(iter(GENERATORS))


def heading(title: str, lead: str = "") -> None:
    """The page's title, what it is for in one line, and the running jobs on the right."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left, st.container(gap="xsmall"):
        st.title(title, anchor=False)
        if lead:
            st.caption(lead)
    workspace = get_workspace()
    busy = bool(active_jobs(workspace))
    with right:
        st.fragment(running_jobs, run_every="3s" if busy else None)(workspace)


def active_jobs(workspace: Workspace) -> list:
    return [*workspace.jobs.find(state="running"), *workspace.jobs.find(state="queued")]


def running_jobs(workspace: Workspace) -> None:
    """A link to the jobs while any runs or waits."""
    jobs = active_jobs(workspace)
    if not jobs:
        return
    running = [job for job in jobs if job.state == "running"]
    words = f"{running[0].progress:.0%} · {running[0].stage}" if len(running) == 1 else count(len(jobs), "job")
    with st.container(horizontal_alignment="right"):
        st.page_link(
            "jobs.py",
            label=f"Running: {plain(words)}",
            icon="spinner",
            query_params={"job": jobs[0].id},
            help=f"{count(len(running), 'job')} running, {len(jobs) - len(running)} queued",
        )


def empty(title: str, text: str, page: str, label: str, icon: str = ":material/inbox:") -> None:
    """What a page shows while it has nothing to show: what is missing, and where to get it."""
    with st.container(border=True, horizontal_alignment="center", gap="small"):
        st.space("small")
        st.markdown(f"### {icon} {title}", text_alignment="center")
        st.markdown(text, text_alignment="center", width=560)
        if st.button(label, type="primary", icon=":material/arrow_forward:", key=f"empty_{page}"):
            st.switch_page(page)
        st.space("small")


def remembered(name: str, options: Sequence[str], draw: Callable[[str, Callable[[], None]], None]) -> str | None:
    """One of `options`, as the address bar (`?name=`), else this session, else the first option has it.

    `draw(key, chosen)` draws the widget under the given session key, with `chosen` called on a change. The address
    follows the choice, so that a reload or a copied link shows the same; so does a walk through other pages.
    """
    if not options:
        return None
    key, kept = f"{name}_choice", f"{name}_kept"
    asked = st.query_params.get(name) or st.session_state.get(kept)
    st.session_state[key] = asked if asked in options else options[0]

    def chosen() -> None:
        st.query_params[name] = st.session_state[key]

    draw(key, chosen)
    st.session_state[kept] = st.query_params[name] = st.session_state[key]
    return st.session_state[key]


def asked_job(workspace: Workspace) -> str | None:
    """The job the address names (`?job=`), while there is one."""
    job_id = st.query_params.get("job")
    if job_id is None:
        return None
    try:
        return workspace.jobs.get(job_id).id
    except NotFound:
        del st.query_params["job"]
        return None


def remember_job(job_id: str) -> None:
    """Name a job that was just queued in the address, and rerun the page to show it."""
    st.query_params["job"] = job_id
    st.rerun()


def dataset_picker(workspace: Workspace, label: str = "Dataset") -> Dataset | None:
    """The dataset the page is about, or None while there is none."""
    datasets = {dataset.id: dataset for dataset in workspace.datasets.find()}

    def draw(key: str, chosen: Callable[[], None]) -> None:
        st.selectbox(
            label,
            list(datasets),
            format_func=lambda id: f"{datasets[id].name}  ·  {datasets[id].rows:,} × {datasets[id].columns}",
            key=key,
            on_change=chosen,
            width=270,
        )

    picked = remembered("dataset", list(datasets), draw)
    return datasets[picked] if picked else None
