"""Batches over HTTP: many operations in one call, and the state of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Self, get_args

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from api.errors import ApiError
from api.form_route import Posting
from api.routes.parameters import BatchId
from api.routes.work import evaluation_draft, order_of, sampling_draft, training_draft, tuning_draft
from api.schemas.openapi import one_of
from api.schemas.requests import (
    OPERATIONS,
    BatchRequest,
    ConverseOperation,
    EvaluateOperation,
    GenerateOperation,
    OptimizeOperation,
)
from api.schemas.responses import JobResponse, Limit, Offset, ResponseBody
from api.security import Here, Reader, Writer, count_route, make_room, seen_by
from api.table_source import optional_table_of, table_of
from synth.errors import Invalid
from workspace.access.callers import Caller
from workspace.catalog.rows import Batch, Job, State
from workspace.jobs.queue import Draft
from workspace.services.batches import Operation
from workspace.workspace import Workspace

router = APIRouter(tags=["Batches"])
posting = APIRouter(tags=["Batches"], route_class=Posting)


class OperationResponse(ResponseBody):
    """One operation of a batch, and how it goes."""

    name: str = Field(description="Its name in the batch.", examples=["first"])
    state: str = Field(
        json_schema_extra=one_of(lambda: [*get_args(State), "deleted"]),
        description="Its job's state, or `deleted` when its job is gone.",
        examples=["done"],
    )
    job: JobResponse | None = Field(description="Its job; null when that was deleted.", examples=[None])


class BatchResponse(ResponseBody):
    """A batch and its operations."""

    id: str = Field(description="Names the batch.", examples=["5b1e7c9a3d2f4860"])
    created: datetime = Field(description="When it was requested.", examples=["2026-01-01T08:00:00Z"])
    ended: bool = Field(description="Whether no operation waits or runs.", examples=[True])
    states: dict[str, int] = Field(description="How many operations are in each state.", examples=[{"done": 2}])
    operations: list[OperationResponse] = Field(description="In the order in which they were sent.", examples=[[]])

    @classmethod
    def of(cls, batch: Batch, jobs: dict[str, Job]) -> Self:
        found = {name: jobs.get(job_id) for name, job_id in batch.operations.items()}
        operations = [
            OperationResponse(name=name, state=job.state if job else "deleted", job=job and JobResponse.of(job))
            for name, job in found.items()
        ]
        return cls(
            id=batch.id,
            created=batch.created,
            ended=all(job.ended for job in found.values() if job),
            states=Counter(one.state for one in operations),
            operations=operations,
        )


def batch_of(batch_id: BatchId, caller: Reader, workspace: Here) -> Batch:
    return seen_by(caller, workspace.batches.get(batch_id))


def own_batch(batch_id: BatchId, caller: Writer, workspace: Here) -> Batch:
    return seen_by(caller, workspace.batches.get(batch_id))


@posting.post("/batch", status_code=202)
def start_batch(body: BatchRequest, caller: Writer, workspace: Here, request: Request) -> BatchResponse:
    """Start many operations at once. One that fails, now or later, does not stop the others.

    A batch is stored in the queue: a restart of the server changes nothing.
    """
    make_room(caller, workspace, len(body.operations))
    for one in body.operations:
        count_route(caller, workspace, "POST", f"/{one.call}")
    # What came with the request is read now: it is gone when the operation starts.
    for one in body.operations:
        if isinstance(one, ConverseOperation):
            one.request.order = order_of(one.request, request, caller, workspace)
    operations = [
        Operation(
            name=one.name,
            kind=KINDS[one.call],
            draft=_drafter(one, caller, workspace),
            after=one.after,
            of=getattr(one, "of", None),
        )
        for one in body.operations
    ]
    batch = workspace.batches.add(operations, caller.owner, in_order=not body.parallel)
    return BatchResponse.of(batch, workspace.batches.jobs_of(batch))


@router.get("/batch")
def list_batches(
    caller: Reader,
    workspace: Here,
    limit: Limit = 20,
    offset: Offset = 0,
) -> list[BatchResponse]:
    """The caller's batches, newest first, with the state of each operation."""
    batches = workspace.batches.find(caller.owner)[offset : offset + limit]
    jobs = workspace.batches.jobs_of(*batches)
    return [BatchResponse.of(batch, jobs) for batch in batches]


@router.get("/batch/{batch_id}")
def get_batch(batch: Annotated[Batch, Depends(batch_of)], workspace: Here) -> BatchResponse:
    """One batch, with the state of each operation."""
    return BatchResponse.of(batch, workspace.batches.jobs_of(batch))


@router.delete("/batch/{batch_id}")
def cancel_batch(batch: Annotated[Batch, Depends(own_batch)], workspace: Here) -> BatchResponse:
    """Cancel the operations of a batch that have not ended."""
    workspace.batches.cancel(batch.id)
    return BatchResponse.of(batch, workspace.batches.jobs_of(batch))


KINDS = {"train": "train", "generate": "sample", "evaluate": "evaluate", "optimize": "tune", "converse": "converse"}
"""The kind of job that each call starts."""


def _drafter(one: OPERATIONS, caller: Caller, workspace: Workspace) -> Callable[[Draft | None], Draft]:
    def draft(of: Draft | None) -> Draft:
        try:
            return _draft(one, of, caller, workspace)
        except ApiError as stopped:
            raise Invalid(stopped.detail) from stopped

    return draft


def _draft(one: OPERATIONS, of: Draft | None, caller: Caller, workspace: Workspace) -> Draft:
    match one:
        case EvaluateOperation():
            return evaluation_draft(one.request, of, caller, workspace)
        case GenerateOperation() if of is not None or not one.request.trains:
            return sampling_draft(one.request, of, caller, workspace)
        case ConverseOperation():
            with optional_table_of(one.request, (), caller, workspace) as dataset_id:
                return workspace.conversations.draft_write(dataset_id, one.request.order, owner=caller.owner)
        case OptimizeOperation():
            with table_of(one.request, (), caller, workspace) as dataset_id:
                return tuning_draft(one.request, dataset_id, caller, workspace)
        case _:
            with table_of(one.request, (), caller, workspace) as dataset_id:
                return training_draft(one.request, dataset_id, caller, workspace)
