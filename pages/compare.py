"""Compare: real and synthetic rows side by side, each score with its benchmark, and the downloads."""

import streamlit as st

from pages.components.api_calls import api_expander, run_calls
from pages.components.drafts import draft_bar
from pages.components.frame import empty, get_workspace, heading
from pages.components.pictures import TABS
from pages.components.progress import follow
from pages.components.references import asked_job, dataset_picker
from pages.components.release import release_tab
from pages.components.results import (
    about,
    actions,
    all_runs,
    dataset_of,
    downloads,
    marks,
    run_picker,
    safe_choice,
    scores,
)

workspace = get_workspace()
notices = heading("Compare", "Real and synthetic side by side, and what each score means.")

# A link may name the synthetic table alone.
if "run" in st.query_params and "dataset" not in st.query_params:
    owner = dataset_of(workspace, st.query_params["run"])
    if owner is not None:
        st.query_params["dataset"] = owner.id

pickers = st.container(horizontal=True, vertical_alignment="bottom")
with pickers:
    dataset = dataset_picker(workspace, notices)
if dataset is None:
    if not workspace.datasets.find():
        empty("Nothing to compare yet", "Add a dataset, or start from a sample.", "data.py", "Add a dataset")
    st.stop()
with notices:
    draft_bar(workspace, dataset)
runs = {run.id: run for run in workspace.runs.find(dataset.id)}
with pickers:
    picked = run_picker(workspace, runs, dataset, notices)
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
if picked is None:
    st.stop()
run = runs[picked]
with pickers:
    downloads(run)
    actions(workspace, run)
safe_choice(workspace, run)
st.caption(about(workspace, run, dataset))
marks(workspace, run, list(runs.values()))
if job_id := asked_job(workspace, notices):
    follow(workspace, job_id)

views = {"Scores": scores, "Before release": release_tab, **TABS}
if len(runs) > 1:
    views[f"All {len(runs)} synthetic tables"] = lambda workspace, run: all_runs(workspace, list(runs.values()))
for tab, view in zip(st.tabs(list(views), on_change="rerun", key="compare_view"), views.values(), strict=True):
    if tab.open:
        with tab:
            view(workspace, run)
api_expander(workspace, run_calls(workspace, run, dataset.name.rsplit("/", 1)[-1].split(".")[0] or "table"))
