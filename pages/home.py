"""Home: what Understudy does, a sample to try, and the latest datasets and synthetic tables."""

from pathlib import Path

import streamlit as st

from pages.components.frame import default_generator, get_workspace, heading
from pages.components.progress import follow
from pages.components.references import asked_job
from pages.components.results import figures_in_words, model_title
from pages.components.words import ago, plain

SAMPLE = "adult"
RECENT = 6
EXAMPLE = str(Path(__file__).parent / "assets" / "example.svg")
STEPS = [
    (
        ":material/upload_file:",
        "Add a dataset",
        "CSV, Excel, Parquet or JSON. Delimiters, encodings, dates and missing values are detected and shown for you to "
        "correct. A fifth of the rows is held out for evaluation.",
    ),
    (
        ":material/model_training:",
        "Train a generator",
        "Pick a generator, see how long it will take, watch its progress. It keeps running if you close the browser.",
    ),
    (
        ":material/balance:",
        "Evaluate",
        "Real and synthetic side by side, column by column. Each score is shown with its benchmark, the score of held-out "
        "real rows: is the synthetic table as good, and does it reveal real people?",
    ),
    (
        ":material/download:",
        "Download",
        "As many rows as you like, as CSV, Parquet, JSON lines or Excel, with the columns and formats of your own file.",
    ),
]

workspace = get_workspace()
datasets, runs = workspace.datasets.find(), workspace.runs.find()


def try_a_sample() -> None:
    """From nothing to a finished comparison: add the sample, train the default generator; the page follows."""
    with st.spinner("Adding the sample dataset …"):
        dataset = next((d for d in datasets if d.source == f"sample:{SAMPLE}"), None) or workspace.datasets.add_sample(
            SAMPLE
        )
        job = workspace.training.train(dataset.id, default_generator())
    st.query_params["job"] = job.id
    st.rerun()


notices = heading("Tables you can share, from tables you can't")
left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
with left:
    st.markdown(
        "Understudy trains a generator on your table and makes a synthetic version of it: the same columns, the same "
        "patterns, new rows. Then it evaluates how close the synthetic rows come to the real ones, and whether they "
        "reveal real people. Everything runs on this machine."
    )
    with st.container(horizontal=True):
        if st.button("Try a sample", icon=":material/play_arrow:", type="primary"):
            try_a_sample()
        if st.button("Add my own data", icon=":material/upload_file:"):
            st.switch_page("data.py", query_params={"view": "add"})
    st.caption(
        "The sample is the 1994 census extract “Adult” (UCI, CC BY 4.0): 32,561 people, 15 columns. One click trains a "
        "generator on it and opens the comparison."
    )
with right:
    st.image(
        EXAMPLE, width="stretch", alt="Ages of the sample's people and of synthetic rows: nearly the same distribution"
    )

if job_id := asked_job(workspace, notices):
    follow(
        workspace,
        job_id,
        when_ended=lambda job: (
            job.state == "done"
            and st.switch_page("compare.py", query_params={"dataset": job.dataset_id, "run": job.run_id})
        ),
    )

with st.grid(4, min_column_width=270):
    for icon, title, text in STEPS:
        with st.container(border=True, height="stretch"):
            st.markdown(f"#### {icon} {title}")
            st.markdown(text)

if datasets or runs:
    names = {dataset.id: dataset.name for dataset in datasets}
    # Side by side where there is room for whole names, below one another on a narrow window.
    with st.grid(2, min_column_width=480):
        with st.container():
            st.markdown("#### Datasets")
            for dataset in datasets[:RECENT]:
                st.page_link(
                    "data.py",
                    label=f"**{plain(dataset.name)}**  ·  {dataset.rows:,} × {dataset.columns}  ·  {ago(dataset.created)}",
                    icon=":material/table:",
                    query_params={"dataset": dataset.id},
                    help="Open on the Data page",
                )
        with st.container():
            st.markdown("#### Synthetic tables")
            if not runs:
                st.caption("None yet. Train a generator on one of your datasets.")
            for run in runs[:RECENT]:
                st.page_link(
                    "compare.py",
                    label=f"**{plain(names[run.dataset_id])}** by {plain(model_title(run))}  ·  {ago(run.created)}"
                    f"  ·  :gray[{figures_in_words(run)}]",
                    icon=":material/compare:",
                    query_params={"dataset": run.dataset_id, "run": run.id},
                    help="Compare with the real rows",
                )
