"""Sets of written conversations over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.files import File, file_answers
from api.schemas.responses import Limit, Offset, Out
from api.security import Here, Reader, Writer, seen_by
from metrics import Score
from synth.conversations.formats import SUFFIXES, FileForm
from workspace.workspace import ConversationSet, Workspace

router = APIRouter(tags=["Conversations"])
MEDIA_TYPES: dict[FileForm, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "openai": "application/jsonl",
    "sharegpt": "application/jsonl",
}


class TalkOut(Out):
    """A set of written conversations."""

    id: str = Field(description="Names the set.", examples=["2d3c4b5a69780f1e"])
    name: str = Field(description="The table it is like, or the kind of conversation.", examples=["support.csv"])
    created: datetime = Field(description="When it was ordered.", examples=["2026-01-01T08:00:00Z"])
    dataset_id: str | None = Field(description="The real conversations, if any.", examples=["cf5d245d1c27f9b9"])
    job_id: str | None = Field(description="The job that writes, or wrote, it.", examples=["0f1e2d3c4b5a6978"])
    note: str = Field(description="Why it stopped early, if it did.", examples=[""])
    dialogues: int = Field(description="How many are written.", examples=[20])
    scores: dict[str, Score] = Field(description="How it was judged, by measure.", examples=[{}])

    @classmethod
    def of(cls, talk: ConversationSet, workspace: Workspace) -> Self:
        counted = {
            "dialogues": len(workspace.conversations.written(talk.id)),
            "scores": workspace.conversations.scores(talk.id),
        }
        return cls(**{name: getattr(talk, name) for name in cls.model_fields if name not in counted}, **counted)


def talk_of(talk_id: str, caller: Reader, workspace: Here) -> ConversationSet:
    return seen_by(caller, workspace.conversations.get(talk_id), "talk")


def own_talk(talk_id: str, caller: Writer, workspace: Here) -> ConversationSet:
    return seen_by(caller, workspace.conversations.get(talk_id), "talk")


SeenTalk = Annotated[ConversationSet, Depends(talk_of)]


@router.get("/talks")
def list_talks(
    caller: Reader,
    workspace: Here,
    limit: Limit = 20,
    offset: Offset = 0,
) -> list[TalkOut]:
    """The caller's sets of conversations, newest first, with their scores."""
    return [
        TalkOut.of(talk, workspace)
        for talk in workspace.conversations.find(owner=caller.owner)[offset : offset + limit]
    ]


@router.get("/talks/{talk_id}")
def one_talk(talk: SeenTalk, workspace: Here) -> TalkOut:
    """One set of conversations and its scores."""
    return TalkOut.of(talk, workspace)


@router.get("/talks/{talk_id}/conversations", response_class=File, responses=file_answers(MEDIA_TYPES.values()))
def file_of_talk(
    talk: SeenTalk,
    workspace: Here,
    form: Annotated[
        FileForm, Query(description="`csv` and `parquet`: a turn per row; the others: for training.")
    ] = "csv",
) -> File:
    """The conversations as a file: as they were in the input, or as OpenAI's and ShareGPT's training takes them."""
    file = workspace.conversations.export(talk.id, form)
    return File(file, media_type=MEDIA_TYPES[form], filename=f"conversations-{talk.id}{SUFFIXES[form]}")


@router.delete("/talks/{talk_id}", status_code=204)
def delete_talk(talk: Annotated[ConversationSet, Depends(own_talk)], workspace: Here) -> None:
    """Delete a set of conversations; what still writes it is ended."""
    workspace.conversations.delete(talk.id)
