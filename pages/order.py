"""The order of a set of conversations, as a form: from which file, what, by which model, for how much."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from pages.forms import complaints
from pages.words import plain
from synth.conversations import Brief, Dialogue, Shape, brief_from
from synth.conversations.local import INSTALL, installed
from synth.conversations.redact import LIMIT
from workspace.orders import Order
from workspace.workspace import Dataset, Workspace

FORMS = {
    "turns": "one turn per row",
    "conversations": "one conversation per row",
    "pairs": "question and answer",
    "utterances": "single utterances",
    "tickets": "tickets with attributes",
}
KINDS = ("support", "sales", "my own kind")
LOCAL, ELSEWHERE = "Small model on this machine", "OpenAI or a compatible server"
SHOWN_LEVELS = 12


def order_form(workspace: Workspace) -> tuple[Dataset | None, list[Dialogue], Order | None]:
    """The file to write from, if any, its dialogues, and the order; None while something in it does not fit."""
    datasets = {dataset.id: dataset for dataset in workspace.datasets()}
    picked = st.selectbox(
        "Write from",
        [None, *datasets],
        format_func=lambda id: datasets[id].name if id else "A description alone",
        key="talk_source",
        persist_state="session",
        help="Bring a CSV of conversations on the Data page; any of the usual shapes is found.",
    )
    dataset = datasets.get(picked)
    shape, source = (None, []) if dataset is None else _shape(workspace, dataset)
    if dataset is not None and shape is None:
        return dataset, source, None
    try:
        brief, intent = _brief(shape, source)
        order = _where(workspace, brief, shape, intent)
    except ValidationError as error:
        for sentence in complaints(error):
            st.error(plain(sentence), icon=":material/edit:")
        return dataset, source, None
    return dataset, source, order


@st.cache_data(show_spinner="Reading the conversations", max_entries=4)
def _found(_workspace: Workspace, dataset_id: str) -> Shape:
    return _workspace.find_shape(dataset_id)


@st.cache_data(show_spinner="Reading the conversations", max_entries=4)
def _dialogues(_workspace: Workspace, dataset_id: str, shape: Shape) -> list[Dialogue]:
    return _workspace.dialogues(dataset_id, shape)


def _shape(workspace: Workspace, dataset: Dataset) -> tuple[Shape | None, list[Dialogue]]:
    """How the file holds conversations, found and shown for correction."""
    try:
        found = _found(workspace, dataset.id)
    except ValueError as problem:
        st.error(plain(problem))
        return None, []
    names = dataset.schema.names
    with st.expander(f"Read as {FORMS[found.form]}", icon=":material/table_rows:"):
        form = st.selectbox("A row is", list(FORMS), list(FORMS).index(found.form), format_func=FORMS.get)
        parts = {}
        for part, title in (("id", "Conversation"), ("role", "Who speaks"), ("text", "Text"), ("answer", "Answer")):
            value = getattr(found, part)
            choice = [None, *names]
            parts[part] = st.selectbox(title, choice, choice.index(value), format_func=lambda name: name or "none")
        labels = st.multiselect("What describes a conversation", names, found.labels)
    shape = found.model_copy(update={"form": form, "labels": labels, **parts})
    try:
        source = _dialogues(workspace, dataset.id, shape)
    except (ValueError, KeyError) as problem:
        st.error(plain(problem))
        return None, []
    turns = sum(len(dialogue.turns) for dialogue in source)
    st.caption(f"{len(source):,} conversations to learn from, {turns:,} turns; a fifth more are kept to judge against.")
    return shape, source


def _brief(shape: Shape | None, source: list[Dialogue]) -> tuple[Brief, str | None]:
    kind = st.segmented_control("Kind", KINDS, default=KINDS[0], required=True)
    if kind == KINDS[2]:
        kind = st.text_input("Which kind", "technical troubleshooting")
    business = st.text_area(
        "The business, in words",
        placeholder="An online shop for bicycle parts in the Netherlands. Returns are free within 30 days.",
        height=90,
    )
    with st.container(horizontal=True):
        dialogues = st.number_input("Dialogues", 1, 100_000, 20)
        seed = st.number_input("Seed", 0, None, 0, help="The same seed plans the same set.")
    labels = shape.labels if shape else []
    intent = (
        st.selectbox(
            "Intents from the column", labels, key="talk_intent", help="Its values are offered below with their shares."
        )
        if labels
        else None
    )
    counts = pd.Series([dialogue.labels.get(intent, "") for dialogue in source], dtype=object).value_counts()
    shares = _shares("Intents", {str(k): int(v) for k, v in counts.head(SHOWN_LEVELS).items() if k})
    asked = {"kind": kind, "business": business, "dialogues": dialogues, "seed": seed, "intents": shares}
    with st.expander("Outcomes, people, style", icon=":material/tune:"):
        asked["outcomes"] = _shares("Outcomes", {"solved": 3, "passed on": 1})
        asked["personas"] = _shares("Personas", {})
        asked["products"] = _shares("Products", {})
        asked["languages"] = _shares("Languages", {})
        asked["tones"] = _shares("Tones", {})
        asked["temperature"] = st.slider("Temperature", 0.0, 2.0, 0.9, 0.1)
        if not any(len(dialogue.turns) > 1 for dialogue in source):
            low, high = st.slider("Turns", 2, 40, (4, 8), 2)
            asked["turns"] = dict.fromkeys(range(low, high + 1, 2), 1.0)
            roles = st.text_input("Who speaks, with commas", "customer, agent")
            asked["roles"] = tuple(role.strip() for role in roles.split(",") if role.strip())
        asked["examples"] = st.slider(
            "Real examples in each prompt",
            0,
            5,
            2 if source else 0,
            disabled=not source,
            help=f"0: no real text leaves this machine. {LIMIT}",
        )
    return brief_from(source, **asked), intent


def _shares(title: str, start: dict[str, float]) -> dict[str, float]:
    """A small grid of values and shares; shares are relative to one another."""
    st.caption(title)
    table = pd.DataFrame(
        {"value": pd.Series(list(start), dtype="string"), "share": pd.Series(list(start.values()), dtype=float)}
    )
    edited = st.data_editor(
        table,
        num_rows="dynamic",
        hide_index=True,
        key=f"shares_{title}_{hash(tuple(start.items()))}",
        column_config={
            "value": st.column_config.TextColumn(title, required=True),
            "share": st.column_config.NumberColumn("Share", min_value=0.0, default=1.0, help="Relative to the others."),
        },
    )
    return {str(value): float(share) for value, share in edited.dropna().itertuples(index=False) if share > 0}


def _where(workspace: Workspace, brief: Brief, shape: Shape | None, intent: str | None) -> Order | None:
    where = st.segmented_control("Written by", (ELSEWHERE, LOCAL), default=ELSEWHERE, required=True)
    if where == LOCAL:
        st.caption(
            "SmolLM2 with 135 million parameters: it shows how this works, without a network or a key. Its dialogues "
            "are fluent and often make no sense; for real use choose a real model."
        )
        if not installed():
            st.info(INSTALL, icon=":material/download:")
            return None
        return Order(brief=brief, server=workspace.server(), local=True, shape=shape, intent=intent)
    settings = workspace.settings
    url = st.text_input("Base URL", settings.llm_base_url)
    key = st.text_input(
        "API key",
        type="password",
        placeholder="from the settings" if settings.llm_api_key.get_secret_value() else "sk-...",
        help="Kept encrypted until the job ends, in no log and in no saved run.",
    )
    with st.container(horizontal=True):
        model = st.text_input("Model", settings.llm_model)
        at_once = st.number_input("Requests at once", 1, 256, 8)
    budget = st.number_input(
        "Budget in US dollars", 0.0, None, None, placeholder="no limit", help="Writing stops before it is passed."
    )
    judged = st.number_input(
        "Dialogues to be judged by the model",
        0,
        1000,
        0,
        help="It marks coherence, parts and resolution from 1 to 5, of as many written and real dialogues; this costs requests.",
    )
    batch = st.toggle("Batch: half the price, within a day", help="Through OpenAI's batch interface; for large sets.")
    server = workspace.server(base_url=url, api_key=key or None, model=model, at_once=at_once)
    if not server.is_local:
        shown = (
            "Example dialogues, with personal data replaced,"
            if brief.examples and shape
            else "No real text, only shares and words of yours,"
        )
        st.caption(f":material/public: {shown} will be sent to {plain(url)}.")
    return Order(brief=brief, server=server, shape=shape, intent=intent, budget=budget, batch=batch, judged=judged)
