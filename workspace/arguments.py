"""What jobs are asked to do: the arguments kept in a job's row, a model for each kind of job."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Arguments(BaseModel):
    """The arguments of one kind of job, which `kind` names. Unknown keys of a stored row are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())

    kind: str
    secrets: ClassVar[tuple[str, ...]] = ()
    """Names of those that are kept encrypted, handed to the worker alone, and forgotten when the job ends."""


class ScoringArguments(Arguments):
    """What jobs take that end by scoring a synthetic table."""

    metrics: list[str] | None = Field(None, description="Names of the metrics to score it by; unset: all.")
    options: dict[str, Any] | None = Field(
        None, description="Choices for single metrics, as `metrics.OPTIONS` lists them; unset: those of the run."
    )
    format: str | None = Field(None, description="The file to write of the rows once they are scored; unset: none.")
    expected: dict[str, float] = Field(
        {}, description="Seconds that each stage should take, as estimated when the job was ordered."
    )


class TrainArguments(ScoringArguments):
    kind: Literal["train"] = "train"
    model: str
    params: dict[str, Any]
    rows: int | None = None
    """Rows to draw; None: as many as it learns from."""
    seed: int = 0
    conditions: dict[str, Any] | None = None
    """What the rows to draw must meet, as `synth.sampling.conditions.Conditions` has it."""


class SampleArguments(ScoringArguments):
    kind: Literal["sample"] = "sample"
    parent: str | None
    """The run whose model draws."""
    parent_job: str | None = None
    """The job that makes that run, where there was none yet."""
    rows: int
    seed: int
    conditions: dict[str, Any] | None = None


class EvaluateArguments(ScoringArguments):
    kind: Literal["evaluate"] = "evaluate"
    of_job: str | None = None
    """The job that makes the run to score, where there was none yet."""


class TuneArguments(ScoringArguments):
    kind: Literal["tune"] = "tune"
    model: str
    params: dict[str, Any]
    """Where the search begins; what is not searched stays so."""
    search: list[str]
    """Names of the parameters to search."""
    trials: int
    budget_s: float | None = None
    objective: str = "fidelity"
    rows: int | None = None
    seed: int = 0


class ReplaceRowsArguments(ScoringArguments):
    kind: Literal["replace_rows"] = "replace_rows"
    parent: str
    rows: list[int]
    """Positions of the synthetic rows to take out."""
    how: Literal["drop", "draw"]
    """Leave them out, or draw as many others from the model."""
    seed: int


class SelfTestArguments(Arguments):
    kind: Literal["self_test"] = "self_test"


class ConverseArguments(Arguments):
    model_config = ConfigDict(populate_by_name=True)

    kind: Literal["converse"] = "converse"
    set_id: str = Field(alias="talk")
    """The conversation set to write."""
    key: str = ""
    """The model server's key, encrypted; empty once the job has ended, however it did."""
    secrets = ("key",)


JobArguments = Annotated[
    TrainArguments
    | SampleArguments
    | EvaluateArguments
    | TuneArguments
    | ReplaceRowsArguments
    | SelfTestArguments
    | ConverseArguments,
    Field(discriminator="kind"),
]
"""The arguments of the kinds of job that come with the app; plugins add theirs to `workspace.jobs.kinds.KINDS`."""
