"""Data: add datasets, see what they hold, correct what was detected, choose the held-out rows."""

import streamlit as st

from pages.components.api_calls import api_expander, table_calls
from pages.components.dataset import checks, columns, danger, header, held_out, rejected, rows
from pages.components.frame import dataset_picker, get_workspace, heading
from pages.components.uploads import refusals, samples, upload

workspace = get_workspace()
heading("Data", "Add datasets, see what they hold, correct what was detected.")

refusals()

adding = st.query_params.get("view") == "add" or not workspace.datasets.find()
if adding:
    if not upload(workspace):
        samples(workspace)
    if workspace.datasets.find() and st.button("Back to my datasets", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.pop("view", None)
        st.rerun()
else:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dataset = dataset_picker(workspace)
        if st.button("Add datasets", icon=":material/add:"):
            st.query_params["view"] = "add"
            st.rerun()
        if st.button("Train a generator", icon=":material/model_training:", type="primary"):
            st.switch_page("train.py", query_params={"dataset": dataset.id})
        danger(workspace, dataset)
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
    api_expander(workspace, table_calls(dataset, st.session_state.get(f"corrected_{dataset.id}", [])))
