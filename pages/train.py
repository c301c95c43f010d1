"""Train: choose a generator, set it, see what it will cost, start, watch."""

import streamlit as st

from pages.components.api_calls import api_expander, training_call
from pages.components.conditions import conditions_form, rules_editor
from pages.components.forms import field_label, params_form
from pages.components.frame import asked_job, dataset_picker, default_generator, empty, get_workspace, heading
from pages.components.progress import follow
from pages.components.words import duration, label, plain, size
from synth import GENERATORS, Model
from synth.errors import Invalid
from workspace.tuning_space import knobs, objectives

workspace = get_workspace()
heading("Train", "Train a generator on a dataset; it then generates synthetic rows.")

dataset = dataset_picker(workspace)
if dataset is None:
    empty("No datasets yet", "Add one of your own or start from a sample.", "data.py", "Add a dataset")
    st.stop()


def start(params: dict) -> None:
    """Queue the training, or the search for better settings, and show the job; if it cannot start, say why."""
    try:
        if tuning:
            job = workspace.training.tune(dataset.id, model, params, rows=rows, seed=seed, **tuning)
        else:
            job = workspace.training.train(dataset.id, model, params, rows=rows, seed=seed, conditions=conditions)
    except Invalid as error:
        st.error(plain(error), title="The job cannot start", icon=":material/block:")
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
                f"Tries other values of {plain(', '.join(field_label(generator.Params, name) for name in searched))}, scores each on a part "
                "of the training rows, and trains with the best. The held-out rows are not used for this."
            )
            return None
        with st.container(horizontal=True):
            trials = st.number_input("Trials", 1, 1000, 20)
            minutes = st.number_input("Time limit (minutes)", 1, None, 30)
            objective = st.selectbox("Optimize for", objectives(), format_func=label)
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
            "Rows to generate",
            1,
            100_000_000,
            dataset.train_rows,
            key=f"rows_{dataset.id}",
            help="Unless you choose otherwise, as many as there are training rows.",
        )
        seed = st.number_input("Seed", 0, None, 0, help="The same seed, dataset and settings give the same rows.")
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
            st.metric("Time, with evaluation", duration(estimate.seconds if known else None), width="content")
            st.metric("Memory", memory if known else "unknown", width="content")
            if st.button("Search and train" if tuning else "Train", type="primary", icon=":material/play_arrow:"):
                start(params.model_dump(mode="json"))
        st.caption(estimate.basis + (" For one training; a search trains once in each trial." if tuning else ""))
    asked = tuning or {"conditions": conditions}
    call = training_call(dataset.id, model, params.model_dump(mode="json"), rows=rows, seed=seed, **asked)
    api_expander(workspace, [call])
    if job_id := asked_job(workspace):
        follow(workspace, job_id)
