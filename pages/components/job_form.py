"""A form that starts a kind of job which has no page of its own, such as a plugin's."""

from __future__ import annotations

import streamlit as st

from pages.components.forms import params_form
from pages.components.frame import remember_job
from pages.components.words import plain
from synth.errors import Invalid
from workspace.jobs.kinds import KINDS
from workspace.workspace import Workspace


def job_form(workspace: Workspace) -> None:
    """Choose a kind of job, its dataset and its arguments, and start it; nothing where no such kind is installed."""
    offered = {name: kind for name, kind in KINDS.items() if kind.offered}
    if not offered:
        return
    datasets = {dataset.id: dataset.name for dataset in workspace.datasets.find()}
    with st.expander("Start another kind of job", icon=":material/add:"):
        with st.container(horizontal=True):
            name = st.selectbox(
                "Kind of job", list(offered), format_func=lambda name: offered[name].title, key="job_kind"
            )
            dataset_id = st.selectbox(
                "Dataset", [*datasets, None], format_func=lambda id: datasets.get(id, "none"), key="job_dataset"
            )
        asked = params_form(offered[name].arguments, key=f"job_{name}")
        if asked is None or not st.button("Start", icon=":material/play_arrow:", type="primary", key="job_start"):
            return
        arguments = asked.model_dump(mode="json", by_alias=True, exclude={"kind"})
        try:
            job = workspace.jobs.submit(name, arguments, dataset_id=dataset_id)
        except Invalid as error:
            st.error(plain(error), title="The job cannot start", icon=":material/block:")
        else:
            remember_job(job.id)
