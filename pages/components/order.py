"""The order of a set of conversations, as a form: from which file, what, by which model, for how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import SecretStr, ValidationError

from pages.components.forms import complaints
from pages.components.uploads import TYPES, add_files
from pages.components.words import count, plain
from synth.conversations import Dialogue, Shape, brief_from
from synth.conversations.local_model import INSTALL, installed
from synth.conversations.order import ConversationRequest
from synth.conversations.redact import LIMIT
from workspace.workspace import ConversationSet, Dataset, Workspace

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


@dataclass(frozen=True)
class Sourced:
    """An order, with the file it is written from, if any, and the dialogues in that."""

    order: ConversationRequest
    dataset: Dataset | None = None
    source: list[Dialogue] = field(default_factory=list)


def order_form(workspace: Workspace) -> list[Sourced]:
    """The orders, one for each file or one from a description; none while something does not fit."""
    _bring(workspace)
    datasets = {dataset.id: dataset for dataset in workspace.datasets.find()}
    if "talk_sources" in st.session_state:
        # One of them may have been deleted since.
        st.session_state.talk_sources = [id for id in st.session_state.talk_sources if id in datasets]
    picked = st.multiselect(
        "Write from",
        list(datasets),
        format_func=lambda id: datasets[id].name,
        key="talk_sources",
        persist_state="session",
        placeholder="A description alone",
        help="Files that hold conversations in any of the usual shapes; of several each becomes a set of its own.",
    )
    read = [(datasets[id], *_shape(workspace, datasets[id], alone=len(picked) == 1)) for id in picked]
    read = [(dataset, shape, source) for dataset, shape, source in read if shape is not None]
    if picked and not read:
        return []
    shapes, sources = [shape for _, shape, _ in read], [source for _, _, source in read]
    try:
        asked, intent = _asked(shapes, sources)
        where = _where(workspace, sends_text=bool(picked and asked["examples"]), several=len(read) > 1)
        if where is None:
            return []
        if not read:
            return [Sourced(ConversationRequest(brief=brief_from([], **asked), **where))]
        return [
            Sourced(
                _order(asked, where, shape, source, intent if len(read) == 1 else first_label(shape)), dataset, source
            )
            for dataset, shape, source in read
        ]
    except ValidationError as error:
        for sentence in complaints(error):
            st.error(plain(sentence), icon=":material/edit:")
        return []


def _order(asked: dict, where: dict, shape: Shape, source: list[Dialogue], intent: str | None) -> ConversationRequest:
    """Shares of intents that were not typed in are those of the file."""
    brief = brief_from(source, intent=None if "intents" in asked else intent, **asked)
    return ConversationRequest(brief=brief, shape=shape, intent=intent, **where)


def first_label(shape: Shape) -> str | None:
    """The column whose values are most likely what a conversation is about."""
    return shape.labels[0] if shape.labels else None


def _bring(workspace: Workspace) -> None:
    """Take files of conversations, and choose them; one that cannot be read does not lose the others."""
    files = st.file_uploader(
        "Bring files of conversations, several at once",
        type=TYPES,
        accept_multiple_files=True,
        key=f"talk_files_{st.session_state.setdefault('talk_round', 0)}",
        max_upload_size=workspace.settings.max_upload_mb,
    )
    if files:
        added, st.session_state.talk_refused = add_files(workspace, files)
        if added:
            st.session_state.talk_sources = [dataset.id for dataset in added]
        # A new key empties the uploader, and with it the memory its files take.
        st.session_state.talk_round += 1
        st.rerun()
    for name, reason in st.session_state.get("talk_refused", {}).items():
        st.error(plain(reason), title=f"{plain(name)} was not added", icon=":material/block:")


@st.cache_data(show_spinner="Reading the conversations", max_entries=4)
def _found(_workspace: Workspace, dataset_id: str) -> Shape:
    return _workspace.conversations.find_shape(dataset_id)


@st.cache_data(show_spinner="Reading the conversations", max_entries=4)
def _dialogues(_workspace: Workspace, dataset_id: str, shape: Shape) -> list[Dialogue]:
    return _workspace.conversations.dialogues(dataset_id, shape)


def _shape(workspace: Workspace, dataset: Dataset, *, alone: bool) -> tuple[Shape | None, list[Dialogue]]:
    """How the file holds conversations, found and, where it is the only one, shown for correction."""
    try:
        found = _found(workspace, dataset.id)
        if not alone:
            source = _dialogues(workspace, dataset.id, found)
            st.caption(
                f"{plain(dataset.name)}: {FORMS[found.form]}, {count(len(source), 'conversation')} to learn from."
            )
            return found, source
    except ValueError as problem:
        st.error(plain(problem), title=plain(dataset.name))
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


def _asked(shapes: list[Shape], sources: list[list[Dialogue]]) -> tuple[dict[str, Any], str | None]:
    """What the brief shall say, and the column with the intents of a single file; several have their own shares."""
    several = len(shapes) > 1
    source = [dialogue for one in sources for dialogue in one]
    kind = st.segmented_control("Kind", KINDS, default=KINDS[0], required=True)
    if kind == KINDS[2]:
        kind = st.text_input("Which kind", "technical troubleshooting")
    business = st.text_area(
        "The business, in words",
        placeholder="An online shop for bicycle parts in the Netherlands. Returns are free within 30 days.",
        height=90,
    )
    with st.container(horizontal=True):
        dialogues = st.number_input("Dialogues from each file" if several else "Dialogues", 1, 100_000, 20)
        seed = st.number_input("Seed", 0, None, 0, help="The same seed plans the same set.")
    asked = {"kind": kind, "business": business, "dialogues": dialogues, "seed": seed}
    intent = None
    if several:
        st.caption("Intents and their shares, roles and lengths are those of each file.")
    else:
        intent, asked["intents"] = _intents(shapes, source)
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
    return asked, intent


def _intents(shapes: list[Shape], source: list[Dialogue]) -> tuple[str | None, dict[str, float]]:
    """Which column holds the intents, and their shares, as they are in the file until they are changed."""
    intent = None
    if shapes and shapes[0].labels:
        intent = st.selectbox(
            "Intents from the column",
            shapes[0].labels,
            key="talk_intent",
            help="Its values are offered below with their shares.",
        )
    counts = pd.Series([dialogue.labels.get(intent, "") for dialogue in source], dtype=object).value_counts()
    return intent, _shares("Intents", {str(k): int(v) for k, v in counts.head(SHOWN_LEVELS).items() if k})


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


def _where(workspace: Workspace, *, sends_text: bool, several: bool) -> dict[str, Any] | None:
    """By which model, at what price: the rest of an order; None while there is no model."""
    where = st.radio("Written by", (ELSEWHERE, LOCAL), horizontal=True)
    if where == LOCAL:
        st.caption(
            "SmolLM2 with 135 million parameters: it shows how this works, without a network or a key. Its dialogues "
            "are fluent and often make no sense; for real use choose a real model."
        )
        if not installed():
            st.info(INSTALL, icon=":material/download:")
            return None
        return {"server": workspace.conversations.server(), "local": True}
    settings = workspace.settings
    url = st.text_input("Base URL", settings.llm_base_url, key="llm_url")
    key = st.text_input(
        "API key",
        type="password",
        key="llm_key",
        placeholder="from the settings" if settings.llm_api_key.get_secret_value() else "sk-...",
        help="Kept encrypted until the job ends, in no log and in no saved run.",
    )
    with st.container(horizontal=True):
        model = st.text_input("Model", settings.llm_model)
        at_once = st.number_input("Requests at once", 1, 256, 8)
    budget = st.number_input(
        "Budget in US dollars, of each file" if several else "Budget in US dollars",
        0.0,
        None,
        None,
        placeholder="no limit",
        help="Writing stops before it is passed.",
    )
    judged = st.number_input(
        "Dialogues to be judged by the model",
        0,
        1000,
        0,
        help="It marks coherence, parts and resolution from 1 to 5, of as many written and real dialogues; this costs requests.",
    )
    batch = st.toggle("Batch: half the price, within a day", help="Through OpenAI's batch interface; for large sets.")
    server = workspace.conversations.server(base_url=url, api_key=key or None, model=model, at_once=at_once)
    if not server.is_local:
        shown = (
            "Example dialogues, with personal data replaced,"
            if sends_text
            else "No real text, only shares and words of yours,"
        )
        st.caption(f":material/public: {shown} will be sent to {plain(url)}.")
    return {"server": server, "budget": budget, "batch": batch, "judged": judged}


def typed_key(talk: ConversationSet) -> SecretStr | None:
    """The key typed in this session, if it was for the server that writes this set."""
    key, url = st.session_state.get("llm_key"), st.session_state.get("llm_url")
    return SecretStr(key) if key and url == talk.order.server.base_url else None
