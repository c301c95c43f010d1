"""How files hold conversations: the layout is detected, and the rows are read into dialogues.

| layout          | a row is                                                        |
|-----------------|-----------------------------------------------------------------|
| `turns`         | one turn: conversation id, role, text                           |
| `conversations` | one conversation: its text with `role:` at each line, or JSON   |
| `pairs`         | a question and its answer                                       |
| `utterances`    | a single utterance, usually with its intent                     |
| `tickets`       | a case without dialogue: product, sentiment, resolution, ...    |
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from synth.conversations.dialogue import Dialogue, Turn
from synth.errors import Invalid
from synth.linear import IGNORECASE, at, whole

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["turns", "conversations", "pairs", "utterances", "tickets"]

MAX_TEXT = 20_000
"""Characters of the longest cell that counts as an utterance; a longer one is refused with a message."""

_WORDS = {
    "id": r"(conversation|dialog(ue)?|chat|thread|session|ticket|case|call)[ _-]?(id|no|number|key)?|id",
    "turn": r"(turn|utterance|message|line|seq(uence)?)[ _-]?(id|no|number|index|idx|order)?|position|order",
    "role": r"role|speaker|sender|author|from|party|participant|side|who|agent_or_customer|actor",
    "text": r"text|message|utterance|content|body|msg|transcript|says?|sentence|description|comment|review",
    "question": r"question|instruction|prompt|query|input|customer([ _-](text|message))?|user|request|q",
    "answer": r"answer|response|reply|output|completion|agent([ _-](text|message))?|assistant|bot|a",
    "conversation": r"conversation|dialog(ue)?|transcript|chat|messages|turns|thread|text",
    "label": r"intent|category|topic|label|class|subject|issue|reason|task|flow|subflow|domain|product|outcome|"
    r"resolution|status|sentiment|emotion|tone|language|lang|priority|channel|persona|scenario|type|happy|satisfied",
}
_LINE = at(r"\s*([A-Za-z][\w .'-]{0,30}?)\s*[:>]\s+(\S.*)$")
_NAMED = {part: whole(words, IGNORECASE) for part, words in _WORDS.items()}


class Shape(BaseModel):
    """The role of each column; the analyst sees it and may correct it."""

    model_config = ConfigDict(extra="forbid")

    form: Form = Field(
        description="What a row of the table is: a turn, a question with its answer, or a whole conversation.",
        examples=["turns"],
    )
    id: str | None = Field(None, description="Column that names the conversation.", examples=["conversation_id"])
    turn: str | None = Field(None, description="Column that orders the turns; None: as in the file.", examples=["turn"])
    role: str | None = Field(None, description="Column that says who speaks.", examples=["speaker"])
    text: str | None = Field(
        None, description="Column with what is said, or with a whole conversation.", examples=["message"]
    )
    answer: str | None = Field(None, description="Column with the answers, in pairs.", examples=["reply"])
    labels: list[str] = Field(
        default_factory=list, description="Columns that describe the conversation as a whole.", examples=[["intent"]]
    )


def detect_shape(table: pd.DataFrame) -> Shape:
    """Detect how `table` (any dtypes) holds conversations.

    Raises Invalid when it holds none, and no attributes from which any could be written.
    """
    if not len(table):
        raise Invalid("The file has a header but no rows. Upload one with at least one conversation.")
    columns = {str(name): table[name].dropna().astype(str).head(2000) for name in table.columns}
    words = {name: _mean_words(values) for name, values in columns.items()}
    texts = [name for name in columns if words[name] >= 2.5]

    def pick(part: str, among: list[str]) -> str | None:
        return next((name for name in among if _NAMED[part].fullmatch(name.strip())), None)

    whole = next((name for name in columns if _mostly_conversations(columns[name])), None)
    if whole is not None:
        identity = _unique_id(columns, whole)
        return Shape(form="conversations", text=whole, id=identity, labels=_labels(columns, {whole, identity}))

    role = pick("role", [name for name in columns if name not in texts and columns[name].nunique() <= 20])
    text = pick("text", texts) or (max(texts, key=words.__getitem__) if texts else None)
    identity = pick("id", [name for name in columns if name not in texts and name != role])
    if text and role and identity and columns[identity].nunique() < len(columns[identity]):
        turn = pick("turn", [name for name in columns if name not in (text, role, identity)])
        shape = Shape(form="turns", id=identity, turn=turn, role=role, text=text)
        shape.labels = _whole_conversation_labels(table, columns, shape)
        return shape

    question, answer = pick("question", texts), pick("answer", texts)
    if question and answer:
        return Shape(form="pairs", text=question, answer=answer, labels=_labels(columns, {question, answer}))

    labels = _labels(columns, {text, role, identity})
    if text:
        return Shape(form="utterances", text=text, role=role, labels=labels)
    if labels:
        return Shape(form="tickets", id=identity, labels=labels)
    raise Invalid(
        f"No column holds text and none describes a case (found: {', '.join(list(columns)[:8])}). Expected one turn per "
        "row (conversation id, role, text), a conversation per row, question and answer, utterances with intents, "
        "or tickets with attributes."
    )


def read_dialogues(table: pd.DataFrame, shape: Shape) -> list[Dialogue]:
    """The dialogues of a table in this layout; tickets give dialogues with labels and no turns.

    Raises Invalid when a column of the shape is absent or a cell is too long to be an utterance.
    """
    table = table.fillna("").astype(str)
    used = [name for name in (shape.id, shape.turn, shape.role, shape.text, shape.answer, *shape.labels) if name]
    absent = [name for name in used if name not in table.columns]
    if absent:
        raise Invalid(
            f"The file has no column {', '.join(map(repr, absent))}. Choose among: {', '.join(table.columns)}."
        )
    for name in filter(None, (shape.text, shape.answer)):
        longest = int(table[name].str.len().max())
        limit = MAX_TEXT * 10 if shape.form == "conversations" else MAX_TEXT
        if longest > limit:
            row = int(table[name].str.len().to_numpy().argmax()) + 1
            raise Invalid(
                f"Row {row} holds {longest:,} characters in {name!r}; an utterance has at most {limit:,}. "
                "Shorten that cell or choose another text column."
            )
    return _READERS[shape.form](table, shape)


def _turns(table: pd.DataFrame, shape: Shape) -> list[Dialogue]:
    first = ~table[shape.id].duplicated()
    rows = table.loc[first, [shape.id, *shape.labels]].to_dict("records")
    dialogues = {row[shape.id]: Dialogue(id=row[shape.id], turns=[], labels=_row_labels(row, shape)) for row in rows}
    if shape.turn:
        import pandas as pd

        order = pd.to_numeric(table[shape.turn], errors="coerce")
        if order.notna().all():
            table = table.loc[order.sort_values(kind="stable").index]
    for name, role, text in zip(table[shape.id], table[shape.role], table[shape.text], strict=True):
        if text.strip():
            dialogues[name].turns.append(Turn(role=role, text=text))
    return list(dialogues.values())


def _conversations(table: pd.DataFrame, shape: Shape) -> list[Dialogue]:
    return [
        Dialogue(
            id=row[shape.id] if shape.id else str(at), turns=_parse(row[shape.text]), labels=_row_labels(row, shape)
        )
        for at, row in enumerate(table.to_dict("records"))
    ]


def _pairs(table: pd.DataFrame, shape: Shape) -> list[Dialogue]:
    return [
        Dialogue(
            id=str(at),
            turns=[Turn(role="customer", text=row[shape.text]), Turn(role="agent", text=row[shape.answer])],
            labels=_row_labels(row, shape),
        )
        for at, row in enumerate(table.to_dict("records"))
    ]


def _utterances(table: pd.DataFrame, shape: Shape) -> list[Dialogue]:
    return [
        Dialogue(
            id=str(at),
            turns=[Turn(role=(row[shape.role] if shape.role else "") or "customer", text=row[shape.text])],
            labels=_row_labels(row, shape),
        )
        for at, row in enumerate(table.to_dict("records"))
        if row[shape.text].strip()
    ]


def _tickets(table: pd.DataFrame, shape: Shape) -> list[Dialogue]:
    return [
        Dialogue(id=row[shape.id] if shape.id else str(at), turns=[], labels=_row_labels(row, shape))
        for at, row in enumerate(table.to_dict("records"))
    ]


_READERS = {
    "turns": _turns,
    "conversations": _conversations,
    "pairs": _pairs,
    "utterances": _utterances,
    "tickets": _tickets,
}


def _row_labels(row: dict[str, str], shape: Shape) -> dict[str, str]:
    return {name: row[name] for name in shape.labels if row[name] != ""}


def _mean_words(values: pd.Series) -> float:
    """Words of a cell, on average."""
    return float(values.map(lambda text: len(text.split())).mean()) if len(values) else 0.0


def _parse(text: str) -> list[Turn]:
    """The turns of a conversation in one cell: JSON messages, or lines that open with a role."""
    if text.lstrip().startswith("["):
        try:
            messages = json.loads(text)
        except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, or nested without end
            messages = None
        if isinstance(messages, list) and all(isinstance(message, dict) for message in messages):
            return [turn for turn in map(_message, messages) if turn]
    said: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        start = _LINE.match(line)
        if start:
            said.append((start[1].strip().lower(), [start[2].strip()]))
        elif said and line.strip():
            said[-1][1].append(line.strip())
    return [Turn(role=role, text="\n".join(lines)) for role, lines in said]


def _message(message: dict[str, Any]) -> Turn | None:
    """The turn in one JSON message; None where it has no role or no text."""
    role = next((message[key] for key in ("role", "from", "speaker", "sender", "author") if key in message), None)
    text = next((message[key] for key in ("content", "value", "text", "message", "utterance") if key in message), None)
    return Turn(role=str(role), text=str(text)) if role and text else None


def _mostly_conversations(values: pd.Series) -> bool:
    """Whether most of the first cells hold a whole conversation."""
    some = values.head(50)
    return bool(len(some)) and sum(len(_parse(text[: MAX_TEXT * 10])) >= 2 for text in some) >= 0.8 * len(some)


def _unique_id(columns: dict[str, pd.Series], but: str) -> str | None:
    """The first column of short values that never repeat."""
    return next(
        (n for n, values in columns.items() if n != but and values.is_unique and _mean_words(values) < 1.5), None
    )


def _labels(columns: dict[str, pd.Series], but: set[str | None]) -> list[str]:
    """Columns that group the rows: few levels for their length, or a name that says so."""
    found = []
    for name, values in columns.items():
        levels = values.nunique()
        if name in but or levels < 2:
            continue
        named = _NAMED["label"].fullmatch(name.strip()) is not None
        if _mean_words(values) < 6 and (levels <= max(2, min(50, 0.2 * len(values))) or (named and levels <= 200)):
            found.append(name)
    return found


def _whole_conversation_labels(table: pd.DataFrame, columns: dict[str, pd.Series], shape: Shape) -> list[str]:
    """Labels that hold for a conversation as a whole: one value in (nearly) every one of them."""
    kept = []
    for name in _labels(columns, {shape.id, shape.turn, shape.role, shape.text}):
        alone = table.groupby(shape.id, sort=False)[name].nunique(dropna=True).head(500)
        if (alone <= 1).mean() > 0.95 and table[name].nunique() > 1:
            kept.append(name)
    return kept


def roles_of(dialogues: list[Dialogue]) -> list[str]:
    """The roles that speak, who opens most conversations first."""
    opening = Counter(dialogue.turns[0].role for dialogue in dialogues if dialogue.turns)
    speaking = Counter(turn.role for dialogue in dialogues for turn in dialogue.turns)
    return sorted(speaking, key=lambda role: (-opening[role], -speaking[role]))
