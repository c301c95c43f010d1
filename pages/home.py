"""Home: what Understudy does, a sample to try it with, and what to go on with."""

from pathlib import Path

import streamlit as st

from pages.components.frame import asked_job, default_generator, get_workspace, heading
from pages.components.progress import follow
from pages.components.results import figures_in_words, model_title
from pages.components.words import ago, plain

SAMPLE = "adult"
RECENT = 6
EXAMPLE = str(Path(__file__).parent / "assets" / "example.svg")
STEPS = [
    (
        ":material/upload_file:",
        "Bring a table",
        "CSV, Excel, Parquet or JSON. Delimiters, encodings, dates and gaps are worked out and shown, for you to "
        "correct. A fifth of the rows is locked away as the yardstick.",
    ),
    (
        ":material/model_training:",
        "Train a stand-in",
        "Pick a generator, see how long it will take, watch it learn. It goes on when you close the browser.",
    ),
    (
        ":material/balance:",
        "Judge it",
        "Real beside synthetic, column by column. Each score stands next to what rows of real data that no "
        "generator ever saw would get: is it as good, and does it give anyone away?",
    ),
    (
        ":material/download:",
        "Take it along",
        "As many rows as you like in one click, as CSV, Parquet, JSON lines or Excel, with the columns and formats "
        "of your own file.",
    ),
]

workspace = get_workspace()
datasets, runs = workspace.datasets.find(), workspace.runs.find()


def try_a_sample() -> None:
    """From nothing to a finished comparison: add the sample, train the default generator; the page follows."""
    with st.spinner("Adding the sample table …"):
        dataset = next((d for d in datasets if d.source == f"sample:{SAMPLE}"), None) or workspace.datasets.add_sample(
            SAMPLE
        )
        job = workspace.training.train(dataset.id, default_generator())
    st.query_params["job"] = job.id
    st.rerun()


heading("Tables you can share, from tables you can't")
left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
with left:
    st.markdown(
        "Understudy learns a table and writes new rows that stand in for it: the same columns, the same patterns, other "
        "rows. Then it measures how close they come to the real ones, and whether they give anybody away. Everything "
        "happens on this machine."
    )
    with st.container(horizontal=True):
        if st.button("Try it with a sample", icon=":material/play_arrow:", type="primary"):
            try_a_sample()
        if st.button("Bring my own table", icon=":material/upload_file:"):
            st.switch_page("data.py", query_params={"view": "add"})
    st.caption(
        "The sample is the 1994 census extract “Adult” (UCI, CC BY 4.0): 32,561 people, 15 columns. One click trains a "
        "generator on it and opens the comparison."
    )
with right:
    st.image(EXAMPLE, width="stretch", alt="Ages of the sample's people, and of the rows written in their place: alike")

if job_id := asked_job(workspace):
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
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown("#### Your tables")
        for dataset in datasets[:RECENT]:
            st.page_link(
                "data.py",
                label=f"**{plain(dataset.name)}**  ·  {dataset.rows:,} × {dataset.columns}  ·  {ago(dataset.created)}",
                icon=":material/table:",
                query_params={"dataset": dataset.id},
                help="Look at it on the Data page",
            )
    with right:
        st.markdown("#### Synthetic tables")
        if not runs:
            st.caption("None yet. Train a generator on one of your tables.")
        for run in runs[:RECENT]:
            st.page_link(
                "compare.py",
                label=f"**{plain(names[run.dataset_id])}** by {plain(model_title(run))}  ·  {ago(run.created)}"
                f"  ·  :gray[{figures_in_words(run)}]",
                icon=":material/compare:",
                query_params={"dataset": run.dataset_id, "run": run.id},
                help="Compare it with the real table",
            )
