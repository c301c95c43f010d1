"""What the API answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.schemas.openapi import listing
from metrics import Score
from synth import GENERATORS, Schema
from workspace.catalog.rows import State
from workspace.jobs.kinds import KINDS
from workspace.jobs.retries import when_again
from workspace.storage.files import Stage
from workspace.workspace import Dataset, Job, Run

Limit = Annotated[int, Query(ge=1, le=1000, description="The most entries to return.", examples=[100])]
Offset = Annotated[int, Query(ge=0, le=2**53, description="Entries to skip at the beginning.", examples=[0])]
MOMENT = "2026-01-01T08:00:00Z"


class ResponseBody(BaseModel):
    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


class RejectedLine(ResponseBody):
    """A line that could not be read as a row."""

    line: int = Field(description="Its number in the file, from 1.", examples=[17])
    reason: str = Field(description="Why it could not be read.", examples=["3 cells; the table has 5 columns."])


class DatasetResponse(ResponseBody):
    """An uploaded table."""

    id: str = Field(description="Names the table.", examples=["cf5d245d1c27f9b9"])
    name: str = Field(description="Name of the file.", examples=["adult.csv"])
    created: datetime = Field(description="When it was uploaded.", examples=[MOMENT])
    rows: int = Field(description="Rows, the held-out ones included.", examples=[32561])
    columns: int = Field(description="Columns.", examples=[15])
    holdout_rows: int = Field(description="Rows held out for evaluation: no generator sees them.", examples=[6512])
    holdout_kind: Literal["share", "file", "none"] = Field(
        description="Drawn from the upload, a file of its own, or absent.", examples=["share"]
    )
    summary: str = Field(
        description="How the file was read, in one line.", examples=["UTF-8, comma-separated, header on line 1"]
    )
    lines: int = Field(description="Lines of the file.", examples=[32562])
    rejected_rows: int = Field(description="Lines that could not be read as rows.", examples=[0])
    rejected: list[RejectedLine] = Field(description="The first thousand of them.", examples=[[]])
    size_bytes: int = Field(description="Its bytes on disk.", examples=[1048576])
    session: str | None = Field(None, description="What it was uploaded with.", examples=["9d1f0c2b8a3e4f57"])
    schema_: Schema = Field(
        alias="schema",
        description="Kinds and roles of the columns.",
        examples=[{"columns": [{"name": "age", "kind": "integer"}]}],
    )

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls.model_validate(dataset)


class JobResponse(ResponseBody):
    """A job."""

    id: str = Field(description="Names the job.", examples=["0f1e2d3c4b5a6978"])
    kind: str = Field(description="Which kind of job.", examples=["train"], json_schema_extra=listing(KINDS))
    state: State = Field(description="Its state; the last four are final.", examples=["running"])
    progress: float = Field(description="From 0 to 1.", examples=[0.4])
    stage: str = Field(description="What it is doing.", examples=["Training"])
    note: str = Field(description="What it last said.", examples=["Epoch 40 of 100"])
    error: str = Field(description="Why it failed, in words.", examples=[""])
    attempts: int = Field(0, description="How often it was begun since somebody started it.", examples=[1])
    not_before: datetime | None = Field(
        None, description="When it is tried again by itself, after it was interrupted.", examples=[None]
    )
    created: datetime = Field(description="When it was requested.", examples=[MOMENT])
    started: datetime | None = Field(description="When its process was started.", examples=[MOMENT])
    finished: datetime | None = Field(description="When it ended.", examples=[None])
    seconds_left: float | None = Field(
        description="Estimated from its progress; null before that is possible.", examples=[12.5]
    )
    dataset_id: str | None = Field(description="The table it works on.", examples=["cf5d245d1c27f9b9"])
    run_id: str | None = Field(description="The run that it made, or works on.", examples=["8a1f0c2b9d3e4f56"])
    batch_id: str | None = Field(None, description="The batch it belongs to.", examples=[None])
    set_id: str | None = Field(None, description="The conversation set that it writes.", examples=["2d3c4b5a69780f1e"])
    talk_id: str | None = Field(
        None, description="Deprecated: read `set_id`.", examples=["2d3c4b5a69780f1e"], deprecated=True
    )

    @classmethod
    def of(cls, job: Job) -> Self:
        set_id = job.arguments.get("talk")
        return cls.model_validate(job).model_copy(
            update={"set_id": set_id, "talk_id": set_id, "note": when_again(job) or job.note}
        )


class EventResponse(ResponseBody):
    """What a job said at a moment."""

    seq: int = Field(description="Grows with each report; `after` takes it.", examples=[17])
    at: datetime = Field(description="When.", examples=[MOMENT])
    progress: float = Field(description="From 0 to 1.", examples=[0.4])
    stage: str = Field(description="What it did.", examples=["Training"])
    note: str = Field(description="What it said.", examples=["Epoch 40 of 100"])
    curve: dict[str, float] = Field(
        description="A point of its curves, such as epoch and loss.", examples=[{"epoch": 40, "loss": 0.7}]
    )


class RunResponse(ResponseBody):
    """A synthetic table, the model that generated it, and its scores."""

    id: str = Field(description="Names the run, and its model.", examples=["8a1f0c2b9d3e4f56"])
    dataset_id: str = Field(description="The dataset it was made from.", examples=["cf5d245d1c27f9b9"])
    job_id: str | None = Field(description="The job that made it.", examples=["0f1e2d3c4b5a6978"])
    created: datetime = Field(description="When it was requested.", examples=[MOMENT])
    model: str = Field(
        description="Name of its generator; `elsewhere` for a table that was uploaded.",
        examples=["trees"],
        json_schema_extra=listing(GENERATORS),
    )
    params: dict[str, Any] = Field(description="The generator's parameters.", examples=[{}])
    seed: int = Field(description="The seed it was made with.", examples=[0])
    rows: int = Field(description="Rows of the synthetic table.", examples=[1000])
    fit_seconds: float | None = Field(description="Seconds of training.", examples=[0.9])
    sample_seconds: float | None = Field(description="Seconds of generating the rows.", examples=[0.2])
    cpu_seconds: float | None = Field(description="Processor time of its job.", examples=[4.1])
    peak_mb: float | None = Field(description="Most memory its job held.", examples=[310])
    note: str = Field(description="What the reader must know, such as an evaluation that failed.", examples=[""])
    stopped: list[Stage] = Field(
        description="What somebody stopped by hand: its training, of which the model then is, or its evaluation.",
        examples=[[]],
    )
    broken: str = Field("", description="What of it cannot be read, such as its scores; empty: nothing.", examples=[""])
    scores: dict[str, Score] = Field(description="Its scores, by metric.", examples=[{}])

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls.model_validate(run)


class Page(ResponseBody):
    """Rows of a table, from `offset` on."""

    columns: list[str] = Field(description="Names of the columns, in order.", examples=[["city", "age"]])
    rows: list[list[Any]] = Field(description="Cells, row by row.", examples=[[["Oslo", 41]]])
    offset: int = Field(description="Rows before the first one here.", examples=[0])
    total: int = Field(description="Rows of the whole table.", examples=[32561])
