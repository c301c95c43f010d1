"""A conversation set: its progress, dialogues as chat bubbles, edits, scores, downloads."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from metrics import DIALOGUE_METRICS, Score
from metrics.charts import column_figure
from metrics.dialogue.learned import DetectorDetail
from metrics.dialogue.model_judge import MODEL_JUDGE
from pages.components.conversation_form import typed_key
from pages.components.deletion import ask_to_delete
from pages.components.pictures import draw
from pages.components.progress import ACTIVE, job_card
from pages.components.references import remembered
from pages.components.results import formula_choice, score_table
from pages.components.words import moment, plain
from synth.conversations import Dialogue, Turn
from synth.conversations.formats import FileForm
from synth.conversations.writer import Written
from workspace.workspace import ConversationSet, Job, NotFound, Workspace

FORMS: dict[FileForm, str] = {
    "csv": "CSV",
    "openai": "OpenAI fine-tuning",
    "sharegpt": "ShareGPT",
    "parquet": "Parquet",
}
PAGE = 10
ADDRESS = "talk"
"""What links to a set call it, those that somebody saved included."""


def set_picker(workspace: Workspace, notices: DeltaGenerator) -> ConversationSet | None:
    """The set to show; None while there is none, or while the one referred to is not there."""
    sets = {shown.id: shown for shown in workspace.conversations.find()}
    labels = {
        id: f"{one.name}  ·  {one.order.brief.dialogues:,} dialogues  ·  {moment(one.created, st.context.timezone)}"
        for id, one in sets.items()
    }

    def draw(options: list[str], **more: Any) -> None:
        st.selectbox("Conversation set", options, **more)

    picked = remembered(ADDRESS, labels, draw, notices, what="conversation set")
    return sets[picked] if picked else None


def show(workspace: Workspace, shown: ConversationSet) -> None:
    """The set, live while it is being written."""
    job = _job_of(workspace, shown)
    active = job is not None and job.state in ACTIVE

    @st.fragment(run_every="1s" if active else None)
    def live() -> None:
        now = _job_of(workspace, shown)
        if now is not None and (active or now.state != "done"):
            job_card(workspace, now)
        made = workspace.conversations.written(shown.id)
        _spent(workspace.conversations.get(shown.id), made)
        if active:
            for dialogue in reversed(workspace.conversations.made(shown.id)[-5:]):
                _bubbles(dialogue)
        if active and (now is None or now.state not in ACTIVE):
            st.rerun()

    live()
    if not active:
        _finished(workspace, workspace.conversations.get(shown.id))


def _job_of(workspace: Workspace, shown: ConversationSet) -> Job | None:
    """The job that writes a set, unless it was deleted."""
    try:
        return workspace.jobs.get(shown.job_id) if shown.job_id else None
    except NotFound:
        return None


def _spent(shown: ConversationSet, made: list[Written]) -> None:
    asked = shown.order.brief.dialogues
    tokens = sum(line.input_tokens + line.output_tokens for line in made)
    with st.container(horizontal=True):
        st.metric("Dialogues", f"{len(made):,} of {asked:,}", width="content")
        st.metric(
            "Tokens",
            f"{shown.outcome.get('input_tokens', 0) + shown.outcome.get('output_tokens', 0) or tokens:,}",
            width="content",
        )
        if shown.outcome.get("dollars"):
            st.metric("Cost", f"${shown.outcome['dollars']:,.4f}", width="content")


def _finished(workspace: Workspace, shown: ConversationSet) -> None:
    made = workspace.conversations.written(shown.id)
    if shown.note:
        st.warning(plain(shown.note), icon=":material/info:")
    asked = shown.order.brief.dialogues
    safe = bool(made) and formula_choice(workspace.conversations.formula_cells(shown.id), f"safe_{shown.id}")
    with st.container(horizontal=True):
        if made:
            for form, name in FORMS.items():
                file = workspace.conversations.export(shown.id, form, spreadsheet_safe=safe and form == "csv")
                st.download_button(
                    name,
                    file.read_bytes(),
                    file.name,
                    icon=":material/download:",
                    type="primary" if form == "csv" else "secondary",
                )
        if len(made) < asked and st.button(f"Write the missing {asked - len(made)}", icon=":material/play_arrow:"):
            _go_on(workspace, shown)
        if st.button("Delete conversation set", icon=":material/delete:", type="tertiary"):
            ask_to_delete(workspace, shown, shown.name, workspace.conversations.delete, "Its source file stays.")
    dialogues, scores = st.tabs(["Dialogues", "Evaluation"])
    with dialogues:
        _pages(workspace, shown, made)
    with scores:
        _scores(workspace, shown)


def _go_on(workspace: Workspace, shown: ConversationSet) -> None:
    """Write the missing dialogues, with the key of this session or of the settings."""
    workspace.conversations.resume(shown.id, typed_key(shown))
    st.rerun()


def _pages(workspace: Workspace, shown: ConversationSet, made: list[Written]) -> None:
    if not made:
        st.caption("No dialogue was written.")
        return
    pages = (len(made) + PAGE - 1) // PAGE
    page = st.pagination(pages, key=f"page_{shown.id}") if pages > 1 else 1
    for line in made[(page - 1) * PAGE : page * PAGE]:
        if (dialogue := line.dialogue) is not None:
            with st.container(border=True):
                st.caption(" · ".join([dialogue.id, *(f"{k}: {plain(v)}" for k, v in dialogue.labels.items())]))
                _bubbles(dialogue)
                _changes(workspace, shown, line.index, dialogue)


def _bubbles(dialogue: Dialogue) -> None:
    first = dialogue.turns[0].role
    for turn in dialogue.turns:
        with st.chat_message("user" if turn.role == first else "assistant"):
            st.caption(plain(turn.role))
            st.text(turn.text)


def _changes(workspace: Workspace, shown: ConversationSet, index: int, dialogue: Dialogue) -> None:
    key = f"{shown.id}_{index}"
    with st.container(horizontal=True):
        with st.popover("Edit", icon=":material/edit:"):
            table = pd.DataFrame([turn.model_dump() for turn in dialogue.turns])
            edited = st.data_editor(table, num_rows="dynamic", hide_index=True, key=f"edit_{key}")
            if st.button("Save", key=f"keep_{key}", type="primary"):
                turns = [Turn.model_validate(row) for row in edited.dropna().to_dict("records")]
                workspace.conversations.set_dialogue(shown.id, index, dialogue.model_copy(update={"turns": turns}))
                st.rerun()
        if st.button("Reject", icon=":material/close:", key=f"reject_{key}", help="Removes the dialogue from the set."):
            workspace.conversations.set_dialogue(shown.id, index, None)
            st.rerun()
        if st.button("Rewrite", icon=":material/replay:", key=f"again_{key}", help="Asks the model for a replacement."):
            workspace.conversations.set_dialogue(shown.id, index, None, again=True)
            _go_on(workspace, shown)


def _scores(workspace: Workspace, shown: ConversationSet) -> None:
    scores = workspace.conversations.scores(shown.id)
    if not scores:
        st.caption("Not evaluated yet.")
        return
    cards = {name: metric.card for name, metric in DIALOGUE_METRICS.items()} | {"model_judge": MODEL_JUDGE}
    score_table(cards, {name: score for name, score in scores.items() if name in cards})
    st.caption(
        "The benchmark of each metric is its value for the fifth of the real dialogues that was held out, in place of the "
        "synthetic ones."
    )
    for view in workspace.conversations.pictures(shown.id):
        with st.container(border=True):
            draw(column_figure(view), f"set_{shown.id}_{view['column']}")
    _extremes(workspace, shown, scores)


def _extremes(workspace: Workspace, shown: ConversationSet, scores: dict[str, Score]) -> None:
    """The dialogues that a classifier finds hardest, and easiest, to tell from real ones."""
    found = scores["dialogue_detector"].detail_as(DetectorDetail) if "dialogue_detector" in scores else None
    made = {dialogue.id: dialogue for dialogue in workspace.conversations.made(shown.id)}
    for title, names in (
        ("Hardest to tell from real ones", found.most_real if found else []),
        ("Easiest to tell from real ones", found.least_real if found else []),
    ):
        for name in names[:1]:
            if name in made:
                st.markdown(f"##### {title}: {name}")
                _bubbles(made[name])
