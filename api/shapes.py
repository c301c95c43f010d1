"""What the API answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from metrics import Score
from synth import Schema
from workspace.workspace import Dataset, Job, Run


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, protected_namespaces=())


class RejectedOut(Out):
    line: int
    reason: str


class DatasetOut(Out):
    """An uploaded table."""

    id: str = Field(examples=["cf5d245d1c27f9b9"])
    name: str = Field(examples=["adult.csv"])
    created: datetime
    rows: int
    columns: int
    holdout_rows: int = Field(description="Rows locked away from every generator.")
    holdout_kind: str
    summary: str = Field(description="How the file was read, in one line.")
    lines: int
    rejected_rows: int = Field(description="Lines that could not be read as rows.")
    rejected: list[RejectedOut]
    size_bytes: int
    schema_: Schema = Field(alias="schema", description="Kinds and roles of the columns.")

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        return cls.model_validate(dataset)


class JobOut(Out):
    """One piece of work."""

    id: str
    kind: str = Field(examples=["train"])
    state: str = Field(description="queued, running, done, failed, cancelled or interrupted.")
    progress: float = Field(description="From 0 to 1.")
    stage: str
    note: str
    error: str = Field(description="Why it failed, in words.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    seconds_left: float | None
    dataset_id: str | None
    run_id: str | None = Field(description="The run it made, or works on.")
    talk_id: str | None = Field(None, description="The set of conversations it writes.")

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls.model_validate(job).model_copy(update={"talk_id": job.arguments.get("talk")})


class EventOut(Out):
    """What a job said at a moment."""

    seq: int
    at: datetime
    progress: float
    stage: str
    note: str
    curve: dict[str, float] = Field(description="A point of its curves, such as epoch and loss.")


class RunOut(Out):
    """A synthetic table, the model it came from, and how it was judged."""

    id: str
    dataset_id: str
    job_id: str | None
    created: datetime
    model: str
    params: dict[str, Any]
    seed: int
    rows: int
    fit_seconds: float | None
    sample_seconds: float | None
    cpu_seconds: float | None
    peak_mb: float | None
    note: str
    scores: dict[str, Score]

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls.model_validate(run)


class Page(Out):
    """Rows of a table, from `offset` on."""

    columns: list[str]
    rows: list[list[Any]]
    offset: int
    total: int
