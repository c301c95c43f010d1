"""Jobs: those that run, those that ended, and a form for kinds of job that plugins add."""

import pandas as pd
import streamlit as st

from pages.components.api_calls import api_expander, job_calls
from pages.components.frame import empty, get_workspace, heading
from pages.components.job_form import job_form
from pages.components.progress import ACTIVE, follow, job_title, state_in_words
from pages.components.references import asked_job
from pages.components.words import ago, count, duration

workspace = get_workspace()
notices = heading("Jobs", "Jobs run on this machine, whether or not the browser is open.")
job_form(workspace)

asked, chosen = st.query_params.get("job"), asked_job(workspace, notices)
if not workspace.jobs.find(limit=1):
    empty("No jobs yet", "Training and other long work appears here.", "train.py", "Train")
    st.stop()


def show_log(job_id: str) -> None:
    st.code(workspace.jobs.log_tail(job_id) or "The log is empty.", language=None, wrap_lines=True)


if chosen:
    follow(workspace, chosen)
    with st.expander("Log", icon=":material/article:"):
        live = "3s" if workspace.jobs.get(chosen).state in ACTIVE else None
        st.fragment(show_log, run_every=live)(chosen)
    api_expander(workspace, job_calls(workspace, workspace.jobs.get(chosen)))


def choose() -> None:
    """Show the selected job above the list."""
    if rows := st.session_state.jobs.selection.rows:
        st.query_params["job"] = st.session_state.jobs_shown[rows[0]]


@st.fragment(run_every="2s" if any(workspace.jobs.find(state=state) for state in ACTIVE) else None)
def history() -> None:
    jobs = workspace.jobs.find(limit=200)
    names = {dataset.id: dataset.name for dataset in workspace.datasets.find()}
    table = pd.DataFrame(
        {
            "Job": [job_title(job, names.get(job.dataset_id or "")) for job in jobs],
            "State": [state_in_words(job) for job in jobs],
            "Progress": [100 * job.progress for job in jobs],
            "Started": [ago(job.started or job.created) for job in jobs],
            "Duration": [duration(job.seconds) if job.seconds else "" for job in jobs],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        on_select=choose,
        selection_mode="single-row",
        key="jobs",
        column_config={"Progress": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.0f %%")},
        alt="Jobs, newest first",
    )
    # A job may come in while a row is selected: the selection is read against the list it was made in.
    st.session_state.jobs_shown = [job.id for job in jobs]
    st.caption(f"{count(len(jobs), 'job')}, newest first. Select one to see its log, cancel it or run it again.")
    if st.query_params.get("job") != asked:
        st.rerun()


history()
