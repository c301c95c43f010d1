"""A form that starts a kind of job which has no page of its own, such as a plugin's."""

from __future__ import annotations

import streamlit as st

from pages.components.fields import submit, told
from pages.components.forms import params_form
from pages.components.references import dataset_labels, distinct, lost, remember_job, seen, tell_lost
from workspace.jobs.kinds import KINDS
from workspace.workspace import Workspace


def job_form(workspace: Workspace) -> None:
    """Choose a kind of job, its dataset and its arguments, and start it; nothing where no such kind is installed."""
    offered = {name: kind for name, kind in KINDS.items() if kind.offered}
    if not offered:
        return
    datasets = dataset_labels(workspace.datasets.find())
    seen(datasets)
    options = {**distinct(datasets), "": "none"}
    problems: list[str] = []
    with st.expander("Start another kind of job", icon=":material/add:"):
        gone = lost("job_dataset", options)
        with st.container(horizontal=True):
            name = st.selectbox(
                "Kind of job", list(offered), format_func=lambda name: offered[name].title, key="job_kind"
            )
            dataset_id = st.selectbox(
                "Dataset",
                list(options),
                format_func=lambda id: options.get(id, id),
                key="job_dataset",
                on_change=lambda: st.session_state.pop("job_dataset_lost", None),
            )
        if gone:
            problems.append(tell_lost("job_dataset", gone, "dataset"))
        asked = params_form(offered[name].arguments, key=f"job_{name}", problems=problems)
        pressed = submit("Start", problems, icon=":material/play_arrow:", type="primary", key="job_start")
        if asked is None or not pressed:
            return
        arguments = asked.model_dump(mode="json", by_alias=True, exclude={"kind"})
        with told("The job cannot start"):
            remember_job(workspace.jobs.submit(name, arguments, dataset_id=dataset_id or None).id)
