"""Data: add datasets, see what they hold, correct what was detected, choose the held-out rows."""

import streamlit as st

from pages.components.api_calls import api_expander, table_calls
from pages.components.dataset import checks, columns, danger, header, held_out, rejected, rows
from pages.components.drafts import draft_bar
from pages.components.frame import get_workspace, heading
from pages.components.references import dataset_picker
from pages.components.uploads import refusals, samples, upload

# The view for adding datasets, as addresses call it.
ADDING = "add"

workspace = get_workspace()
notices = heading("Data", "Add datasets, see what they hold, correct what was detected.")

refusals()

view = st.query_params.get("view")
if view not in (None, ADDING):
    notices.error("This page has no such view.", icon=":material/link_off:", title="Unknown view")
dataset = None
if view == ADDING or not workspace.datasets.find():
    if view is None:
        # The last dataset may have been deleted: whoever came for it is told.
        dataset_picker(workspace, notices)
    if not upload(workspace):
        samples(workspace)
    if workspace.datasets.find() and st.button("Back to my datasets", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.pop("view", None)
        st.rerun()
else:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dataset = dataset_picker(workspace, notices)
        if st.button("Add datasets", icon=":material/add:"):
            st.query_params["view"] = ADDING
            st.rerun()
        if dataset is not None:
            if st.button("Train a generator", icon=":material/model_training:", type="primary"):
                st.switch_page("train.py", query_params={"dataset": dataset.id})
            danger(workspace, dataset)
if dataset is not None:
    header(dataset)
    findings = workspace.datasets.preflight(dataset.id)
    views = {
        "Columns": columns,
        f"Checks ({len(findings)})" if findings else "Checks": checks,
        "Rows": rows,
        "Held-out rows": held_out,
    }
    if dataset.rejected_rows:
        views[f"Lines left out ({dataset.rejected_rows:,})"] = rejected
    for tab, view in zip(st.tabs(list(views), on_change="rerun", key="data_view"), views.values(), strict=True):
        if tab.open:
            with tab:
                view(workspace, dataset)
    with notices:
        draft_bar(workspace, dataset)
    api_expander(workspace, table_calls(dataset, st.session_state.get(f"corrected_{dataset.id}", [])))
