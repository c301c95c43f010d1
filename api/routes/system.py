"""The server itself: whether it is healthy, how busy it is, and what it offers."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from typing import Any, Literal

import anyio
import anyio.to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.schemas.openapi import schema_of
from api.schemas.responses import Limit, Offset
from api.security import Here, Reader
from metrics import DIALOGUE_METRICS, METRICS, Card
from metrics.dialogue.model_judge import MODEL_JUDGE
from synth import GENERATORS
from workspace.catalog.outages import CatalogAway
from workspace.services.bugs import versions

router = APIRouter(tags=["Server"])
_BEGUN = time.monotonic()
HEALTH_S = 1.5
_VERSIONS = versions()


class Health(BaseModel):
    """That the server answers, and how it is."""

    status: Literal["ok"] = Field(description="It answers.", examples=["ok"])
    versions: dict[str, str] = Field(description="What it runs on.", examples=[{"python": "3.11.7"}])
    catalog: Literal["ok", "away"] = Field(
        description="Whether the catalog answers. While it is away most calls are answered with 503, and jobs go on.",
        examples=["ok"],
    )
    reason: str = Field("", description="Why the catalog is away, and what to do.", examples=[""])
    queued: int | None = Field(description="Jobs that wait; null while the catalog is away.", examples=[0])
    running: int | None = Field(description="Jobs that run; null while the catalog is away.", examples=[1])
    disk_free_mb: int = Field(description="Free space where the workspace lies, in megabytes.", examples=[51200])


class Stats(BaseModel):
    """Counts and timings of what is the caller's."""

    up_seconds: float = Field(description="How long the server has been up.", examples=[3600])
    datasets: int = Field(description="Uploaded tables.", examples=[3])
    runs: int = Field(description="Synthetic tables.", examples=[5])
    jobs: dict[str, int] = Field(description="Jobs by state.", examples=[{"done": 5}])
    mean_seconds: dict[str, float] = Field(
        description="How long finished jobs took, by kind.", examples=[{"train": 12.5}]
    )


class Model(BaseModel):
    """A generator."""

    name: str = Field(description="The name that calls use.", examples=["trees"])
    title: str = Field(description="The name that people use.", examples=["Trees"])
    summary: str = Field(description="What it is, in a sentence.", examples=["Decision trees, one column at a time."])
    licence: str = Field(description="What its packages allow, where that is worth a word.", examples=[""])
    available: bool = Field(description="Whether the packages it needs are installed.", examples=[True])
    params: dict[str, Any] = Field(
        description="JSON schema of its parameters.", examples=[{"type": "object", "properties": {}}]
    )


@router.get("/health")
async def get_health(workspace: Here) -> Health:
    """Whether the server answers, what it runs on, and how busy it is. It answers while the catalog is away, too."""
    counts, reason = None, "The catalog is away: it has not answered in time."
    # A database that hangs keeps its thread; the answer does not wait for it.
    with anyio.move_on_after(HEALTH_S):
        try:
            counts = await anyio.to_thread.run_sync(workspace.jobs.unfinished_by_state, abandon_on_cancel=True)
        except CatalogAway as away:
            reason = str(away)
    return Health(
        status="ok",
        versions=_VERSIONS,
        catalog="ok" if counts is not None else "away",
        reason="" if counts is not None else reason,
        queued=None if counts is None else counts["queued"],
        running=None if counts is None else counts["running"],
        disk_free_mb=shutil.disk_usage(workspace.folder).free // 2**20,
    )


@router.get("/stats")
def get_stats(caller: Reader, workspace: Here) -> Stats:
    """Counts and timings of what is the caller's."""
    jobs = workspace.jobs.find(limit=10_000, owner=caller.owner)
    took: dict[str, list[float]] = {}
    for job in jobs:
        if job.state == "done" and job.seconds is not None:
            took.setdefault(job.kind, []).append(job.seconds)
    return Stats(
        up_seconds=time.monotonic() - _BEGUN,
        datasets=len(workspace.datasets.find(caller.owner)),
        runs=len(workspace.runs.find(owner=caller.owner)),
        jobs=Counter(job.state for job in jobs),
        mean_seconds={kind: sum(seconds) / len(seconds) for kind, seconds in took.items()},
    )


@router.get("/models")
def list_models(caller: Reader, limit: Limit = 100, offset: Offset = 0) -> list[Model]:
    """The generators, with the schema of their parameters."""
    found = [
        Model(
            name=name,
            title=kind.title,
            summary=kind.summary,
            licence=kind.licence,
            available=kind.available(),
            params=schema_of(kind.Params),
        )
        for name, kind in GENERATORS.items()
    ]
    return found[offset : offset + limit]


@router.get("/metrics")
def list_metrics(caller: Reader, limit: Limit = 100, offset: Offset = 0) -> list[Card]:
    """The metrics: what each asks, its range, which values are good and why."""
    cards = [*(one.card for one in METRICS.values()), *(one.card for one in DIALOGUE_METRICS.values()), MODEL_JUDGE]
    return cards[offset : offset + limit]
