"""Compare: real and synthetic rows side by side, each score with its benchmark, and the downloads."""

import streamlit as st

from pages.components.api_calls import api_expander, run_calls
from pages.components.frame import asked_job, dataset_picker, empty, get_workspace, heading
from pages.components.pictures import TABS
from pages.components.progress import follow
from pages.components.release import release_tab
from pages.components.results import about, actions, all_runs, downloads, run_picker, scores

workspace = get_workspace()
heading("Compare", "Real and synthetic side by side, and what each score means.")

pickers = st.container(horizontal=True, vertical_alignment="bottom")
with pickers:
    dataset = dataset_picker(workspace)
if dataset is None:
    empty("Nothing to compare yet", "Add a dataset, or start from a sample.", "data.py", "Add a dataset")
    st.stop()
runs = {run.id: run for run in workspace.runs.find(dataset.id)}
if not runs:
    active = [job for job in workspace.jobs.find(dataset_id=dataset.id) if not job.ended]
    if active:
        follow(workspace, active[0].id)
    else:
        empty(
            "No synthetic table of this dataset yet",
            "Train a generator; what it generates appears here.",
            "train.py",
            "Train",
        )
    st.stop()
with pickers:
    run = runs[run_picker(runs)]
    downloads(run)
    actions(workspace, run)
st.caption(about(workspace, run, dataset))
if job_id := asked_job(workspace):
    follow(workspace, job_id)

views = {"Scores": scores, "Before release": release_tab, **TABS}
if len(runs) > 1:
    views[f"All {len(runs)} synthetic tables"] = lambda workspace, run: all_runs(workspace, list(runs.values()))
for tab, view in zip(st.tabs(list(views), on_change="rerun", key="compare_view"), views.values(), strict=True):
    if tab.open:
        with tab:
            view(workspace, run)
api_expander(workspace, run_calls(workspace, run, dataset.name.rsplit("/", 1)[-1].split(".")[0] or "table"))
