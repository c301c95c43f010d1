"""Train: choose a generator, set it, see what it will cost, start, watch."""

import streamlit as st

from pages.components.api_calls import api_expander, training_call
from pages.components.conditions import conditions_form, rules_editor
from pages.components.forms import params_form
from pages.components.frame import asked_job, dataset_picker, default_generator, empty, get_workspace, heading
from pages.components.progress import follow
from pages.components.words import duration, plain, size
from pages.components.words import label as field_label
from synth import GENERATORS, Model
from workspace.tuning_space import knobs, objectives

workspace = get_workspace()
heading("Train", "Teach a generator one table; it then writes rows that stand in for it.")

dataset = dataset_picker(workspace)
if dataset is None:
    empty("There is no table yet", "Bring one of your own or start from a sample.", "data.py", "Bring a table")
    st.stop()


def start(params: dict) -> None:
    """Queue the training, or the search for better settings, and show it; say in a sentence why it cannot start."""
    try:
        if tuning:
            job = workspace.training.tune(dataset.id, model, params, rows=rows, seed=seed, **tuning)
        else:
            job = workspace.training.train(dataset.id, model, params, rows=rows, seed=seed, conditions=conditions)
    except ValueError as error:
        st.error(plain(error), title="This cannot start", icon=":material/block:")
    else:
        st.query_params["job"] = job.id


def tuning_form(generator: type[Model]) -> dict | None:
    """How to search for better settings; None: train with those above."""
    searched = knobs(generator)
    if not searched:
        return None
    with st.expander("Search for better settings", icon=":material/manage_search:"):
        if not st.toggle("Search before training", key=f"tune_{generator.name}"):
            st.caption(
                f"Tries other values of {plain(', '.join(map(field_label, searched)))}, scores each on rows set apart "
                "from the training, and trains with the best. The locked rows stay unseen until then."
            )
            return None
        with st.container(horizontal=True):
            trials = st.number_input("Trials", 1, 1000, 20)
            minutes = st.number_input("Minutes at most", 1, None, 30)
            objective = st.selectbox("Best by", objectives(), format_func=field_label)
    return {"trials": trials, "budget_s": minutes * 60.0, "objective": objective}


offered = {name: generator for name, generator in GENERATORS.items() if generator.available()}
left, right = st.columns([2, 3], gap="large")
with left:
    model = st.radio(
        "Generator",
        list(offered),
        list(offered).index(default_generator()) if default_generator() in offered else 0,
        format_func=lambda name: f"**{offered[name].title}**",
        captions=[generator.summary for generator in offered.values()],
        key="generator",
        persist_state="session",
    )
generator = offered[model]
with right:
    st.markdown(f"##### {generator.title}")
    if generator.licence:
        st.caption(f":material/gavel: {generator.licence}")
    params = params_form(generator.Params, key=model)
    with st.container(horizontal=True):
        rows = st.number_input(
            "Rows to write",
            1,
            100_000_000,
            dataset.train_rows,
            key=f"rows_{dataset.id}",
            help="As many as it learns from, unless you want fewer or more.",
        )
        seed = st.number_input("Seed", 0, None, 0, help="The same seed, table and settings give the same rows.")
    if params is None:
        st.stop()
    rules_editor(workspace, dataset)
    conditions = conditions_form(workspace, dataset)
    tuning = tuning_form(generator)
    with st.skeleton(height=60):
        estimate = workspace.training.estimate(dataset.id, model, params.model_dump(mode="json"), rows)
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
            known = estimate.stages.get("fit", 0) > 0
            memory = f"{size(estimate.memory_mb * 1e6)} of {size(estimate.free_mb * 1e6)}"
            st.metric("Time, judging included", duration(estimate.seconds if known else None), width="content")
            st.metric("Memory", memory if known else "unknown", width="content")
            label = "Search and train" if tuning else "Train"
            if st.button(label, type="primary", icon=":material/play_arrow:"):
                start(params.model_dump(mode="json"))
        st.caption(estimate.basis + (" Of one training; a search takes one for each trial." if tuning else ""))
    asked = tuning or {"conditions": conditions}
    call = training_call(dataset.id, model, params.model_dump(mode="json"), rows=rows, seed=seed, **asked)
    api_expander(workspace, [call])
    if job_id := asked_job(workspace):
        follow(workspace, job_id)
