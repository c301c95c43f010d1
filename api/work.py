"""Work over HTTP: each call answers 202 with the job it started."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from api.access import Asked, Here, Starter, seen_by
from api.errors import Stop
from api.shapes import JobOut
from workspace.keys import Caller
from workspace.orders import Order
from workspace.workspace import Run, Workspace

router = APIRouter(tags=["Work"])
ROWS = "Rows to draw; unset: as many as it learned from."
CONDITIONS = "What the rows must meet; see the README."


class Training(Asked):
    dataset_id: str = Field(examples=["cf5d245d1c27f9b9"])
    model: str = Field("trees", description="Name of a generator; GET /models lists them.", examples=["trees"])
    params: dict[str, Any] = Field({}, description="Its parameters.", examples=[{}])
    epochs: int | None = Field(None, ge=1, description="Short for params.epochs, where the generator has them.")
    batch_size: int | None = Field(None, ge=1, description="Short for params.batch_size.")
    rows: int | None = Field(None, ge=1, description=ROWS)
    seed: int = Field(0, ge=0, lt=2**63)
    conditions: dict[str, Any] | None = Field(None, description=CONDITIONS)
    metrics: list[str] | None = Field(None, description="Names of the measures; unset: all. GET /metrics lists them.")

    def all_params(self, workspace: Workspace) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in ("epochs", "batch_size") if getattr(self, name) is not None}
        params = {**self.params, **given}
        epochs = params.get("epochs")
        if isinstance(epochs, int) and epochs > workspace.settings.max_epochs:
            raise Stop(
                422, f"At most {workspace.settings.max_epochs:,} epochs are taken; {epochs:,} were asked for.", "epochs"
            )
        return params


class Drawing(Asked):
    run_id: str | None = Field(None, description="The run whose model draws.")
    model_id: str | None = Field(None, description="The same as run_id.")
    training_job_id: str | None = Field(None, description="The job that trained the model.")
    rows: int = Field(1000, ge=1)
    seed: int = Field(0, ge=0, lt=2**63)
    conditions: dict[str, Any] | None = Field(None, description=CONDITIONS)
    metrics: list[str] | None = None


class Judging(Asked):
    run_id: str
    metrics: list[str] | None = Field(None, description="Names of the measures; unset: all.")


class Search(Training):
    search: list[str] | None = Field(None, description="Parameters to vary; unset: all that can be.")
    trials: int = Field(20, ge=1, le=1000)
    budget_s: float | None = Field(None, gt=0, description="Seconds after which no trial is begun.")
    objective: str = Field("fidelity", description="fidelity, utility, privacy, or the name of a measure.")


class Conversing(Asked):
    dataset_id: str | None = Field(None, description="The real conversations; unset: from the brief alone.")
    order: Order
    api_key: str | None = Field(None, description="The language model's; kept encrypted until the job is done.")


class Processing(Asked):
    dataset_ids: list[str] = Field(min_length=1, max_length=100)
    order: Order
    api_key: str | None = None


@router.post("/train", status_code=202)
def train(asked: Training, caller: Starter, workspace: Here) -> JobOut:
    """Train a generator, draw a table from it, judge it."""
    return JobOut.of(_trained(asked, caller, workspace))


def _trained(asked: Training, caller: Caller, workspace: Workspace):
    seen_by(caller, workspace.dataset(asked.dataset_id), "dataset")
    _check_rows(asked.rows, workspace)
    return workspace.train(
        asked.dataset_id,
        asked.model,
        asked.all_params(workspace),
        rows=asked.rows,
        seed=asked.seed,
        conditions=asked.conditions,
        metrics=asked.metrics,
        owner=caller.owner,
    )


@router.post("/generate", status_code=202)
def generate(asked: Drawing | Training, caller: Starter, workspace: Here) -> JobOut:
    """Draw from a model that is trained, or, with a dataset_id, train one first."""
    if isinstance(asked, Training):
        return JobOut.of(_trained(asked, caller, workspace))
    run = _model_of(asked, caller, workspace)
    _check_rows(asked.rows, workspace)
    job = workspace.sample(
        run.id, asked.rows, asked.seed, asked.metrics, conditions=asked.conditions, owner=caller.owner
    )
    return JobOut.of(job)


@router.post("/evaluate", status_code=202)
def evaluate(asked: Judging, caller: Starter, workspace: Here) -> JobOut:
    """Judge a run again, or by other measures."""
    run = seen_by(caller, workspace.run(asked.run_id), "run")
    return JobOut.of(workspace.evaluate(run.id, asked.metrics, owner=caller.owner))


@router.post("/optimize", status_code=202)
def optimize(asked: Search, caller: Starter, workspace: Here) -> JobOut:
    """Search for the parameters that score best, and train a run with them."""
    seen_by(caller, workspace.dataset(asked.dataset_id), "dataset")
    _check_rows(asked.rows, workspace)
    job = workspace.tune(
        asked.dataset_id,
        asked.model,
        asked.all_params(workspace),
        search=asked.search,
        trials=asked.trials,
        budget_s=asked.budget_s,
        objective=asked.objective,
        rows=asked.rows,
        seed=asked.seed,
        metrics=asked.metrics,
        owner=caller.owner,
    )
    return JobOut.of(job)


@router.post("/converse", status_code=202)
def converse(asked: Conversing, caller: Starter, workspace: Here) -> JobOut:
    """Write a set of conversations."""
    if asked.dataset_id is not None:
        seen_by(caller, workspace.dataset(asked.dataset_id), "dataset")
    return JobOut.of(workspace.converse(asked.dataset_id, _with_key(asked, workspace), owner=caller.owner))


@router.post("/process", status_code=202)
def process(asked: Processing, caller: Starter, workspace: Here) -> list[JobOut]:
    """Write conversations from several tables, a job each."""
    for dataset_id in asked.dataset_ids:
        seen_by(caller, workspace.dataset(dataset_id), "dataset")
    order = _with_key(asked, workspace)
    return [JobOut.of(workspace.converse(one, order, owner=caller.owner)) for one in asked.dataset_ids]


def _with_key(asked: Conversing | Processing, workspace: Workspace) -> Order:
    """The order with the key of the request, or of the settings, and never beyond what the settings allow."""
    settings = workspace.settings
    key = asked.api_key or settings.llm_api_key.get_secret_value()
    server = asked.order.server.model_dump() | {"api_key": key}
    server["local_only"] = settings.llm_local_only or server["local_only"]
    return asked.order.model_copy(update={"server": type(asked.order.server).model_validate(server)})


def _model_of(asked: Drawing, caller: Caller, workspace: Workspace) -> Run:
    run_id = asked.run_id or asked.model_id
    if run_id is None and asked.training_job_id is not None:
        job = seen_by(caller, workspace.job(asked.training_job_id), "job")
        if job.run_id is None:
            raise Stop(
                409, f"Job {job.id} is {job.state} and has no model yet. Wait until it is done.", "training_job_id"
            )
        run_id = job.run_id
    if run_id is None:
        raise Stop(
            422, "Say which model draws: run_id, model_id or training_job_id; or give a dataset_id to train one."
        )
    return seen_by(caller, workspace.run(run_id), "run")


def _check_rows(rows: int | None, workspace: Workspace) -> None:
    if rows is not None and rows > workspace.settings.max_rows:
        raise Stop(
            422, f"At most {workspace.settings.max_rows:,} rows are drawn at a time; {rows:,} were asked for.", "rows"
        )
