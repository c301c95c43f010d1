"""The form for a conversation set: source files, what to write, the language model, the budget."""

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
from synth.errors import Invalid
from workspace.workspace import ConversationSet, Dataset, Workspace

FORMS = {
    "turns": "one turn per row",
    "conversations": "one conversation per row",
    "pairs": "question and answer",
    "utterances": "single utterances",
    "tickets": "tickets with attributes",
}
TYPES_OF_CONVERSATION = ("support", "sales", "custom")
LOCAL, SERVER = "Small model on this machine", "OpenAI or a compatible server"
SHOWN_LEVELS = 12


@dataclass(frozen=True)
class SourcedRequest:
    """A request for a conversation set, with its source file, if any, and the dialogues in that."""

    request: ConversationRequest
    dataset: Dataset | None = None
    source: list[Dialogue] = field(default_factory=list)


def conversation_form(workspace: Workspace) -> list[SourcedRequest]:
    """The requests, one for each file or one from a description; none while something does not fit."""
    _add(workspace)
    datasets = {dataset.id: dataset for dataset in workspace.datasets.find()}
    if "conversation_files" in st.session_state:
        # One of them may have been deleted since.
        st.session_state.conversation_files = [id for id in st.session_state.conversation_files if id in datasets]
    picked = st.multiselect(
        "Source files",
        list(datasets),
        format_func=lambda id: datasets[id].name,
        key="conversation_files",
        persist_state="session",
        placeholder="None: from the description alone",
        help="Files of conversations in any common layout; each becomes a conversation set.",
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
            return [SourcedRequest(ConversationRequest(brief=brief_from([], **asked), **where))]
        return [
            SourcedRequest(
                _request(asked, where, shape, source, intent if len(read) == 1 else first_label(shape)), dataset, source
            )
            for dataset, shape, source in read
        ]
    except ValidationError as error:
        for sentence in complaints(error, ConversationRequest):
            st.error(plain(sentence), icon=":material/edit:")
        return []


def _request(asked: dict, where: dict, shape: Shape, source: list[Dialogue], intent: str | None) -> ConversationRequest:
    """The request for one file; shares of intents that were not entered are those of the file."""
    brief = brief_from(source, intent=None if "intents" in asked else intent, **asked)
    return ConversationRequest(brief=brief, shape=shape, intent=intent, **where)


def first_label(shape: Shape) -> str | None:
    """The column whose values are most likely what a conversation is about."""
    return shape.labels[0] if shape.labels else None


def _add(workspace: Workspace) -> None:
    """Add uploaded files of conversations, and choose them; one that cannot be read does not lose the others."""
    files = st.file_uploader(
        "Add files of conversations, several at once",
        type=TYPES,
        accept_multiple_files=True,
        key=f"conversation_upload_{st.session_state.setdefault('conversation_round', 0)}",
        max_upload_size=workspace.settings.max_upload_mb,
    )
    if files:
        added, st.session_state.conversations_refused = add_files(workspace, files)
        if added:
            st.session_state.conversation_files = [dataset.id for dataset in added]
        # A new key empties the uploader.
        st.session_state.conversation_round += 1
        st.rerun()
    for name, reason in st.session_state.get("conversations_refused", {}).items():
        st.error(plain(reason), title=f"{plain(name)} was not added", icon=":material/block:")


@st.cache_data(show_spinner="Reading the conversations", max_entries=4)
def _found(_workspace: Workspace, dataset_id: str) -> Shape:
    return _workspace.conversations.find_shape(dataset_id)


@st.cache_data(show_spinner="Reading the conversations", max_entries=4)
def _dialogues(_workspace: Workspace, dataset_id: str, shape: Shape) -> list[Dialogue]:
    return _workspace.conversations.dialogues(dataset_id, shape)


def _shape(workspace: Workspace, dataset: Dataset, *, alone: bool) -> tuple[Shape | None, list[Dialogue]]:
    """The layout of the conversations in a file: detected and, where it is the only file, shown for correction."""
    try:
        found = _found(workspace, dataset.id)
        if not alone:
            source = _dialogues(workspace, dataset.id, found)
            st.caption(
                f"{plain(dataset.name)}: {FORMS[found.form]}, {count(len(source), 'conversation')} to learn from."
            )
            return found, source
    except Invalid as problem:
        st.error(plain(problem), title=plain(dataset.name))
        return None, []
    names = dataset.schema.names
    with st.expander(f"Read as {FORMS[found.form]}", icon=":material/table_rows:"):
        form = st.selectbox("One row is", list(FORMS), list(FORMS).index(found.form), format_func=FORMS.get)
        parts = {}
        for part, title in (("id", "Conversation"), ("role", "Speaker"), ("text", "Text"), ("answer", "Answer")):
            value = getattr(found, part)
            choice = [None, *names]
            parts[part] = st.selectbox(title, choice, choice.index(value), format_func=lambda name: name or "none")
        labels = st.multiselect("Attributes of a conversation", names, found.labels)
    shape = found.model_copy(update={"form": form, "labels": labels, **parts})
    try:
        source = _dialogues(workspace, dataset.id, shape)
    except (Invalid, KeyError) as problem:
        st.error(plain(problem))
        return None, []
    turns = sum(len(dialogue.turns) for dialogue in source)
    st.caption(
        f"{len(source):,} conversations to learn from, {turns:,} turns; a fifth more are held out for evaluation."
    )
    return shape, source


def _asked(shapes: list[Shape], sources: list[list[Dialogue]]) -> tuple[dict[str, Any], str | None]:
    """The contents of the brief, and the column with the intents of a single file; several have their own shares."""
    several = len(shapes) > 1
    source = [dialogue for one in sources for dialogue in one]
    kind = st.segmented_control(
        "Type of conversation", TYPES_OF_CONVERSATION, default=TYPES_OF_CONVERSATION[0], required=True
    )
    if kind == TYPES_OF_CONVERSATION[2]:
        kind = st.text_input("Custom type", "technical troubleshooting")
    business = st.text_area(
        "Business",
        placeholder="An online shop for bicycle parts in the Netherlands. Returns are free within 30 days.",
        height=90,
    )
    with st.container(horizontal=True):
        dialogues = st.number_input("Dialogues from each file" if several else "Dialogues", 1, 100_000, 20)
        seed = st.number_input("Seed", 0, None, 0, help="The same seed gives the same plan.")
    asked = {"kind": kind, "business": business, "dialogues": dialogues, "seed": seed}
    intent = None
    if several:
        st.caption("Intents and their shares, roles and lengths are those of each file.")
    else:
        intent, asked["intents"] = _intents(shapes, source)
    with st.expander("Outcomes, personas, style", icon=":material/tune:"):
        asked["outcomes"] = _shares("Outcomes", {"solved": 3, "escalated": 1})
        asked["personas"] = _shares("Personas", {})
        asked["products"] = _shares("Products", {})
        asked["languages"] = _shares("Languages", {})
        asked["tones"] = _shares("Tones", {})
        asked["temperature"] = st.slider("Temperature", 0.0, 2.0, 0.9, 0.1)
        if not any(len(dialogue.turns) > 1 for dialogue in source):
            low, high = st.slider("Turns", 2, 40, (4, 8), 2)
            asked["turns"] = dict.fromkeys(range(low, high + 1, 2), 1.0)
            roles = st.text_input("Roles (comma-separated)", "customer, agent")
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
    """The column with the intents, and their shares: those of the file until they are changed."""
    intent = None
    if shapes and shapes[0].labels:
        intent = st.selectbox(
            "Intents from the column",
            shapes[0].labels,
            key="conversation_intent",
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
    """The language model and the budget: the rest of a request; None while there is no model."""
    where = st.radio("Written by", (SERVER, LOCAL), horizontal=True)
    if where == LOCAL:
        st.caption(
            "SmolLM2, 135 million parameters: a demonstration without a network or a key. Its dialogues are fluent but "
            "often make no sense; for real use choose a larger model."
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
        help="Stored encrypted until the job ends; never in a log or a result.",
    )
    with st.container(horizontal=True):
        model = st.text_input("Model", settings.llm_model)
        at_once = st.number_input("Concurrent requests", 1, 256, 8)
    budget = st.number_input(
        "Budget for each file (US dollars)" if several else "Budget (US dollars)",
        0.0,
        None,
        None,
        placeholder="no limit",
        help="Writing stops before the budget is exceeded.",
    )
    rated = st.number_input(
        "Dialogues rated by the model",
        0,
        1000,
        0,
        help="The model rates coherence, roles and resolution from 1 to 5, on as many synthetic and real dialogues; this costs "
        "requests.",
    )
    batch = st.toggle("Batch: half the price, within a day", help="Through OpenAI's batch API; for large sets.")
    server = workspace.conversations.server(base_url=url, api_key=key or None, model=model, at_once=at_once)
    if not server.is_local:
        sent = (
            "example dialogues, with personal data replaced"
            if sends_text
            else "shares and your own descriptions, no real text"
        )
        st.caption(f":material/public: Sent to {plain(url)}: {sent}.")
    return {"server": server, "budget": budget, "batch": batch, "judged": rated}


def typed_key(conversations: ConversationSet) -> SecretStr | None:
    """The key entered in this session, if it was for the server that writes this set."""
    key, url = st.session_state.get("llm_key"), st.session_state.get("llm_url")
    return SecretStr(key) if key and url == conversations.order.server.base_url else None
