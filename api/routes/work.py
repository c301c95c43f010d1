"""Calls that start jobs: each answers 202 with its job."""

from __future__ import annotations

from contextlib import ExitStack

from fastapi import APIRouter, Request
from pydantic import BaseModel

from api.errors import ApiError
from api.form_route import MOST_FILES, Posting
from api.routes.login import credentials_of
from api.schemas.requests import (
    MODELS,
    RETRAINING,
    TABLES,
    ConversationFields,
    ConverseRequest,
    EvaluateRequest,
    FitFields,
    GenerateRequest,
    OptimizeRequest,
    ProcessRequest,
    TrainRequest,
)
from api.schemas.responses import JobResponse
from api.schemas.rules import Schema, absent, at_least_one, at_most_one, exactly_one, given, left_out
from api.security import Here, Writer, make_room, seen_by
from api.table_source import file_name, kept, optional_table_of, table_of, take
from synth.conversations import ServerError
from synth.conversations.order import ConversationRequest
from synth.errors import given_by_the_asker
from workspace.access.callers import Caller
from workspace.catalog.rows import new_id
from workspace.ingest.ingest import ReadError
from workspace.jobs.queue import Draft
from workspace.workspace import Workspace

router = APIRouter(tags=["Work"], route_class=Posting)


ONE_TABLE = exactly_one("file", *TABLES)
FILE = {
    "type": "string",
    "format": "binary",
    "minLength": 1,
    "description": "A table, with a header and at least one row: CSV, TSV, JSON, Parquet or Excel.",
}
FILES = {
    "type": "array",
    "items": FILE,
    "minItems": 1,
    "maxItems": MOST_FILES,
    "description": "Tables, a job each; together with those of `dataset_ids` at least one.",
}


def with_form(kind: type[BaseModel], rule: Schema, json_rule: Schema | None = None) -> Schema:
    """What the description of a call adds: the same fields as a form, with the file, and the rules between the fields.

    Those of the JSON stand in its model, or here, where they are not those of every such request.
    """
    of = f"#/components/schemas/{kind.__name__}/properties/"
    # A field of a form is left out where JSON may have null.
    fields = {name: {"$ref": of + name, "not": {"type": "null"}} for name in kind.model_fields}
    file = {"files": FILES} if kind is ProcessRequest else {"file": FILE}
    form: Schema = {"type": "object", "properties": fields | file, "additionalProperties": False}
    if needed := [name for name, field in kind.model_fields.items() if field.is_required()]:
        form["required"] = needed
    content = {"multipart/form-data": {"schema": form | rule}, "application/json": {"schema": json_rule or {}}}
    return {"requestBody": {"content": content}}


@router.post("/train", status_code=202, openapi_extra=with_form(TrainRequest, ONE_TABLE))
def train(body: TrainRequest, caller: Writer, workspace: Here, request: Request) -> JobResponse:
    """Train a generator, generate a table with it, evaluate the table."""
    make_room(caller, workspace)
    with table_of(body, request.state.files, caller, workspace) as dataset_id:
        return submitted(training_draft(body, dataset_id, caller, workspace), workspace)


A_MODEL = absent("file", *RETRAINING) | exactly_one(*MODELS)
MODEL_OR_TABLE = {"if": at_least_one(*MODELS), "then": A_MODEL, "else": ONE_TABLE}


@router.post(
    "/generate",
    status_code=202,
    openapi_extra=with_form(GenerateRequest, MODEL_OR_TABLE, at_least_one(*MODELS, *TABLES)),
)
def generate(body: GenerateRequest, caller: Writer, workspace: Here, request: Request) -> JobResponse:
    """Generate rows with a trained model, or, given a table, train one first."""
    make_room(caller, workspace)
    if not body.trains:
        if request.state.files:
            raise ApiError(422, "A trained model needs no file. Leave out the file or the id of the model.", "file")
        return submitted(sampling_draft(body, None, caller, workspace), workspace)
    with table_of(body, request.state.files, caller, workspace) as dataset_id:
        return submitted(training_draft(body, dataset_id, caller, workspace), workspace)


A_RUN = at_least_one("run_id", "training_job_id")
FILE_OR_RUN = {
    "if": given("file"),
    "then": {"required": ["dataset_id"]} | left_out("run_id", "training_job_id"),
    "else": A_RUN | {"properties": {"dataset_id": False}},
}


@router.post("/evaluate", status_code=202, openapi_extra=with_form(EvaluateRequest, FILE_OR_RUN, A_RUN))
def evaluate(body: EvaluateRequest, caller: Writer, workspace: Here, request: Request) -> JobResponse:
    """Evaluate a run again, or with other metrics; or an external table: its file, and the `dataset_id`."""
    files = request.state.files
    made_here = body.run_id is not None or body.training_job_id is not None
    if len(files) != (body.dataset_id is not None) or (files and made_here):
        raise ApiError(
            422,
            "Say which table to evaluate: a run_id, or a training_job_id; or, for an external table, its file and the "
            "dataset_id of the real table.",
            "run_id",
        )
    make_room(caller, workspace)
    if not files or body.dataset_id is None:
        return submitted(evaluation_draft(body, None, caller, workspace), workspace)
    dataset = seen_by(caller, workspace.datasets.get(body.dataset_id))
    with kept(files[0], workspace) as path:
        run = workspace.runs.add(dataset.id, path, file_name(files[0]), owner=caller.owner)
    with ExitStack() as undo:
        undo.callback(workspace.runs.delete, run.id)
        job = workspace.training.evaluate(run.id, body.metrics, owner=caller.owner)
        undo.pop_all()
    return JobResponse.of(job)


@router.post("/optimize", status_code=202, openapi_extra=with_form(OptimizeRequest, ONE_TABLE))
def optimize(body: OptimizeRequest, caller: Writer, workspace: Here, request: Request) -> JobResponse:
    """Search for the parameters that score best, and train a run with them."""
    make_room(caller, workspace)
    with table_of(body, request.state.files, caller, workspace) as dataset_id:
        return submitted(tuning_draft(body, dataset_id, caller, workspace), workspace)


@router.post("/converse", status_code=202, openapi_extra=with_form(ConverseRequest, at_most_one("file", *TABLES)))
def converse(body: ConverseRequest, caller: Writer, workspace: Here, request: Request) -> JobResponse:
    """Generate a conversation set."""
    make_room(caller, workspace)
    order = order_of(body, request, caller, workspace)
    with optional_table_of(body, request.state.files, caller, workspace) as dataset_id:
        return JobResponse.of(workspace.conversations.write(dataset_id, order, owner=caller.owner))


NO_FILES = {"required": ["dataset_ids"], "properties": {"dataset_ids": {"minItems": 1}}}


@router.post(
    "/process",
    status_code=202,
    openapi_extra=with_form(ProcessRequest, {"if": given("files"), "else": NO_FILES}),
)
def process(body: ProcessRequest, caller: Writer, workspace: Here, request: Request) -> list[JobResponse]:
    """Write conversations from several tables, a job each. When one cannot be read, nothing is started."""
    files = request.state.files
    tables = len(body.dataset_ids) + len(files)
    if not tables:
        raise ApiError(422, "Send at least one file, or name at least one table by its id.", "files")
    make_room(caller, workspace, tables)
    order = order_of(body, request, caller, workspace)
    ids = [seen_by(caller, workspace.datasets.get(one)).id for one in body.dataset_ids]
    session = body.session or new_id()
    with ExitStack() as undo:
        for file in files:
            try:
                dataset = take(file, caller, workspace, session=session)
            except ReadError as error:
                raise ApiError(422, f"{file.filename}: {error}", "files") from error
            undo.callback(workspace.datasets.delete, dataset.id)
            ids.append(dataset.id)
        if order.shape is None:
            for one in ids:
                workspace.conversations.find_shape(one)
        drafts = [workspace.conversations.draft_write(one, order, owner=caller.owner) for one in ids]
        jobs = [draft.job() for draft in drafts]
        workspace.queue.add([*jobs, *(row for draft in drafts for row in draft.rows)])
        undo.pop_all()
    return [JobResponse.of(job) for job in jobs]


def submitted(draft: Draft, workspace: Workspace) -> JobResponse:
    return JobResponse.of(workspace.queue.submit(draft))


def training_draft(body: TrainRequest, dataset_id: str, caller: Caller, workspace: Workspace) -> Draft:
    _within_limits(body, workspace)
    return workspace.training.draft_train(
        dataset_id,
        body.model,
        body.all_params,
        rows=body.rows,
        seed=body.seed,
        conditions=body.conditions,
        metrics=body.metrics,
        format=body.format,
        owner=caller.owner,
    )


def tuning_draft(body: OptimizeRequest, dataset_id: str, caller: Caller, workspace: Workspace) -> Draft:
    _within_limits(body, workspace)
    return workspace.training.draft_tune(
        dataset_id,
        body.model,
        body.all_params,
        search=body.search,
        trials=body.trials,
        budget_s=body.budget_s,
        objective=body.objective,
        rows=body.rows,
        seed=body.seed,
        metrics=body.metrics,
        format=body.format,
        owner=caller.owner,
    )


def sampling_draft(body: GenerateRequest, of: Draft | None, caller: Caller, workspace: Workspace) -> Draft:
    """Generate rows with the model named, or with the one that the job `of` makes."""
    _within_limits(body, workspace)
    return workspace.training.draft_sample(
        None if of else _run_id(body.run_id or body.model_id, body.training_job_id, caller, workspace),
        1000 if body.rows is None else body.rows,
        body.seed,
        body.metrics,
        of=of,
        conditions=body.conditions,
        format=body.format,
        owner=caller.owner,
    )


def evaluation_draft(body: EvaluateRequest, of: Draft | None, caller: Caller, workspace: Workspace) -> Draft:
    """Evaluate the run named, or the one that the job `of` makes."""
    run_id = None if of else _run_id(body.run_id, body.training_job_id, caller, workspace)
    return workspace.training.draft_evaluate(run_id, body.metrics, of=of, owner=caller.owner)


def order_of(body: ConversationFields, request: Request, caller: Caller, workspace: Workspace) -> ConversationRequest:
    """The order with the key of the request, of the login or of the settings, within what the settings allow."""
    settings, server = workspace.settings, body.order.server
    login = credentials_of(request, caller, workspace)
    # The server's own key goes to the server's own model only, not to any address that a caller may name.
    own = settings.llm_api_key if server.base_url.rstrip("/") == settings.llm_base_url.rstrip("/") else None
    logged_in = login.openai.api_key if login and login.openai else None
    found = (body.api_key, server.api_key, logged_in, own)
    key = next((key.get_secret_value() for key in found if key and key.get_secret_value()), "")
    local_only = settings.llm_local_only or server.local_only
    changed = server.model_dump() | {"api_key": key, "local_only": local_only}
    with given_by_the_asker():
        order = body.order.model_copy(update={"server": type(server).model_validate(changed)})
    try:
        workspace.conversations.check_server(order)
    except ServerError as error:
        raise ApiError(422, str(error), "order.server.base_url") from None
    return order


def _run_id(run_id: str | None, job_id: str | None, caller: Caller, workspace: Workspace) -> str:
    if run_id is None and job_id is not None:
        job = seen_by(caller, workspace.jobs.get(job_id))
        if job.run_id is None:
            raise ApiError(
                409, f"Job {job.id} is {job.state} and has no model yet. Wait until it is done.", "training_job_id"
            )
        run_id = job.run_id
    if run_id is None:
        raise ApiError(422, "Say which run: its run_id, or the training_job_id of the job that made it.", "run_id")
    return seen_by(caller, workspace.runs.get(run_id)).id


def _within_limits(body: FitFields, workspace: Workspace) -> None:
    settings, epochs = workspace.settings, body.all_params.get("epochs")
    for name, most, asked in (("rows", settings.max_rows, body.rows), ("epochs", settings.max_epochs, epochs)):
        if isinstance(asked, int | float) and asked > most:
            raise ApiError(422, f"At most {most:,} {name} are taken; {asked:,} were asked for.", name)
