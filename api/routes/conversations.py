"""Conversation sets over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.files import File, file_answers
from api.routes.parameters import SetId
from api.schemas.responses import MOMENT, Limit, Offset, ResponseBody
from api.security import Downloader, Here, Reader, Writer, seen_by
from metrics import Score
from synth.conversations.formats import SUFFIXES, FileForm
from synth.errors import Damaged
from workspace.workspace import ConversationSet, Workspace

router = APIRouter(tags=["Conversations"])
MEDIA_TYPES: dict[FileForm, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "openai": "application/jsonl",
    "sharegpt": "application/jsonl",
}


SpreadsheetSafe = Annotated[
    bool,
    Query(
        description="In a CSV file, put an apostrophe before cells that a spreadsheet would run as formulas.",
        examples=[False],
    ),
]


class ConversationSetResponse(ResponseBody):
    """A set of generated conversations."""

    id: str = Field(description="Names the set.", examples=["2d3c4b5a69780f1e"])
    name: str = Field(description="The table it is like, or the kind of conversation.", examples=["support.csv"])
    created: datetime = Field(description="When it was requested.", examples=[MOMENT])
    dataset_id: str | None = Field(description="The real conversations, if any.", examples=["cf5d245d1c27f9b9"])
    job_id: str | None = Field(description="The job that writes, or wrote, it.", examples=["0f1e2d3c4b5a6978"])
    note: str = Field(description="Why it stopped early, if it did.", examples=[""])
    dialogues: int = Field(description="How many dialogues are written.", examples=[20])
    scores: dict[str, Score] = Field(description="Its scores, by metric.", examples=[{}])
    broken: str = Field("", description="What of it cannot be read, such as its scores; empty: nothing.", examples=[""])

    @classmethod
    def of(cls, conversations: ConversationSet, workspace: Workspace) -> Self:
        counted: dict[str, Any] = {"dialogues": 0, "scores": {}, "broken": ""}
        try:
            counted["dialogues"] = len(workspace.conversations.written(conversations.id))
            counted["scores"] = workspace.conversations.scores(conversations.id)
        except Damaged as error:
            counted["broken"] = str(error)
        stored = {name: getattr(conversations, name) for name in cls.model_fields if name not in counted}
        return cls(**stored, **counted)


def conversations_of(set_id: SetId, caller: Reader, workspace: Here) -> ConversationSet:
    return seen_by(caller, workspace.conversations.get(set_id))


def linked_conversations(set_id: SetId, caller: Downloader, workspace: Here) -> ConversationSet:
    return seen_by(caller, workspace.conversations.get(set_id))


def own_conversations(set_id: SetId, caller: Writer, workspace: Here) -> ConversationSet:
    return seen_by(caller, workspace.conversations.get(set_id))


SeenSet = Annotated[ConversationSet, Depends(conversations_of)]
LinkedSet = Annotated[ConversationSet, Depends(linked_conversations)]
OwnSet = Annotated[ConversationSet, Depends(own_conversations)]


@router.get("/conversations")
def list_conversations(
    caller: Reader,
    workspace: Here,
    limit: Limit = 20,
    offset: Offset = 0,
) -> list[ConversationSetResponse]:
    """The caller's conversation sets, newest first, with their scores."""
    found = workspace.conversations.find(owner=caller.owner)[offset : offset + limit]
    return [ConversationSetResponse.of(one, workspace) for one in found]


@router.get("/conversations/{set_id}")
def get_conversations(conversations: SeenSet, workspace: Here) -> ConversationSetResponse:
    """One conversation set and its scores."""
    return ConversationSetResponse.of(conversations, workspace)


@router.get("/conversations/{set_id}/file", response_class=File, responses=file_answers(MEDIA_TYPES.values()))
def download_conversations(
    conversations: LinkedSet,
    workspace: Here,
    form: Annotated[
        FileForm,
        Query(description="`csv` and `parquet`: a turn per row; the others: for fine-tuning.", examples=["csv"]),
    ] = "csv",
    spreadsheet_safe: SpreadsheetSafe = False,
) -> File:
    """The conversations as a file: as they were in the input, or in OpenAI's or ShareGPT's fine-tuning format."""
    file = workspace.conversations.export(conversations.id, form, spreadsheet_safe=spreadsheet_safe)
    return File(file, media_type=MEDIA_TYPES[form], filename=f"conversations-{conversations.id}{SUFFIXES[form]}")


@router.delete("/conversations/{set_id}", status_code=204)
def delete_conversations(conversations: OwnSet, workspace: Here) -> None:
    """Delete a conversation set; a job that still writes it is ended."""
    workspace.conversations.delete(conversations.id)
