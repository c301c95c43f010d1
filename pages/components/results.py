"""The evaluation of a run: three figures, each score with its benchmark, runs side by side, downloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from metrics import METRICS, Card, Figure, Score, charts, gate, summary, views
from metrics.verdict import verdict
from pages.components.deletion import ask_to_delete
from pages.components.fields import MOST_ROWS, MOST_SEED, number_field, submit, told
from pages.components.forms import field_label
from pages.components.frame import get_workspace
from pages.components.pictures import ROWS, draw
from pages.components.pictures import table as table_of
from pages.components.references import lost, refusal, remember_job, remembered, seen
from pages.components.release import gate_line, gate_reasons
from pages.components.signin import download_address
from pages.components.words import ago, count, duration, label, moment, plain
from synth import GENERATORS
from workspace.services.reports import changed_params
from workspace.services.runs import EXTERNAL, STOPPED
from workspace.workspace import Dataset, NotFound, Run, Workspace

LEVELS = {
    "better": (":material/verified:", "green", "better than real"),
    "as_good": (":material/check_circle:", "green", "as good as real"),
    "worse": (":material/error:", "orange", "worse than real"),
    "unknown": (":material/help:", "gray", "not evaluated"),
}
FAMILIES = {
    "fidelity": "Does it look like the real data?",
    "utility": "Is it as useful as the real data?",
    "privacy": "Does it reveal real people?",
}
REPORTS = {
    "html": "Report (HTML)",
    "json": "Values (JSON)",
    "csv": "Scores (CSV)",
    "zip": "Charts (PNG)",
}
MOST_ACROSS = 8
"""Runs drawn over one another."""
FORMATS = {"csv": "CSV", "parquet": "Parquet", "jsonl": "JSON lines", "xlsx": "Excel"}


def model_title(run: Run) -> str:
    """The generator's title, or that the table was made outside Understudy."""
    if run.model == EXTERNAL:
        return "External"
    return GENERATORS[run.model].title if run.model in GENERATORS else run.model


def run_title(run: Run) -> str:
    """A run in a few words: CTGAN, 3 Mar 2026, 14:05, 26,049 rows, seed 0."""
    parts = [model_title(run), moment(run.created, st.context.timezone), f"{run.rows:,} rows", f"seed {run.seed}"]
    return "  ·  ".join([*parts, *stops(run)])


def stops(run: Run) -> list[str]:
    """What somebody stopped by hand of a run, in words."""
    return [STOPPED[stage] for stage in run.stopped]


def figures_in_words(run: Run) -> str:
    """The three figures in a few words: fidelity 93, privacy 100; and what was stopped by hand."""
    figures = ", ".join(f"{f.family} {100 * f.value:.0f}" for f in summary(run.scores) if f.value is not None)
    return ", ".join([*([figures] if figures else []), *stops(run)])


def run_picker(workspace: Workspace, runs: dict[str, Run], dataset: Dataset, notices: DeltaGenerator) -> str | None:
    """Which synthetic table of a dataset the page is about; None while the one referred to is not there."""

    def draw(options: list[str], **more: Any) -> None:
        st.selectbox("Synthetic table", options, width=330, **more)

    def refuse(id: str) -> str:
        owner = dataset_of(workspace, id)
        if owner is None:
            return refusal(id, "synthetic table", "Choose another.")
        return f"This synthetic table is of {plain(owner.name)}, not of {plain(dataset.name)}. Choose another."

    labels = {id: run_title(run) for id, run in runs.items()}
    return remembered(
        "run", labels, draw, notices, what="synthetic table", within=dataset.id, clears=("job",), refuse=refuse
    )


def dataset_of(workspace: Workspace, run_id: str) -> Dataset | None:
    """The dataset of a run; None where there is no such run."""
    try:
        return workspace.datasets.get(workspace.runs.get(run_id).dataset_id)
    except NotFound:
        return None


def about(workspace: Workspace, run: Run, dataset: Dataset) -> str:
    """How a run was made, in a line."""
    learned = run.split.of - run.split.rows if run.split.kind == "share" else run.split.of
    changed = ", ".join(f"{_param_label(run, name)} {value}" for name, value in changed_params(run).items())
    evaluated = f"evaluated against {count(run.split.rows, 'held-out row')}" if run.split.rows else "no held-out rows"
    if run.model == EXTERNAL:
        return plain(f"External · {count(run.rows, 'row')} · {evaluated}")
    parts = [
        f"{model_title(run)}{f' ({changed})' if changed else ''} trained on {count(learned, 'row')} of {dataset.name}"
        + (f" in {duration(run.fit_seconds)}" if run.fit_seconds is not None else ""),
        f"generated {count(run.rows, 'row')}"
        + (f" in {duration(run.sample_seconds)}" if run.sample_seconds is not None else ""),
        evaluated,
    ]
    parts += stops(run)
    if replaced := workspace.releases.replaced(run.id):
        how = "removed" if replaced.how == "drop" else "resampled"
        parts.insert(2, f"{count(len(replaced.rows), 'risky row')} {how}")
    return plain(" · ".join(parts))


def _param_label(run: Run, name: str) -> str:
    return field_label(GENERATORS[run.model].Params, name) if run.model in GENERATORS else label(name)


def downloads(run: Run) -> None:
    """The synthetic table as a file: one click, straight from disk."""
    safe = bool(st.session_state.get(f"safe_{run.id}"))
    with st.container(horizontal=True, width="content"):
        st.link_button("Download CSV", _address(run, "csv", safe=safe), type="primary", icon=":material/download:")
        with st.popover("Other formats"):
            for format, name in list(FORMATS.items())[1:]:
                st.link_button(name, _address(run, format), icon=":material/download:", width="stretch")
        if run.scores:
            with st.popover("Report", icon=":material/description:", help="The evaluation, to share."):
                for format, name in REPORTS.items():
                    address = _address(run, format, "report")
                    st.link_button(name, address, icon=":material/download:", width="stretch")


@st.cache_data(max_entries=200, show_spinner=False)
def _formula_cells(_workspace: Workspace, run_id: str) -> int:
    return _workspace.runs.formula_cells(run_id)


def safe_choice(workspace: Workspace, run: Run) -> None:
    """Where a spreadsheet would run cells of the CSV file: how many, and whether to put an apostrophe before them."""
    formula_choice(_formula_cells(workspace, run.id), f"safe_{run.id}")


def formula_choice(cells: int, key: str) -> bool:
    """Whether the visitor wants the CSV file with an apostrophe before its `cells` formulas; not asked without any."""
    if not cells:
        return False
    return st.toggle(
        f"CSV safe for spreadsheets: put an apostrophe before {count(cells, 'cell')}",
        key=key,
        persist_state="session",
        help=f"{count(cells, 'cell')} begin{'s' if cells == 1 else ''} with =, +, - or @; a spreadsheet would run "
        f"{'it' if cells == 1 else 'them'} as formulas. In an Excel file texts stay texts.",
    )


def actions(workspace: Workspace, run: Run) -> None:
    """Generate more rows from the same model, evaluate again, delete."""
    able = [] if run.model == EXTERNAL else ["Generate more rows"]
    match st.menu_button("More", [*able, "Evaluate again", "Delete"], icon=":material/more_horiz:"):
        case "Generate more rows":
            _more_rows(workspace, run)
        case "Evaluate again":
            with told("The job cannot start"):
                remember_job(workspace.training.evaluate(run.id).id)
        case "Delete":
            keeps = "The model and the scores go too; the real table stays."
            ask_to_delete(workspace, run, run_title(run), workspace.runs.delete, keeps)


@st.dialog("Generate more rows")
def _more_rows(workspace: Workspace, run: Run) -> None:
    st.markdown(f"Another synthetic table from this {plain(model_title(run))} model, without training again.")
    problems: list[str] = []
    rows = number_field("Rows to generate", run.rows, problems, low=1, high=MOST_ROWS)
    seed = number_field("Seed", run.seed + 1, problems, low=0, high=MOST_SEED, help="Another seed gives other rows.")
    pressed = submit("Generate", problems, type="primary", icon=":material/play_arrow:")
    if pressed and rows is not None and seed is not None:
        with told("The job cannot start"):
            remember_job(workspace.training.sample(run.id, rows, seed).id)


def _address(run: Run, format: str, what: str = "synthetic", *, safe: bool = False) -> str:
    query = "?spreadsheet_safe=true" if safe else ""
    return download_address(get_workspace(), f"/runs/{run.id}/{what}.{format}{query}")


def marks(workspace: Workspace, run: Run, runs: list[Run]) -> None:
    """What must be known of a synthetic table beside its scores: that it was stopped, is stale, or is there twice."""
    if "training" in run.stopped:
        st.warning(
            "Its training was stopped by hand before its last pass: the model is less than its settings say.",
            icon=":material/front_hand:",
        )
    if "evaluation" in run.stopped:
        st.warning("Its evaluation was cancelled: scores may be missing.", icon=":material/front_hand:")
    stale = workspace.runs.stale(run)
    if stale:
        again = any(one.again for one in stale)
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            text = plain(" ".join(one.text for one in stale))
            rest = "" if all(one.again for one in stale) else " Train again for a table of the dataset as it is now."
            st.markdown(f":orange-badge[:material/history: Stale scores] {text}{rest}", width="stretch")
            if again and st.button("Score again", icon=":material/replay:"):
                with told("The job cannot start"):
                    remember_job(workspace.training.evaluate(run.id).id)
    twin = workspace.runs.same_as(runs).get(run.id)
    if twin is not None:
        title = next(run_title(one) for one in runs if one.id == twin)
        st.caption(f":material/content_copy: Same settings and seed as {plain(title)}: the rows are the same.")


def scores(workspace: Workspace, run: Run) -> None:
    """Three figures, the scorecard, each metric in words, and any of them in detail."""
    if run.broken:
        st.warning(plain(run.broken), title="Damaged", icon=":material/broken_image:")
        return
    if not run.scores:
        st.info(run.note or "This synthetic table has not been evaluated.", icon=":material/hourglass_empty:")
        return
    if run.note:
        st.warning(plain(run.note), icon=":material/warning:")
    figures = summary(run.scores)
    with st.grid(3, min_column_width=280):
        for figure in figures:
            _figure_card(run, figure)
    checked = gate(run.scores, workspace.thresholds.of(run.dataset_id))
    line, icon = gate_line(checked)
    with st.expander(line, icon=icon):
        gate_reasons(checked)
    found = {name: run.scores[name] for name in METRICS if name in run.scores}
    draw(charts.scorecard_figure([METRICS[name].card for name in found], found), f"scorecard_{run.id}")
    st.caption(
        "The benchmark is the same metric with held-out real rows in place of the synthetic ones: the best that can be "
        "expected. A difference counts when it is larger than chance. Where the number of rows matters, the sentence "
        "compares as many synthetic rows as there are held-out ones."
    )
    _closer(run, found)
    for family, question in FAMILIES.items():
        members = {name: score for name, score in found.items() if METRICS[name].card.family == family}
        if members:
            st.markdown(f"##### {label(family)}: {question}")
            score_table({name: METRICS[name].card for name in members}, members)


def _closer(run: Run, found: dict[str, Score]) -> None:
    """One metric: its question, its result, its charts."""
    with st.container(border=True):
        name = st.selectbox(
            "Metric in detail", list(found), format_func=lambda name: METRICS[name].card.title, width=340, key="metric"
        )
        card, score = METRICS[name].card, found[name]
        st.markdown(f"**{card.question}** {verdict(card, score).text} {card.why}")
        if card.source:
            st.caption(f"Source: {card.source}")
        pictures = charts.score_figures(score, card)
        for place, figure in enumerate(pictures):
            draw(figure, f"{run.id}_{name}_{place}")
        if not pictures:
            st.caption("This metric has no chart here.")


def _figure_card(run: Run, figure: Figure) -> None:
    icon, color, word = LEVELS[figure.level]
    with st.container(border=True, height="stretch", gap="small"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{figure.title}**")
            st.badge(word, icon=icon, color=color)
        st.metric(
            FAMILIES[figure.family],
            "–" if figure.value is None else f"{100 * figure.value:.0f} of 100",
            help="100 = as good as held-out real rows.",
        )
        st.caption(plain(_in_short(run, figure)))


def _in_short(run: Run, figure: Figure) -> str:
    """The metric furthest below its benchmark, or that there is none."""
    if figure.value is None:
        return figure.text
    if figure.weakest is None:
        return "As good as held-out real rows on every metric."
    weakest = METRICS[figure.weakest].card
    return f"Weakest metric: “{weakest.title}”. {verdict(weakest, run.scores[figure.weakest]).text}"


def score_table(cards: Mapping[str, Card], found: dict[str, Score]) -> None:
    """Each metric in words: its question, and its result for the synthetic table or conversation set."""
    lines = []
    for name, score in found.items():
        card, said = cards[name], verdict(cards[name], score)
        icon, color, _ = LEVELS[said.level]
        sentence = " ".join(dict.fromkeys((said.text, score.note))).strip()
        lines.append(
            {
                "Metric": f"**{card.title}**",
                "Question": plain(card.question),
                "Result": f":{color}-badge[{icon}] {plain(sentence)}",
            }
        )
    st.table(pd.DataFrame(lines), hide_index=True, border="horizontal", alt="Each score in a sentence")


def all_runs(workspace: Workspace, runs: list[Run]) -> None:
    """All synthetic tables of a dataset in one list and one chart."""
    figures = {run.id: {figure.family: figure.value for figure in summary(run.scores)} for run in runs}
    names = {run.id: f"#{len(runs) - place} {model_title(run)}" for place, run in enumerate(runs)}
    seen(names)
    twins = workspace.runs.same_as(runs)
    remarks = {
        run.id: [
            *stops(run),
            *(["stale scores"] if workspace.runs.stale(run) else []),
            *([f"same settings and seed as {names[twins[run.id]].split(' ')[0]}"] if run.id in twins else []),
        ]
        for run in runs
    }
    table = pd.DataFrame(
        [
            {
                "run": "  ·  ".join([names[run.id], ago(run.created), *remarks[run.id]]),
                "rows": run.rows,
                "seconds": run.fit_seconds,
            }
            | {
                family: None if figures[run.id][family] is None else 100 * figures[run.id][family]
                for family in FAMILIES
            }
            | {name: run.scores[name].value if name in run.scores else None for name in METRICS}
            for run in runs
        ]
    )
    percent = {
        family: st.column_config.ProgressColumn(label(family), min_value=0, max_value=100, format="%.0f", color="auto")
        for family in FAMILIES
    }
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            "run": st.column_config.TextColumn("Synthetic table", pinned=True, width="large"),
            "rows": st.column_config.NumberColumn("Rows", format="localized"),
            "seconds": st.column_config.NumberColumn("Training time", format="%.0f s"),
            **percent,
            **{
                name: st.column_config.NumberColumn(metric.card.title, format="%.3f", help=metric.card.question)
                for name, metric in METRICS.items()
            },
        },
        alt="All synthetic tables of this dataset with their scores",
    )
    view = views.runs_view(
        {
            "id": run.id,
            "name": names[run.id],
            "model": model_title(run),
            "seconds": run.fit_seconds,
            **{family: figures[run.id][family] for family in FAMILIES},
        }
        for run in runs
    )
    draw(charts.runs_figure(view), "runs")
    shapes = {names[run.id]: run.scores["column_shapes"] for run in runs if "column_shapes" in run.scores}
    draw(charts.runs_columns_figure(shapes), "runs_columns")
    _column_across(workspace, runs, names)


def _column_across(workspace: Workspace, runs: list[Run], names: dict[str, str]) -> None:
    """One column of the real rows and of the chosen synthetic tables, in one chart."""
    newest = runs[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Column", newest.schema.names, key=f"across_{newest.dataset_id}", width=300)
        having = [run.id for run in runs if name in run.schema.names]
        key = f"across_runs_{newest.dataset_id}_{name}"
        gone = lost(key, having)
        chosen = st.multiselect(
            "Synthetic tables",
            having,
            having[:MOST_ACROSS],
            format_func=lambda id: names.get(id, id),
            max_selections=MOST_ACROSS,
            key=key,
            on_change=lambda: st.session_state.pop(f"{key}_lost", None),
            width=620,
        )
    if gone:
        st.warning(f"{count(len(gone), 'synthetic table')} chosen here was deleted; the chart is without it.")
    # The real rows, and what the column is, are those of the newest run.
    real, column = table_of(workspace, newest.id, "train"), newest.schema[name]
    made = {names[run_id]: table_of(workspace, run_id, "synthetic") for run_id in chosen}
    draw(charts.column_across_figure(views.column_across_view(real, made, column)), "across")
    if max(run.rows for run in runs) > ROWS:
        st.caption(f"Drawn from at most {ROWS:,} random rows of each table.")
