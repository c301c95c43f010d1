"""Dialogues as files: CSV and Parquet with one turn per row, OpenAI's fine-tuning format, ShareGPT's format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from synth.conversations.dialogue import Dialogue
from synth.spreadsheets import defused, is_formula

if TYPE_CHECKING:
    import pandas as pd

FileForm = Literal["csv", "parquet", "openai", "sharegpt"]

SUFFIXES: dict[FileForm, str] = {"csv": ".csv", "parquet": ".parquet", "openai": ".jsonl", "sharegpt": ".jsonl"}


def turns_table(
    dialogues: Iterable[Dialogue],
    *,
    id: str = "conversation_id",
    turn: str = "turn",
    role: str = "role",
    text: str = "text",
    header: Sequence[str] = (),
) -> pd.DataFrame:
    """A turn per row under the input's own column names, with the labels of its dialogue repeated.

    `header` is the input's, kept in order; columns that no dialogue fills (a time stamp, say) are empty.
    """
    import pandas as pd

    rows = [
        {id: dialogue.id, turn: at, role: said.role, text: said.text, **dialogue.labels}
        for dialogue in dialogues
        for at, said in enumerate(dialogue.turns)
    ]
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=[id, turn, role, text])
    return table.reindex(columns=[*header, *(name for name in table.columns if name not in header)])


def formula_cells(dialogues: Iterable[Dialogue], **columns: Any) -> int:
    """How many cells and headers of dialogues as CSV a spreadsheet would run as formulas."""
    table = turns_table(dialogues, **columns)
    return sum(map(is_formula, table.columns)) + sum(int(table[name].map(is_formula).sum()) for name in table)


def save_dialogues(
    dialogues: list[Dialogue],
    path: Path,
    form: FileForm,
    *,
    assistant: str | None = None,
    spreadsheet_safe: bool = False,
    **columns: Any,
) -> None:
    """Write `dialogues` to `path`.

    `assistant` is the role that a model is to learn from the training formats (default: the second to speak);
    `columns` are the names of `turns_table`. With `spreadsheet_safe` a CSV file has an apostrophe before what a
    spreadsheet would run as a formula.
    """
    path = Path(path)
    if form == "csv":
        table = turns_table(dialogues, **columns)
        if spreadsheet_safe:
            table = table.map(defused).rename(columns=defused)
        table.to_csv(path, index=False)
    elif form == "parquet":
        turns_table(dialogues, **columns).to_parquet(path, index=False)
    else:
        line = _openai if form == "openai" else _sharegpt
        with path.open("w", encoding="utf-8") as file:
            for dialogue in dialogues:
                file.write(json.dumps(line(dialogue, assistant or _second(dialogue)), ensure_ascii=False) + "\n")


def _second(dialogue: Dialogue) -> str:
    """The role that speaks second."""
    first = dialogue.turns[0].role
    return next((turn.role for turn in dialogue.turns if turn.role != first), first)


def _openai(dialogue: Dialogue, assistant: str) -> dict[str, Any]:
    """https://platform.openai.com/docs/guides/supervised-fine-tuning: {"messages": [...]}, metadata beside it."""
    return {
        "messages": [
            {"role": "assistant" if turn.role == assistant else "user", "content": turn.text} for turn in dialogue.turns
        ],
        "metadata": {"conversation_id": dialogue.id, **dialogue.labels},
    }


def _sharegpt(dialogue: Dialogue, assistant: str) -> dict[str, Any]:
    return {
        "id": dialogue.id,
        "conversations": [
            {"from": "gpt" if turn.role == assistant else "human", "value": turn.text} for turn in dialogue.turns
        ],
        **dialogue.labels,
    }
