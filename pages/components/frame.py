"""What every page shares: the workspace, the heading with its notices, empty states."""

from __future__ import annotations

import logging
from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.deletion import undo_bar
from pages.components.words import count, plain
from synth import GENERATORS
from workspace.catalog.outages import CatalogAway
from workspace.telemetry.failures import WithoutData
from workspace.workspace import NotFound, Workspace


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
    if isinstance(error, NotFound):
        # Deleted in another tab, or by a program, while this page was drawn.
        st.error(f"{plain(error)} Reload the page.", title="This was deleted meanwhile", icon=":material/link_off:")
        return True
    if isinstance(error, CatalogAway):
        st.warning(plain(error), title="The catalog is away", icon=":material/cloud_off:")
        st.session_state.went_away = True
        come_back()
        return True
    st.error(
        "Your datasets, jobs and results are safe. Reload the page; if it happens again, the server's log has the "
        f"details (`{type(error).__name__}`).",
        title="This page could not be shown",
        icon=":material/sentiment_dissatisfied:",
    )
    return True


@st.fragment(run_every="3s")
def come_back() -> None:
    """Show the page anew as soon as the catalog answers."""
    if st.session_state.pop("went_away", False):
        return
    with suppress(CatalogAway):
        get_workspace().jobs.unfinished_by_state()
        st.rerun()


def default_generator() -> str:
    """The generator a newcomer starts with."""
    return "trees" if "trees" in GENERATORS else next(iter(GENERATORS))


def heading(title: str, lead: str = "") -> DeltaGenerator:
    """The page's title, what it is for in one line, and the running jobs on the right; the place for notices below."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left, st.container(gap="xsmall"):
        st.title(title, anchor=False)
        if lead:
            st.caption(lead)
    workspace = get_workspace()
    busy = bool(active_jobs(workspace))
    with right:
        st.fragment(running_jobs, run_every="3s" if busy else None)(workspace)
    notices = st.container()
    with notices:
        undo_bar(workspace)
    return notices


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
