"""Train: choose a generator, set it, see what it will cost, start, watch."""

import streamlit as st

from pages.components.api_calls import api_expander, training_call
from pages.components.conditions import conditions_form, rules_editor
from pages.components.drafts import draft_bar, draft_of
from pages.components.fields import MOST_ROWS, MOST_SEED, number_field, submit, told
from pages.components.forms import field_label, params_form
from pages.components.frame import default_generator, empty, get_workspace, heading
from pages.components.progress import follow
from pages.components.references import asked_job, dataset_picker
from pages.components.words import duration, label, plain, size
from synth import GENERATORS, Model
from workspace.tuning_space import knobs, objectives

workspace = get_workspace()
notices = heading("Train", "Train a generator on a dataset; it then generates synthetic rows.")

dataset = dataset_picker(workspace, notices)
if dataset is None:
    if not workspace.datasets.find():
        empty("No datasets yet", "Add one of your own or start from a sample.", "data.py", "Add a dataset")
    st.stop()


with notices:
    draft_bar(workspace, dataset)
# What keeps the job from starting, in sentences. (Streamlit shows a string that stands alone in a page's script.)
problems: list[str] = []


def start(params: dict, seed: int) -> None:
    """Queue the training, or the search for better settings, and show the job; if it cannot start, say why."""
    with told("The job cannot start"):
        if tuning:
            job = workspace.training.tune(dataset.id, model, params, rows=rows, seed=seed, **tuning)
        else:
            job = workspace.training.train(dataset.id, model, params, rows=rows, seed=seed, conditions=conditions)
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
            trials = number_field("Trials", 20, problems, low=1, high=1000, key="tune_trials", persist_state="session")
            minutes = number_field(
                "Time limit (minutes)", 30, problems, low=1, high=100_000, key="tune_minutes", persist_state="session"
            )
            objective = st.selectbox("Optimize for", objectives(), format_func=label)
    return {"trials": trials, "budget_s": (minutes or 0) * 60.0, "objective": objective}


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
    params = params_form(generator.Params, key=model, problems=problems)
    with st.container(horizontal=True):
        rows = number_field(
            "Rows to generate",
            dataset.train_rows,
            problems,
            low=1,
            high=MOST_ROWS,
            key=f"rows_{dataset.id}",
            help="Unless you choose otherwise, as many as there are training rows.",
            persist_state="session",
        )
        seed = number_field(
            "Seed",
            0,
            problems,
            low=0,
            high=MOST_SEED,
            key="train_seed",
            help="The same seed, dataset and settings give the same rows.",
            persist_state="session",
        )
    rules_editor(workspace, dataset)
    conditions = conditions_form(workspace, dataset, problems)
    tuning = tuning_form(generator)
    asked = None if params is None else params.model_dump(mode="json")
    estimate = None
    if asked is not None and not problems:
        with st.skeleton(height=60):
            estimate = workspace.training.estimate(dataset.id, model, asked, rows)
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
            known = estimate is not None and estimate.stages.get("fit", 0) > 0
            memory = f"{size(estimate.memory_mb * 1e6)} of {size(estimate.free_mb * 1e6)}" if known else "unknown"
            st.metric("Time, with evaluation", duration(estimate.seconds if known else None), width="content")
            st.metric("Memory", memory, width="content")
            verb = "Search and train" if tuning else "Train"
            pressed = submit(verb, problems, type="primary", icon=":material/play_arrow:")
            if pressed and asked is not None and seed is not None:
                start(asked, seed)
        if draft_of(dataset).changed:
            st.caption(
                ":material/edit: Your unsaved changes of the columns are not part of this training. Save them first."
            )
        if problems:
            st.caption(f":material/block: Not ready to start: {plain(' '.join(dict.fromkeys(problems)))}")
        elif estimate is not None:
            st.caption(estimate.basis + (" For one training; a search trains once in each trial." if tuning else ""))
    if asked is not None and not problems:
        more = tuning or {"conditions": conditions}
        api_expander(workspace, [training_call(dataset.id, model, asked, rows=rows, seed=seed, **more)])
    if job_id := asked_job(workspace, notices):
        follow(workspace, job_id)
