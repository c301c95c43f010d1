"""Jobs over HTTP: listed, followed live, cancelled; and the runs they make."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query, WebSocket
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from api.errors import Stop
from api.form_route import Posting
from api.schemas.responses import EventOut, JobOut, Limit, Offset, RunOut
from api.security import Here, Reader, Writer, make_room, seen_by
from workspace.catalog.rows import ENDED, State
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
            "description": "An `EventOut`; at the end the `JobOut`.",
            "examples": ['{"seq": 17, "progress": 0.4, "stage": "Training"}'],
        },
    },
    "required": ["event", "data"],
}
"""How the description of the API tells of the stream."""


def job_of(job_id: str, caller: Reader, workspace: Here) -> Job:
    return seen_by(caller, workspace.jobs.get(job_id), "job")


def own_job(job_id: str, caller: Writer, workspace: Here) -> Job:
    return seen_by(caller, workspace.jobs.get(job_id), "job")


def run_of(run_id: str, caller: Reader, workspace: Here) -> Run:
    return seen_by(caller, workspace.runs.get(run_id), "run")


def own_run(run_id: str, caller: Writer, workspace: Here) -> Run:
    return seen_by(caller, workspace.runs.get(run_id), "run")


SeenJob = Annotated[Job, Depends(job_of)]
OwnJob = Annotated[Job, Depends(own_job)]
SeenRun = Annotated[Run, Depends(run_of)]
OwnRun = Annotated[Run, Depends(own_run)]


@router.get("/jobs")
def list_jobs(
    caller: Reader,
    workspace: Here,
    status: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    limit: Limit = 100,
    after: Annotated[str | None, Query(description="Id of the last job already seen.")] = None,
) -> list[JobOut]:
    """The caller's jobs, newest first."""
    if after is not None:
        seen_by(caller, workspace.jobs.get(after), "job")
    return [JobOut.of(job) for job in workspace.jobs.find(status, limit=limit, after=after, owner=caller.owner)]


@router.get("/jobs/{job_id}")
async def one_job(job: SeenJob) -> JobOut:
    """One job: its state, how far it is, how long still."""
    return JobOut.of(job)


@router.delete("/jobs/{job_id}")
def cancel_job(job: OwnJob, workspace: Here) -> JobOut:
    """Cancel a job; one that has ended stays as it is."""
    return JobOut.of(workspace.jobs.cancel(job.id))


@posting.post("/jobs/{job_id}/retry", status_code=202)
def retry_job(job: OwnJob, caller: Writer, workspace: Here) -> JobOut:
    """Queue a job that failed, was cancelled or interrupted once more."""
    if job.state not in ENDED or job.state == "done":
        raise Stop(409, f"Job {job.id} is {job.state}; only one that did not end well can be tried again.")
    make_room(caller, workspace)
    return JobOut.of(workspace.jobs.retry(job.id))


@router.post("/jobs/{job_id}/enough")
def enough(job: OwnJob, workspace: Here) -> JobOut:
    """Stop training, keep what is trained, and go on with it."""
    return JobOut.of(workspace.jobs.stop_early(job.id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses={200: {"description": "The stream.", "content": {"text/event-stream": {"schema": EVENTS}}}},
)
async def events(
    job: SeenJob, workspace: Here, after: Annotated[int, Query(ge=0, le=2**53)] = 0
) -> EventSourceResponse:
    """Progress as server-sent events, until the job ends: `progress` with each report, `end` with the job."""
    return EventSourceResponse(_stream(workspace, job.id, after))


@router.websocket("/jobs/{job_id}/ws")
async def follow(socket: WebSocket, job: SeenJob, workspace: Here, after: Annotated[int, Query(ge=0)] = 0) -> None:
    """The same as messages of JSON: `{"event": "progress" | "end", "data": ...}`; then it hangs up."""
    await socket.accept()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_it_hangs_up, socket, tasks.cancel_scope)
        async for event in _stream(workspace, job.id, after):
            await socket.send_text(json.dumps({"event": event.event, "data": json.loads(event.data)}))
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
            job = await run_in_threadpool(workspace.jobs.get, job_id)
            for event in await run_in_threadpool(workspace.jobs.events, job_id, after):
                after = event.seq
                yield ServerSentEvent(EventOut.model_validate(event).model_dump_json(), event="progress", id=str(after))
            if job.ended:
                yield ServerSentEvent(JobOut.of(job).model_dump_json(), event="end")
                return
            await asyncio.sleep(POLL_S)


@router.get("/runs")
def list_runs(
    caller: Reader,
    workspace: Here,
    dataset_id: Annotated[str | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[RunOut]:
    """The caller's synthetic tables, newest first, with their scores."""
    return [RunOut.of(run) for run in workspace.runs.find(dataset_id, owner=caller.owner)[offset : offset + limit]]


@router.get("/runs/{run_id}")
def one_run(run: SeenRun) -> RunOut:
    """One synthetic table and its scores."""
    return RunOut.of(run)


@router.delete("/runs/{run_id}", status_code=204)
def delete_run(run: OwnRun, workspace: Here) -> None:
    """Delete a synthetic table, its model and its scores."""
    workspace.runs.delete(run.id)
