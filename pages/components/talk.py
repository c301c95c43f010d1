"""A set of written conversations: progress, chat bubbles, changes to single dialogues, scores, files."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from metrics import DIALOGUE_METRICS, Score
from metrics.charts import column_figure
from metrics.dialogue.learned import DetectorDetail
from metrics.dialogue.model_judge import MODEL_JUDGE
from pages.components.frame import remembered
from pages.components.order import typed_key
from pages.components.pictures import draw
from pages.components.progress import ACTIVE, job_card
from pages.components.results import score_table
from pages.components.words import moment, plain
from synth.conversations import Dialogue, Turn
from synth.conversations.writer import Written
from workspace.workspace import ConversationSet, Workspace

FORMS = {"csv": "CSV", "openai": "OpenAI fine-tuning", "sharegpt": "ShareGPT", "parquet": "Parquet"}
PAGE = 10


def talk_picker(workspace: Workspace) -> ConversationSet | None:
    """The set to show, or None while there is none."""
    talks = {talk.id: talk for talk in workspace.conversations.find()}

    def draw(key: str, chosen: Callable[[], None]) -> None:
        st.selectbox(
            "Set",
            list(talks),
            format_func=lambda id: (
                f"{talks[id].name}  ·  {talks[id].order.brief.dialogues:,} asked  ·  {moment(talks[id].created, st.context.timezone)}"
            ),
            key=key,
            on_change=chosen,
        )

    picked = remembered("talk", list(talks), draw)
    return talks[picked] if picked else None


def show(workspace: Workspace, talk: ConversationSet) -> None:
    """The set, live while it is being written."""
    job = workspace.jobs.get(talk.job_id)
    active = job.state in ACTIVE

    @st.fragment(run_every="1s" if active else None)
    def live() -> None:
        now = workspace.jobs.get(talk.job_id)
        if active or now.state != "done":
            job_card(workspace, now)
        made = workspace.conversations.written(talk.id)
        _spent(workspace.conversations.get(talk.id), made)
        if active:
            for line in reversed(made[-5:]):
                _bubbles(line.dialogue)
        if active and now.state not in ACTIVE:
            st.rerun()

    live()
    if not active:
        _finished(workspace, workspace.conversations.get(talk.id))


def _spent(talk: ConversationSet, made: list[Written]) -> None:
    asked = talk.order.brief.dialogues
    tokens = sum(line.input_tokens + line.output_tokens for line in made)
    with st.container(horizontal=True):
        st.metric("Dialogues", f"{len(made):,} of {asked:,}", width="content")
        st.metric(
            "Tokens",
            f"{talk.outcome.get('input_tokens', 0) + talk.outcome.get('output_tokens', 0) or tokens:,}",
            width="content",
        )
        if talk.outcome.get("dollars"):
            st.metric("Cost", f"${talk.outcome['dollars']:,.4f}", width="content")


def _finished(workspace: Workspace, talk: ConversationSet) -> None:
    made = workspace.conversations.written(talk.id)
    if talk.note:
        st.warning(plain(talk.note), icon=":material/info:")
    asked = talk.order.brief.dialogues
    with st.container(horizontal=True):
        if made:
            for form, name in FORMS.items():
                file = workspace.conversations.export(talk.id, form)
                st.download_button(
                    name,
                    file.read_bytes(),
                    file.name,
                    icon=":material/download:",
                    type="primary" if form == "csv" else "secondary",
                )
        if len(made) < asked and st.button(f"Write the missing {asked - len(made)}", icon=":material/play_arrow:"):
            _go_on(workspace, talk)
        if st.button("Delete set", icon=":material/delete:", type="tertiary"):
            workspace.conversations.delete(talk.id)
            st.query_params.pop("talk", None)
            st.session_state.pop("talk_kept", None)
            st.rerun()
    dialogues, scores = st.tabs(["Dialogues", "Beside the real ones"])
    with dialogues:
        _pages(workspace, talk, made)
    with scores:
        _scores(workspace, talk)


def _go_on(workspace: Workspace, talk: ConversationSet) -> None:
    """Have what is missing written, with the key of this session or of the settings."""
    workspace.conversations.resume(talk.id, typed_key(talk))
    st.rerun()


def _pages(workspace: Workspace, talk: ConversationSet, made: list[Written]) -> None:
    if not made:
        st.caption("No dialogue was written.")
        return
    pages = (len(made) + PAGE - 1) // PAGE
    page = st.pagination(pages, key=f"page_{talk.id}") if pages > 1 else 1
    for line in made[(page - 1) * PAGE : page * PAGE]:
        with st.container(border=True):
            st.caption(" · ".join([line.dialogue.id, *(f"{k}: {plain(v)}" for k, v in line.dialogue.labels.items())]))
            _bubbles(line.dialogue)
            _changes(workspace, talk, line)


def _bubbles(dialogue: Dialogue) -> None:
    first = dialogue.turns[0].role
    for turn in dialogue.turns:
        with st.chat_message("user" if turn.role == first else "assistant"):
            st.caption(plain(turn.role))
            st.text(turn.text)


def _changes(workspace: Workspace, talk: ConversationSet, line: Written) -> None:
    key = f"{talk.id}_{line.index}"
    with st.container(horizontal=True):
        with st.popover("Edit", icon=":material/edit:"):
            table = pd.DataFrame([turn.model_dump() for turn in line.dialogue.turns])
            edited = st.data_editor(table, num_rows="dynamic", hide_index=True, key=f"edit_{key}")
            if st.button("Keep", key=f"keep_{key}", type="primary"):
                turns = [Turn(role=row.role, text=row.text) for row in edited.dropna().itertuples()]
                workspace.conversations.set_dialogue(
                    talk.id, line.index, line.dialogue.model_copy(update={"turns": turns})
                )
                st.rerun()
        if st.button("Reject", icon=":material/close:", key=f"reject_{key}", help="Takes it out of the set."):
            workspace.conversations.set_dialogue(talk.id, line.index, None)
            st.rerun()
        if st.button(
            "Write again", icon=":material/replay:", key=f"again_{key}", help="Asks the model for another in its place."
        ):
            workspace.conversations.set_dialogue(talk.id, line.index, None, again=True)
            _go_on(workspace, talk)


def _scores(workspace: Workspace, talk: ConversationSet) -> None:
    scores = workspace.conversations.scores(talk.id)
    if not scores:
        st.caption("It has not been judged yet.")
        return
    cards = {name: metric.card for name, metric in DIALOGUE_METRICS.items()} | {"model_judge": MODEL_JUDGE}
    score_table(cards, {name: score for name, score in scores.items() if name in cards})
    st.caption(
        "“Real” is the same measurement with the fifth of the real dialogues that was kept back, in the place of the "
        "written ones."
    )
    for view in workspace.conversations.pictures(talk.id):
        with st.container(border=True):
            draw(column_figure(view), f"talk_{talk.id}_{view['column']}")
    _extremes(workspace, talk, scores)


def _extremes(workspace: Workspace, talk: ConversationSet, scores: dict[str, Score]) -> None:
    """The dialogues that a classifier could least, and most easily, tell from real ones."""
    found = scores["dialogue_detector"].detail_as(DetectorDetail) if "dialogue_detector" in scores else None
    made = {line.dialogue.id: line.dialogue for line in workspace.conversations.written(talk.id)}
    for title, names in (
        ("Most like the real ones", found.most_real if found else []),
        ("Easiest to tell from real ones", found.least_real if found else []),
    ):
        for name in names[:1]:
            if name in made:
                st.markdown(f"##### {title}: {name}")
                _bubbles(made[name])
