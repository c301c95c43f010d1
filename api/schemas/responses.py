"""What the API answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from metrics import Score
from synth import Schema
from workspace.catalog.rows import State
from workspace.workspace import Dataset, Job, Run

Limit = Annotated[int, Query(ge=1, le=1000, description="Most entries to answer with.", examples=[100])]
Offset = Annotated[int, Query(ge=0, le=2**53, description="Entries to leave out at the beginning.", examples=[0])]
MOMENT = "2026-01-01T08:00:00Z"


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


class RejectedOut(Out):
    """A line that could not be read as a row."""

    line: int = Field(description="Its number in the file, from 1.", examples=[17])
    reason: str = Field(description="Why it could not be read.", examples=["3 cells; the table has 5 columns."])


class DatasetOut(Out):
    """An uploaded table."""

    id: str = Field(description="Names the table.", examples=["cf5d245d1c27f9b9"])
    name: str = Field(description="Name of the file.", examples=["adult.csv"])
    created: datetime = Field(description="When it was uploaded.", examples=[MOMENT])
    rows: int = Field(description="Rows, those locked away included.", examples=[32561])
    columns: int = Field(description="Columns.", examples=[15])
    holdout_rows: int = Field(description="Rows locked away from every generator.", examples=[6512])
    holdout_kind: Literal["share", "file", "none"] = Field(
        description="Drawn from the upload, a file of its own, or absent.", examples=["share"]
    )
    summary: str = Field(
        description="How the file was read, in one line.", examples=["UTF-8, cells parted by commas, header on line 1"]
    )
    lines: int = Field(description="Lines of the file.", examples=[32562])
    rejected_rows: int = Field(description="Lines that could not be read as rows.", examples=[0])
    rejected: list[RejectedOut] = Field(description="The first thousand of them.", examples=[[]])
    size_bytes: int = Field(description="Its bytes on disk.", examples=[1048576])
    session: str | None = Field(None, description="What it was uploaded with.", examples=["9d1f0c2b8a3e4f57"])
    schema_: Schema = Field(alias="schema", description="Kinds and roles of the columns.")

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls.model_validate(dataset)


class JobOut(Out):
    """One piece of work."""

    id: str = Field(description="Names the job.", examples=["0f1e2d3c4b5a6978"])
    kind: str = Field(description="train, sample, evaluate, tune or converse.", examples=["train"])
    state: State = Field(description="Where it is; the last four are final.", examples=["running"])
    progress: float = Field(description="From 0 to 1.", examples=[0.4])
    stage: str = Field(description="What it does at the moment.", examples=["Training"])
    note: str = Field(description="What it last said.", examples=["Epoch 40 of 100"])
    error: str = Field(description="Why it failed, in words.", examples=[""])
    created: datetime = Field(description="When it was asked for.", examples=[MOMENT])
    started: datetime | None = Field(description="When its process was started.", examples=[MOMENT])
    finished: datetime | None = Field(description="When it ended.", examples=[None])
    seconds_left: float | None = Field(description="By its own pace; None before it can be told.", examples=[12.5])
    dataset_id: str | None = Field(description="The table it works on.", examples=["cf5d245d1c27f9b9"])
    run_id: str | None = Field(description="The run it made, or works on.", examples=["8a1f0c2b9d3e4f56"])
    batch_id: str | None = Field(None, description="The batch it belongs to.", examples=[None])
    talk_id: str | None = Field(None, description="The set of conversations it writes.", examples=[None])

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.model_validate(job).model_copy(update={"talk_id": job.arguments.get("talk")})


class EventOut(Out):
    """What a job said at a moment."""

    seq: int = Field(description="Grows with each report; `after` takes it.", examples=[17])
    at: datetime = Field(description="When.", examples=[MOMENT])
    progress: float = Field(description="From 0 to 1.", examples=[0.4])
    stage: str = Field(description="What it did.", examples=["Training"])
    note: str = Field(description="What it said.", examples=["Epoch 40 of 100"])
    curve: dict[str, float] = Field(
        description="A point of its curves, such as epoch and loss.", examples=[{"epoch": 40, "loss": 0.7}]
    )


class RunOut(Out):
    """A synthetic table, the model it came from, and how it was judged."""

    id: str = Field(description="Names the run, and its model.", examples=["8a1f0c2b9d3e4f56"])
    dataset_id: str = Field(description="The table it stands in for.", examples=["cf5d245d1c27f9b9"])
    job_id: str | None = Field(description="The job that made it.", examples=["0f1e2d3c4b5a6978"])
    created: datetime = Field(description="When it was asked for.", examples=[MOMENT])
    model: str = Field(description="Name of its generator.", examples=["trees"])
    params: dict[str, Any] = Field(description="The generator's parameters.", examples=[{}])
    seed: int = Field(description="The seed it was made with.", examples=[0])
    rows: int = Field(description="Rows of the synthetic table.", examples=[1000])
    fit_seconds: float | None = Field(description="What training took.", examples=[0.9])
    sample_seconds: float | None = Field(description="What drawing the rows took.", examples=[0.2])
    cpu_seconds: float | None = Field(description="Processor time of its job.", examples=[4.1])
    peak_mb: float | None = Field(description="Most memory its job held.", examples=[310])
    note: str = Field(description="What the reader must know, such as a judging that failed.", examples=[""])
    scores: dict[str, Score] = Field(description="How it was judged, by measure.", examples=[{}])

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls.model_validate(run)


class Page(Out):
    """Rows of a table, from `offset` on."""

    columns: list[str] = Field(description="Names of the columns, in order.", examples=[["city", "age"]])
    rows: list[list[Any]] = Field(description="Cells, row by row.", examples=[[["Oslo", 41]]])
    offset: int = Field(description="Rows before the first one here.", examples=[0])
    total: int = Field(description="Rows of the whole table.", examples=[32561])
