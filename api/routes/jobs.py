"""Jobs over HTTP: started, listed, followed live, cancelled; and the runs they make."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Depends, Query, WebSocket
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from api.errors import ApiError
from api.form_route import Posting
from api.routes.parameters import JobId, RunId
from api.schemas.openapi import arguments_schema
from api.schemas.requests import JobRequest, RetryRequest
from api.schemas.responses import EventResponse, JobResponse, Limit, Offset, ResponseBody, RunResponse
from api.security import Here, Reader, Watcher, Writer, make_room, seen_by
from workspace.catalog.outages import RETRY_S, CatalogAway
from workspace.catalog.rows import ENDED, State
from workspace.jobs.kinds import KINDS
from workspace.workspace import Job, NotFound, Run, Workspace

router = APIRouter(tags=["Jobs and runs"])
posting = APIRouter(tags=["Jobs and runs"], route_class=Posting)
POLL_S = 0.5
EVENTS = {
    "type": "object",
    "description": "One event of the stream.",
    "properties": {
        "event": {"enum": ["progress", "end"], "description": "What it is.", "examples": ["progress"]},
        "id": {"type": "string", "description": "Its `seq`: `after` takes it.", "examples": ["17"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "An `EventResponse`; at the end the `JobResponse`.",
            "examples": ['{"seq": 17, "progress": 0.4, "stage": "Training"}'],
        },
    },
    "required": ["event", "data"],
}
"""The stream as the description of the API has it."""


def job_of(job_id: JobId, caller: Reader, workspace: Here) -> Job:
    return seen_by(caller, workspace.jobs.get(job_id))


def watched_job(job_id: JobId, caller: Watcher, workspace: Here) -> Job:
    return seen_by(caller, workspace.jobs.get(job_id))


def own_job(job_id: JobId, caller: Writer, workspace: Here) -> Job:
    return seen_by(caller, workspace.jobs.get(job_id))


def run_of(run_id: RunId, caller: Reader, workspace: Here) -> Run:
    return seen_by(caller, workspace.runs.get(run_id))


def own_run(run_id: RunId, caller: Writer, workspace: Here) -> Run:
    return seen_by(caller, workspace.runs.get(run_id))


After = Annotated[int, Query(ge=0, le=2**53, description="`seq` of the last report already seen.", examples=[0])]
SeenJob = Annotated[Job, Depends(job_of)]
WatchedJob = Annotated[Job, Depends(watched_job)]
OwnJob = Annotated[Job, Depends(own_job)]
SeenRun = Annotated[Run, Depends(run_of)]
OwnRun = Annotated[Run, Depends(own_run)]


class JobKindResponse(ResponseBody):
    """A kind of job."""

    name: str = Field(description="The name that calls use.", examples=["train"])
    title: str = Field(description="What such a job does, in words.", examples=["Train"])
    arguments: dict[str, Any] = Field(
        description="JSON schema of its arguments.", examples=[{"type": "object", "properties": {}}]
    )
    offered: bool = Field(
        description="Whether `POST /jobs` starts it; others have a call of their own.", examples=[False]
    )


@posting.post("/jobs", status_code=202)
def start_job(body: JobRequest, caller: Writer, workspace: Here) -> JobResponse:
    """Start a job of a kind that a plugin adds. `GET /jobs/kinds` lists the kinds, with their arguments."""
    dataset_id = body.dataset_id
    if dataset_id is not None:
        seen_by(caller, workspace.datasets.get(dataset_id))
    if body.run_id is not None:
        run = seen_by(caller, workspace.runs.get(body.run_id))
        if dataset_id not in (None, run.dataset_id):
            raise ApiError(422, f"Run {run.id} is of another table. Leave dataset_id out.", "dataset_id")
        dataset_id = run.dataset_id
    make_room(caller, workspace)
    job = workspace.jobs.submit(
        body.kind, body.arguments, dataset_id=dataset_id, run_id=body.run_id, owner=caller.owner
    )
    return JobResponse.of(job)


# Before `/jobs/{job_id}`, which would take it for an id.
@router.get("/jobs/kinds")
def list_job_kinds(caller: Reader, limit: Limit = 100, offset: Offset = 0) -> list[JobKindResponse]:
    """The kinds of job, with the schema of their arguments."""
    found = [
        JobKindResponse(name=name, title=kind.title, arguments=arguments_schema(kind.arguments), offered=kind.offered)
        for name, kind in KINDS.items()
    ]
    return found[offset : offset + limit]


@router.get("/jobs")
def list_jobs(
    caller: Reader,
    workspace: Here,
    status: Annotated[State | None, Query(description="Only jobs in this state.", examples=["done"])] = None,
    limit: Limit = 100,
    after: Annotated[
        str | None, Query(description="Id of the last job already seen.", examples=["0f1e2d3c4b5a6978"])
    ] = None,
) -> list[JobResponse]:
    """The caller's jobs, newest first."""
    if after is not None:
        seen_by(caller, workspace.jobs.get(after))
    return [JobResponse.of(job) for job in workspace.jobs.find(status, limit=limit, after=after, owner=caller.owner)]


@router.get("/jobs/{job_id}")
async def get_job(job: SeenJob) -> JobResponse:
    """One job: its state, its progress, and the time it still takes."""
    return JobResponse.of(job)


@router.delete("/jobs/{job_id}")
def cancel_job(job: OwnJob, workspace: Here) -> JobResponse:
    """Cancel a job; one that has ended stays as it is."""
    return JobResponse.of(workspace.jobs.cancel(job.id))


@posting.post("/jobs/{job_id}/retry", status_code=202)
def retry_job(job: OwnJob, caller: Writer, workspace: Here, body: RetryRequest | None = None) -> JobResponse:
    """Queue a job that failed, was cancelled or interrupted once more.

    A job that writes conversations needs its `api_key` again, unless the settings have one for its server.
    """
    if job.not_before is None and (job.state not in ENDED or job.state == "done"):
        raise ApiError(409, f"Job {job.id} is {job.state}; only one that did not succeed can be tried again.")
    make_room(caller, workspace)
    if job.kind == "converse":
        return JobResponse.of(workspace.conversations.retry(job.id, body.api_key if body else None))
    return JobResponse.of(workspace.jobs.retry(job.id))


@router.post("/jobs/{job_id}/stop-early")
def stop_early(job: OwnJob, workspace: Here) -> JobResponse:
    """Stop training, keep what is trained, and go on with it."""
    return JobResponse.of(workspace.jobs.stop_early(job.id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses={200: {"description": "The stream.", "content": {"text/event-stream": {"schema": EVENTS}}}},
)
async def follow_job(job: WatchedJob, workspace: Here, after: After = 0) -> EventSourceResponse:
    """Progress as server-sent events, until the job ends: `progress` with each report, `end` with the job."""
    return EventSourceResponse(_stream(workspace, job.id, after))


@router.websocket("/jobs/{job_id}/ws")
async def follow_by_websocket(socket: WebSocket, job: WatchedJob, workspace: Here, after: After = 0) -> None:
    """The same as JSON messages: `{"event": "progress" | "end", "data": ...}`; then the server hangs up."""
    await socket.accept()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_it_hangs_up, socket, tasks.cancel_scope)
        async for event in _stream(workspace, job.id, after):
            await socket.send_text(json.dumps({"event": event.event, "data": json.loads(event.data or "null")}))
        await socket.close()
        tasks.cancel_scope.cancel()


async def _until_it_hangs_up(socket: WebSocket, follower: anyio.CancelScope) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    follower.cancel()


async def _stream(workspace: Workspace, job_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    # A job that is deleted with its table has nothing more to say.
    with suppress(NotFound):
        while True:
            # In a thread: the loop is Streamlit's too, and must not wait for the catalog.
            try:
                job = await run_in_threadpool(workspace.jobs.get, job_id)
                events = await run_in_threadpool(workspace.jobs.events, job_id, after)
            except CatalogAway:
                await asyncio.sleep(RETRY_S)
                continue
            for event in events:
                after = event.seq
                yield ServerSentEvent(
                    EventResponse.model_validate(event).model_dump_json(), event="progress", id=str(after)
                )
            if job.ended:
                yield ServerSentEvent(JobResponse.of(job).model_dump_json(), event="end")
                return
            await asyncio.sleep(POLL_S)


@router.get("/runs")
def list_runs(
    caller: Reader,
    workspace: Here,
    dataset_id: Annotated[
        str | None, Query(description="Only runs of this table.", examples=["cf5d245d1c27f9b9"])
    ] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[RunResponse]:
    """The caller's synthetic tables, newest first, with their scores."""
    return [RunResponse.of(run) for run in workspace.runs.find(dataset_id, owner=caller.owner)[offset : offset + limit]]


@router.get("/runs/{run_id}")
def get_run(run: SeenRun) -> RunResponse:
    """One synthetic table and its scores."""
    return RunResponse.of(run)


@router.delete("/runs/{run_id}", status_code=204)
def delete_run(run: OwnRun, workspace: Here) -> None:
    """Delete a synthetic table, its model and its scores."""
    workspace.runs.delete(run.id)
