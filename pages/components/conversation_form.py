"""The form for a conversation set: source files, what to write, the language model, the budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import SecretStr, ValidationError

from pages.components.fields import MOST_SEED, complain, number_field
from pages.components.forms import complaints
from pages.components.references import distinct, lost, seen, tell_lost
from pages.components.uploads import TYPES, add_files
from pages.components.words import count, plain
from synth.conversations import Dialogue, Shape, brief_from
from synth.conversations.local_model import INSTALL, installed
from synth.conversations.order import ConversationRequest
from synth.conversations.redact import LIMIT
from synth.errors import Invalid
from workspace.workspace import ConversationSet, Dataset, NotFound, Workspace

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
FILES = "conversation_files"
"""What the session calls the chosen source files."""
KEPT: dict[str, Any] = {"persist_state": "session"}
"""What is entered stays while the visitor looks at other pages."""


@dataclass(frozen=True)
class SourcedRequest:
    """A request for a conversation set, with its source file, if any, and the dialogues in that."""

    request: ConversationRequest
    dataset: Dataset | None = None
    source: list[Dialogue] = field(default_factory=list)


def conversation_form(workspace: Workspace, problems: list[str]) -> list[SourcedRequest]:
    """The requests, one for each file or one from a description; none while something does not fit.

    What does not fit is said here and added to `problems`.
    """
    _add(workspace)
    datasets = {dataset.id: dataset for dataset in workspace.datasets.find()}
    names = {id: dataset.name for id, dataset in datasets.items()}
    seen(names)
    labels = distinct(names)
    gone = lost(FILES, datasets)
    picked = st.multiselect(
        "Source files",
        list(datasets),
        format_func=lambda id: labels.get(id, id),
        key=FILES,
        on_change=lambda: st.session_state.pop(f"{FILES}_lost", None),
        persist_state="session",
        placeholder="None: from the description alone",
        help="Files of conversations in any common layout; each becomes a conversation set.",
    )
    if gone:
        # Without its file the request would be another one, written from the description alone.
        problems.append(tell_lost(FILES, gone, "source file"))
        return []
    read = [(datasets[id], *_shape(workspace, datasets[id], problems, alone=len(picked) == 1)) for id in picked]
    read = [(dataset, shape, source) for dataset, shape, source in read if shape is not None]
    if picked and not read:
        return []
    shapes, sources = [shape for _, shape, _ in read], [source for _, _, source in read]
    try:
        asked, intent = _asked(shapes, sources, problems)
        where = _where(workspace, problems, sends_text=bool(picked and asked["examples"]), several=len(read) > 1)
        if where is None or problems:
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
            complain(sentence, problems)
        return []
    except Invalid as error:
        complain(str(error), problems)
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
            st.session_state[FILES] = [dataset.id for dataset in added]
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


def _shape(
    workspace: Workspace, dataset: Dataset, problems: list[str], *, alone: bool
) -> tuple[Shape | None, list[Dialogue]]:
    """The layout of the conversations in a file: detected and, where it is the only file, shown for correction."""
    try:
        found = _found(workspace, dataset.id)
        if not alone:
            source = _dialogues(workspace, dataset.id, found)
            st.caption(
                f"{plain(dataset.name)}: {FORMS[found.form]}, {count(len(source), 'conversation')} to learn from."
            )
            return found, source
    except (Invalid, NotFound) as problem:
        st.error(plain(problem), title=plain(dataset.name))
        if alone:
            problems.append(f"{dataset.name}: {problem}")
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
        complain(str(problem), problems)
        return None, []
    turns = sum(len(dialogue.turns) for dialogue in source)
    st.caption(
        f"{len(source):,} conversations to learn from, {turns:,} turns; a fifth more are held out for evaluation."
    )
    return shape, source


def _asked(
    shapes: list[Shape], sources: list[list[Dialogue]], problems: list[str]
) -> tuple[dict[str, Any], str | None]:
    """The contents of the brief, and the column with the intents of a single file; several have their own shares."""
    several = len(shapes) > 1
    source = [dialogue for one in sources for dialogue in one]
    kind = st.segmented_control(
        "Type of conversation",
        TYPES_OF_CONVERSATION,
        default=TYPES_OF_CONVERSATION[0],
        required=True,
        key="talk_kind",
        **KEPT,
    )
    if kind == TYPES_OF_CONVERSATION[2]:
        kind = st.text_input("Custom type", "technical troubleshooting", key="talk_custom_kind", **KEPT)
        if not kind.strip():
            complain("Custom type: Name it in a word or two.", problems)
    business = st.text_area(
        "Business",
        placeholder="An online shop for bicycle parts in the Netherlands. Returns are free within 30 days.",
        height=90,
        key="talk_business",
        **KEPT,
    )
    with st.container(horizontal=True):
        title = "Dialogues from each file" if several else "Dialogues"
        dialogues = number_field(title, 20, problems, low=1, high=100_000, key="talk_dialogues", **KEPT)
        about = "The same seed gives the same plan."
        seed = number_field("Seed", 0, problems, low=0, high=MOST_SEED, key="talk_seed", help=about, **KEPT)
    asked = {"kind": kind, "business": business, "dialogues": dialogues, "seed": seed}
    intent = None
    if several:
        st.caption("Intents and their shares, roles and lengths are those of each file.")
    else:
        intent, asked["intents"] = _intents(shapes, source, problems)
    with st.expander("Outcomes, personas, style", icon=":material/tune:"):
        asked["outcomes"] = _shares("Outcomes", {"solved": 3, "escalated": 1}, problems)
        asked["personas"] = _shares("Personas", {}, problems)
        asked["products"] = _shares("Products", {}, problems)
        asked["languages"] = _shares("Languages", {}, problems)
        asked["tones"] = _shares("Tones", {}, problems)
        asked["temperature"] = st.slider("Temperature", 0.0, 2.0, 0.9, 0.1, key="talk_temperature", **KEPT)
        if not any(len(dialogue.turns) > 1 for dialogue in source):
            low, high = st.slider("Turns", 2, 40, (4, 8), 2, key="talk_turns", **KEPT)
            asked["turns"] = dict.fromkeys(range(low, high + 1, 2), 1.0)
            roles = st.text_input("Roles (comma-separated)", "customer, agent", key="talk_roles", **KEPT)
            asked["roles"] = tuple(role.strip() for role in roles.split(",") if role.strip())
            if len(set(asked["roles"])) < 2:
                complain("Roles: Name two different ones, such as customer, agent.", problems)
        asked["examples"] = st.slider(
            "Real examples in each prompt",
            0,
            5,
            2 if source else 0,
            disabled=not source,
            help=f"0: no real text leaves this machine. {LIMIT}",
        )
    return asked, intent


def _intents(shapes: list[Shape], source: list[Dialogue], problems: list[str]) -> tuple[str | None, dict[str, float]]:
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
    start = {str(k): float(v) for k, v in counts.head(SHOWN_LEVELS).items() if k}
    return intent, _shares("Intents", start, problems)


def _shares(title: str, start: dict[str, float], problems: list[str]) -> dict[str, float]:
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
            # Without bounds: a cell out of bounds would keep its former number without a word.
            "share": st.column_config.NumberColumn("Share", default=1.0, help="Relative to the others."),
        },
    )
    if (edited["share"] < 0).any():
        complain(f"{title}: a share is 0 or more.", problems)
    return {str(value): float(share) for value, share in edited.dropna().itertuples(index=False) if share > 0}


def _where(workspace: Workspace, problems: list[str], *, sends_text: bool, several: bool) -> dict[str, Any] | None:
    """The language model and the budget: the rest of a request; None while there is no model."""
    where = st.radio("Written by", (SERVER, LOCAL), horizontal=True, key="talk_where", **KEPT)
    if where == LOCAL:
        st.caption(
            "SmolLM2, 135 million parameters: a demonstration without a network or a key. Its dialogues are fluent but "
            "often make no sense; for real use choose a larger model."
        )
        if not installed():
            st.info(INSTALL, icon=":material/download:")
            problems.append("The small model is not installed.")
            return None
        return {"server": workspace.conversations.server(), "local": True}
    settings = workspace.settings
    policy = workspace.conversations.egress.words
    url = st.text_input("Base URL", settings.llm_base_url, key="llm_url", help=policy or None, **KEPT)
    key = st.text_input(
        "API key",
        type="password",
        key="llm_key",
        placeholder="from the settings" if settings.llm_api_key.get_secret_value() else "sk-...",
        help="Stored encrypted until the job ends; never in a log or a result.",
    )
    with st.container(horizontal=True):
        model = st.text_input("Model", settings.llm_model, key="talk_model", **KEPT)
        at_once = number_field("Concurrent requests", 8, problems, low=1, high=256, key="talk_at_once", **KEPT)
    budget = number_field(
        "Budget for each file (US dollars)" if several else "Budget (US dollars)",
        None,
        problems,
        whole=False,
        above=0,
        high=1e9,
        optional=True,
        key="talk_budget",
        placeholder="no limit",
        help="Writing stops before the budget is exceeded.",
        **KEPT,
    )
    rated = number_field(
        "Dialogues rated by the model",
        0,
        problems,
        low=0,
        high=1000,
        key="talk_rated",
        help="The model rates coherence, roles and resolution from 1 to 5, on as many synthetic and real dialogues; this costs "
        "requests.",
        **KEPT,
    )
    about = "Through OpenAI's batch API; for large sets."
    batch = st.toggle("Batch: half the price, within a day", help=about, key="talk_batch", **KEPT)
    if problems:
        return None
    if policy:
        st.caption(plain(policy))
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
