"""What the calls that start work take, as JSON or as the fields of a form."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, SecretStr, model_validator

from api.schemas.openapi import not_empty, one_of, or_none
from api.schemas.rules import absent, at_least_one, at_most_one, exactly_one, given
from metrics import METRICS
from synth import GENERATORS
from synth.conversations.order import ConversationRequest
from synth.strict import StrictNumbers
from workspace.ingest.ingest import ReadOptions
from workspace.jobs.kinds import KINDS
from workspace.tables.formats import Format
from workspace.tuning_space import objectives

ROWS = "Rows to generate, at most the setting `UNDERSTUDY_MAX_ROWS`; unset: as many as the training rows."
METRICS_USED = "Names of the metrics to compute; unset: all. `GET /metrics` lists them."
HOLDOUT = "Share of a new table's rows to hold out for evaluation; unset: the setting `UNDERSTUDY_HOLDOUT_SHARE`."
SESSION = "Names what is uploaded together, to be deleted together by `DELETE /cleanup/{session}`; unset: a new one."
Generator = Annotated[str, Field(json_schema_extra=one_of(GENERATORS))]
TABLES = ("dataset_id", "data_path")
"""The fields that name a table."""
MODELS = ("run_id", "model_id", "training_job_id")
"""The fields that name a trained model."""
MetricName = Annotated[str, Field(json_schema_extra=one_of(METRICS))]
SessionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class RequestBody(StrictNumbers):
    """The body of a request: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class OnTable(RequestBody):
    """A real table: one that was uploaded, or a file in the same request, or one the server may read."""

    model_config = ConfigDict(json_schema_extra=exactly_one(*TABLES))

    dataset_id: str | None = Field(
        None,
        description="An uploaded table; unset: `data_path` names it, or a file comes with the request.",
        examples=["cf5d245d1c27f9b9"],
    )
    data_path: str | None = Field(
        None,
        max_length=1000,
        description="Name of an upload of the caller's, or path of a file in the folder that the setting "
        "`UNDERSTUDY_DATA_FOLDER` names. No other file of the server is ever opened.",
        examples=["adult.csv"],
        json_schema_extra=not_empty,
    )
    session: SessionId | None = Field(None, description=SESSION, examples=["monday-trial"])
    holdout_share: float | None = Field(
        None,
        ge=0,
        lt=1,
        description=HOLDOUT,
        examples=[0.2],
    )
    read: ReadOptions | None = Field(
        None, description="How to read a new table; unset: detected.", examples=[{"delimiter": ";"}]
    )


class FitFields(OnTable):
    """A generator, and the table to make with it."""

    model: Generator = Field("trees", description="Name of a generator; `GET /models` lists them.", examples=["trees"])
    params: dict[str, Any] = Field(
        {}, description="Its parameters, as `GET /models` describes them; unset: their defaults.", examples=[{}]
    )
    epochs: int | None = Field(
        None,
        ge=1,
        description="Short for `params.epochs`, where the generator has them; at most the setting `UNDERSTUDY_MAX_EPOCHS`.",
        examples=[None],
    )
    batch_size: int | None = Field(
        None, ge=1, description="Short for `params.batch_size`, where the generator has it.", examples=[None]
    )
    rows: int | None = Field(None, ge=1, description=ROWS, examples=[1000])
    seed: int = Field(0, ge=0, lt=2**63, description="The same seed gives the same table.", examples=[0])
    metrics: list[MetricName] | None = Field(
        None, description=METRICS_USED, examples=[["column_shapes", "exact_copies"]]
    )
    format: Format | None = Field(
        None,
        description="The file to write at the end, and to download; unset: CSV, written at the download.",
        examples=["csv"],
    )

    @property
    def all_params(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in ("epochs", "batch_size") if getattr(self, name) is not None}
        return {**self.params, **given}


class TrainRequest(FitFields):
    """Train a generator, generate a table with it, evaluate the table."""

    conditions: dict[str, Any] | None = Field(
        None,
        description="What the rows must meet; see docs/api.md. They name columns of the table, and values that these may "
        "have.",
        examples=[{"where": ["age >= 30"]}],
    )


RETRAINING = (*OnTable.model_fields, "model", "params", "epochs", "batch_size")
"""What would train another model than the one named."""


class GenerateRequest(TrainRequest):
    """Generate rows with a trained model, by `run_id`, `model_id` or `training_job_id`; or train one first.

    What says how to train is not there beside a trained model.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": at_least_one(*MODELS),
            "then": absent(*RETRAINING) | exactly_one(*MODELS),
            "else": at_most_one(*TABLES),
        }
    )

    run_id: str | None = Field(None, description="The run whose model is used.", examples=["8a1f0c2b9d3e4f56"])
    model_id: str | None = Field(None, description="The same as `run_id`.", examples=["8a1f0c2b9d3e4f56"])
    training_job_id: str | None = Field(
        None, description="The job that trained the model.", examples=["0f1e2d3c4b5a6978"]
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        named = [name for name in MODELS if getattr(self, name) is not None]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} each name a model; give one of them.")
        if named and (retrained := sorted(self.model_fields_set & {*RETRAINING})):
            raise ValueError(f"{named[0]} names a model that is trained; {', '.join(retrained)} would train another.")
        return self

    @property
    def trains(self) -> bool:
        return all(getattr(self, name) is None for name in MODELS)


class EvaluateRequest(RequestBody):
    """Evaluate a synthetic table again, or with other metrics; or an external table, whose file comes in a form."""

    model_config = ConfigDict(json_schema_extra={"not": given("dataset_id")})

    dataset_id: str | None = Field(
        None,
        description="With a file, and only then: the dataset it was made from.",
        examples=["cf5d245d1c27f9b9"],
    )
    run_id: str | None = Field(None, description="The run to evaluate.", examples=["8a1f0c2b9d3e4f56"])
    training_job_id: str | None = Field(
        None, description="The job that made the run, in its place.", examples=["0f1e2d3c4b5a6978"]
    )
    metrics: list[MetricName] | None = Field(
        None, description=METRICS_USED, examples=[["column_shapes", "exact_copies"]]
    )


class OptimizeRequest(FitFields):
    """Search for the parameters that score best, from `params` on, and train a run with them."""

    search: list[str] | None = Field(
        None, description="Parameters to vary; unset: all that can be.", examples=[["max_depth"]]
    )
    trials: int = Field(20, ge=1, le=1000, description="The most parameter settings to try.", examples=[5])
    budget_s: float | None = Field(
        None, gt=0, description="Seconds after which no trial is started; unset: no limit.", examples=[600]
    )
    objective: str = Field(
        "fidelity",
        description="`fidelity`, `utility`, `privacy`, or the name of a metric.",
        examples=["fidelity"],
        json_schema_extra=one_of(objectives),
    )


KEY = "The language model's key, kept encrypted until the job ends; unset: that of `POST /login`, then the settings'."


class ConversationFields(RequestBody):
    """What every request for conversations has."""

    order: ConversationRequest = Field(
        description="What to write, and by which model.",
        examples=[{"brief": {"kind": "support", "dialogues": 20}, "server": {"model": "gpt-4o-mini"}}],
    )
    api_key: SecretStr | None = Field(None, description=KEY, examples=["sk-..."])


class ConverseRequest(ConversationFields, OnTable):
    """Write a set of conversations: like those of a table, or, with none, from the brief alone."""

    model_config = ConfigDict(json_schema_extra=at_most_one(*TABLES))


class ProcessRequest(ConversationFields):
    """Write conversations like those of several tables, a job each."""

    model_config = ConfigDict(json_schema_extra={"not": {"properties": {"dataset_ids": {"maxItems": 0}}}})

    dataset_ids: list[str] = Field(
        [],
        max_length=100,
        description="Uploaded tables, beside the files of the form: at least one table or file in all.",
        examples=[["cf5d245d1c27f9b9"]],
    )
    session: SessionId | None = Field(None, description=SESSION, examples=["monday-trial"])


Name = Annotated[
    str,
    Field(
        pattern=r"^[\w.-]{1,64}$",
        description="What the batch calls this operation; no other one of it has this name.",
        examples=["first"],
    ),
]


class OperationRequest(RequestBody):
    """What every operation of a batch has."""

    name: Name
    after: list[str] = Field(
        [],
        max_length=100,
        description="Operations of this batch that must have succeeded before it starts. None waits for itself, not even "
        "by way of others.",
        examples=[["first"]],
    )


class TrainOperation(OperationRequest):
    """Train a generator."""

    call: Literal["train"] = Field(description="Which call.", examples=["train"])
    request: TrainRequest = Field(
        description="What `POST /train` takes.", examples=[{"dataset_id": "cf5d245d1c27f9b9"}]
    )


class OptimizeOperation(OperationRequest):
    """Search for parameters."""

    call: Literal["optimize"] = Field(description="Which call.", examples=["optimize"])
    request: OptimizeRequest = Field(
        description="What `POST /optimize` takes.", examples=[{"dataset_id": "cf5d245d1c27f9b9", "trials": 5}]
    )


R = TypeVar("R", bound=RequestBody)


RUNS = tuple(sorted({*MODELS, *FitFields.model_fields} - {"rows", "seed", "metrics", "format"}))
"""What the request of an operation on another one's run cannot have: it would name a run, or train one."""


def of_another(*sources: str) -> dict[str, Any]:
    """The rule of an operation that is of another one, or has a request that names one of these sources."""
    needed = {"required": ["request"], "properties": {"request": at_least_one(*sources)}}
    return {"if": given("of"), "then": {"properties": {"request": absent(*RUNS)}}, "else": needed}


class OfAnother(OperationRequest, Generic[R]):
    """An operation on the run that another one makes."""

    of: str | None = Field(
        None,
        description="The operation of this batch whose run this one uses, instead of an id in the request; it waits for it.",
        examples=["first"],
    )
    request: R

    @model_validator(mode="after")
    def _one_run(self) -> Self:
        if self.of is not None and (told := sorted({*RUNS} & self.request.model_fields_set)):
            raise ValueError(
                f"Operation {self.name!r} is of {self.of!r}; its request cannot have {', '.join(told)} too."
            )
        return self


class GenerateOperation(OfAnother[GenerateRequest]):
    """Generate rows with a trained model."""

    model_config = ConfigDict(json_schema_extra=of_another(*TABLES, *MODELS))

    call: Literal["generate"] = Field(description="Which call.", examples=["generate"])
    request: GenerateRequest = Field(
        GenerateRequest(), description="What `POST /generate` takes.", examples=[{"rows": 500}]
    )


class EvaluateOperation(OfAnother[EvaluateRequest]):
    """Evaluate a synthetic table."""

    model_config = ConfigDict(json_schema_extra=of_another("run_id", "training_job_id"))

    call: Literal["evaluate"] = Field(description="Which call.", examples=["evaluate"])
    request: EvaluateRequest = Field(
        EvaluateRequest(), description="What `POST /evaluate` takes.", examples=[{"metrics": ["exact_copies"]}]
    )


class ConverseOperation(OperationRequest):
    """Write conversations."""

    call: Literal["converse"] = Field(description="Which call.", examples=["converse"])
    request: ConverseRequest = Field(
        description="What `POST /converse` takes.", examples=[{"order": {"brief": {"dialogues": 5}, "server": {}}}]
    )


OPERATIONS = TrainOperation | GenerateOperation | EvaluateOperation | OptimizeOperation | ConverseOperation


class BatchRequest(RequestBody):
    """Several operations, side by side or one after another."""

    operations: list[Annotated[OPERATIONS, Field(discriminator="call")]] = Field(
        min_length=1,
        max_length=100,
        description="What to do. Tables are named by `dataset_id` or `data_path`: upload files before.",
        examples=[
            [
                {"name": "first", "call": "train", "request": {"dataset_id": "cf5d245d1c27f9b9"}},
                {"name": "more", "call": "generate", "of": "first", "request": {"rows": 500}},
            ]
        ],
    )
    parallel: bool = Field(
        True,
        description="Whether operations that wait for no other run side by side; otherwise each starts when the one "
        "before has ended, successfully or not.",
        examples=[True],
    )


def offered() -> list[str]:
    """The kinds of job that `POST /jobs` starts."""
    return [name for name, kind in KINDS.items() if kind.offered]


class JobRequest(RequestBody):
    """A job of a kind that a plugin adds, or of another that needs nothing but a table or a run, and its arguments."""

    kind: str = Field(
        description="Which kind of job; `GET /jobs/kinds` lists those that can be started so.",
        examples=["count_values"],
        json_schema_extra=or_none(offered),
    )
    dataset_id: str | None = Field(
        None,
        description="The table it works on; unset: that of the run, if any. Beside a run it is the run's own.",
        examples=["cf5d245d1c27f9b9"],
    )
    run_id: str | None = Field(None, description="The run it works on, if any.", examples=["8a1f0c2b9d3e4f56"])
    arguments: dict[str, Any] = Field(
        {}, description="What the kind of job takes, as `GET /jobs/kinds` describes it.", examples=[{"column": "age"}]
    )


class RetryRequest(RequestBody):
    """What a job needs that is tried again."""

    api_key: SecretStr | None = Field(
        None,
        description="The language model's key, which was forgotten when the job ended; unset: that of the settings, for "
        "their own server.",
        examples=["sk-..."],
    )
