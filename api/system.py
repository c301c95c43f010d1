"""The server itself: alive, busy with what, and what it offers."""

from __future__ import annotations

import platform
import shutil
import time
from collections import Counter
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Here, Reader
from metrics import METRICS, Card
from metrics.dialogue import DIALOGUE_METRICS, MODEL_JUDGE
from synth import GENERATORS

router = APIRouter(tags=["Server"])
_BEGUN = time.monotonic()
_VERSIONS = {package: version(package) for package in ("streamlit", "fastapi", "duckdb", "pandas", "torch")}


class Health(BaseModel):
    status: str = Field(examples=["ok"])
    versions: dict[str, str]
    queued: int
    running: int
    disk_free_mb: int


class Stats(BaseModel):
    up_seconds: float
    datasets: int
    runs: int
    jobs: dict[str, int] = Field(description="Jobs by state.")
    mean_seconds: dict[str, float] = Field(description="How long finished jobs took, by kind.")


class Model(BaseModel):
    name: str
    title: str
    summary: str
    licence: str
    available: bool = Field(description="Whether the packages it needs are installed.")
    params: dict[str, Any] = Field(description="JSON schema of its parameters.")


@router.get("/health")
def health(workspace: Here) -> Health:
    """Whether the server answers, what it runs on, and how busy it is."""
    return Health(
        status="ok",
        versions={"python": platform.python_version(), **_VERSIONS},
        queued=len(workspace.jobs("queued")),
        running=len(workspace.jobs("running")),
        disk_free_mb=shutil.disk_usage(workspace.folder).free // 2**20,
    )


@router.get("/stats")
def stats(caller: Reader, workspace: Here) -> Stats:
    """Counts and timings of what is the caller's."""
    jobs = workspace.jobs(limit=10_000, owner=caller.owner)
    took: dict[str, list[float]] = {}
    for job in jobs:
        if job.state == "done":
            took.setdefault(job.kind, []).append(job.seconds)
    return Stats(
        up_seconds=time.monotonic() - _BEGUN,
        datasets=len(workspace.datasets(caller.owner)),
        runs=len(workspace.runs(owner=caller.owner)),
        jobs=Counter(job.state for job in jobs),
        mean_seconds={kind: sum(seconds) / len(seconds) for kind, seconds in took.items()},
    )


@router.get("/models")
def models(caller: Reader) -> list[Model]:
    """The generators, with the schema of their parameters."""
    return [
        Model(
            name=name,
            title=kind.title,
            summary=kind.summary,
            licence=kind.licence,
            available=kind.available(),
            params=kind.Params.model_json_schema(),
        )
        for name, kind in GENERATORS.items()
    ]


@router.get("/metrics")
def metrics(caller: Reader) -> list[Card]:
    """The measures: what each asks, its range, what is good and why."""
    return [*(one.card for one in METRICS.values()), *(one.card for one in DIALOGUE_METRICS.values()), MODEL_JUDGE]
