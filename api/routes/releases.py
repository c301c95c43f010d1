"""Before a table is released, over HTTP: the owner's thresholds, the riskiest rows, the self-test of the evaluation."""

from __future__ import annotations

import json
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.form_route import Posting
from api.routes.datasets import Owned, Seen
from api.routes.jobs import OwnRun, SeenRun
from api.schemas.requests import METRICS_USED, MetricName, RequestBody
from api.schemas.responses import JobResponse, Limit
from api.security import Here, Writer, make_room
from metrics import Threshold
from metrics.selftest import Check

router = APIRouter(tags=["Before release"])
posting = APIRouter(tags=["Before release"], route_class=Posting)


class RiskyRow(BaseModel):
    """A synthetic row beside the training row that it is closest to."""

    row: int = Field(description="Its position in the synthetic table, from 0.", examples=[1207])
    ratio: float = Field(
        description="Distance ratio: to that training row, divided by that to the nearest held-out row; 1 is no risk.",
        examples=[0.12],
    )
    synthetic: dict[str, Any] = Field(description="The synthetic row.", examples=[{"age": 39}])
    real: dict[str, Any] = Field(
        description="The training row: only for the owner of the data.", examples=[{"age": 38}]
    )


class ReplacementRequest(RequestBody):
    """Rows of a synthetic table to be left out, or generated again."""

    rows: list[int] = Field(
        min_length=1, max_length=100_000, description="Positions in the synthetic table, from 0.", examples=[[1207, 88]]
    )
    how: Literal["drop", "draw"] = Field(
        "drop", description="Leave them out, or generate as many others.", examples=["drop"]
    )
    seed: int | None = Field(
        None, ge=0, lt=2**63, description="For the rows generated; unset: the run's next one.", examples=[1]
    )
    metrics: list[MetricName] | None = Field(None, description=METRICS_USED, examples=[["exact_copies"]])


@router.get("/datasets/{dataset_id}/thresholds")
def get_thresholds(dataset: Seen, workspace: Here) -> list[Threshold]:
    """What a synthetic table of this one must meet before it is released."""
    return workspace.thresholds.of(dataset.id)


@router.put("/datasets/{dataset_id}/thresholds")
def set_thresholds(chosen: list[Threshold], dataset: Owned, workspace: Here) -> list[Threshold]:
    """Set other thresholds for this table."""
    workspace.thresholds.set(dataset.id, chosen)
    return workspace.thresholds.of(dataset.id)


@router.delete("/datasets/{dataset_id}/thresholds", status_code=204)
def reset_thresholds(dataset: Owned, workspace: Here) -> None:
    """Reset to the recommended thresholds."""
    workspace.thresholds.set(dataset.id, None)


@router.get("/runs/{run_id}/riskiest")
def list_riskiest_rows(
    run: SeenRun,
    workspace: Here,
    limit: Limit = 20,
) -> list[RiskyRow]:
    """The synthetic rows that are closest to one training row, riskiest first. It needs held-out rows."""
    risky = workspace.releases.riskiest_rows(run.id, limit)
    sides = [json.loads(side.to_json(orient="records", date_format="iso")) for side in (risky.synthetic, risky.real)]
    found = zip(risky.found["synthetic_row"], risky.found["ratio"], *sides, strict=True)
    return [RiskyRow(row=row, ratio=ratio, synthetic=made, real=real) for row, ratio, made, real in found]


@posting.post("/runs/{run_id}/replace", status_code=202)
def replace_rows(body: ReplacementRequest, run: OwnRun, caller: Writer, workspace: Here) -> JobResponse:
    """Make a run without some of its rows, or with others in their place, and evaluate it; this one stays."""
    make_room(caller, workspace)
    job = workspace.releases.replace_rows(
        run.id, body.rows, body.how, body.seed, metrics=body.metrics, owner=caller.owner
    )
    return JobResponse.of(job)


@posting.post("/runs/{run_id}/self-test", status_code=202)
def start_self_test(run: OwnRun, caller: Writer, workspace: Here) -> JobResponse:
    """Evaluate tables whose verdict is known, made of this run's real rows."""
    make_room(caller, workspace)
    return JobResponse.of(workspace.releases.self_test(run.id, owner=caller.owner))


@router.get("/runs/{run_id}/self-test")
def get_self_test(run: SeenRun, workspace: Here) -> list[Check]:
    """The results of the self-test on this run's real rows; empty before it was run."""
    return workspace.releases.checks(run.id)
