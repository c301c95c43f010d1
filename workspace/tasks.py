"""What jobs do: plain functions over a workspace, each named in `TASKS`. A worker process calls one of them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict

import metrics
from metrics import Tables
from synth import GENERATORS, Generator, Report
from workspace import tables
from workspace.catalog import Job, Run, new_id

if TYPE_CHECKING:
    from workspace.workspace import Workspace


class Progress(Protocol):
    """How a task says how far it is, stage by stage."""

    def stage(self, name: str, start: float, end: float) -> Report:
        """The report of the stage that takes the job from `start` to `end` (0 to 1)."""


@dataclass(frozen=True)
class Work:
    """One job in the hands of its worker."""

    workspace: Workspace
    job: Job
    progress: Progress
    folder: Path
    """Scratch: here a task writes what is not complete yet."""
    publish: Callable[[Run], None]
    """Move the scratch folder into place as this run's, and list the run."""


class Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Training(Arguments):
    model: str
    params: dict[str, Any]
    rows: int | None = None
    """Rows to draw; None: as many as it learns from."""
    seed: int = 0
    metrics: list[str] | None = None
    """Names of the metrics to judge by; None: all."""


class Drawing(Arguments):
    rows: int
    seed: int
    parent: str
    metrics: list[str] | None = None


class Judging(Arguments):
    metrics: list[str] | None = None


def train(work: Work) -> None:
    """Fit a generator on the training rows, draw a table from it, publish both as a run, then judge it.

    The run is published before it is judged: whatever ends the judging early, the table is there. A second
    attempt at a job that got that far only judges.
    """
    asked = Training.model_validate(work.job.arguments)
    if work.job.run_id is None:
        _fit_and_draw(work, asked)
    _judge(work, asked.metrics, work.progress.stage("Judging", 0.9, 1.0))


def _fit_and_draw(work: Work, asked: Training) -> None:
    workspace = work.workspace
    dataset = workspace.dataset(work.job.dataset_id)
    work.progress.stage("Reading", 0.0, 0.02)(0.0)
    table = workspace.train_table(dataset.id)
    kind = GENERATORS[asked.model]
    generator = kind(kind.Params.model_validate(asked.params), asked.seed)
    begun = time.monotonic()
    generator.fit(table, dataset.schema, work.progress.stage("Training", 0.02, 0.8))
    fitted = time.monotonic()
    generator.save(work.folder / "model")
    run = Run(
        id=new_id(),
        dataset_id=dataset.id,
        job_id=work.job.id,
        owner=work.job.owner,
        model=asked.model,
        params=generator.params.model_dump(mode="json"),
        seed=asked.seed,
        rows=asked.rows if asked.rows is not None else len(table),
        schema=dataset.schema.released,
        split=dataset.split,
        fit_seconds=fitted - begun,
    )
    _draw(work, generator, run, work.progress.stage("Sampling", 0.8, 0.9))
    work.publish(run)


def sample(work: Work) -> None:
    """Draw another table from a run's model and publish it as a run of its own, then judge it."""
    asked = Drawing.model_validate(work.job.arguments)
    if work.job.run_id is None:
        parent = work.workspace.run(asked.parent)
        work.progress.stage("Reading", 0.0, 0.05)(0.0)
        # Hard links: the model's bytes are shared, and stay until the last run that uses them is deleted.
        shutil.copytree(parent.folder / "model", work.folder / "model", copy_function=_link)
        run = Run(
            id=new_id(),
            dataset_id=parent.dataset_id,
            job_id=work.job.id,
            owner=work.job.owner,
            model=parent.model,
            params=parent.params,
            seed=asked.seed,
            rows=asked.rows,
            schema=parent.schema,
            split=parent.split,
            parent_id=parent.id,
            fit_seconds=parent.fit_seconds,
        )
        generator = GENERATORS[parent.model].load(work.folder / "model")
        _draw(work, generator, run, work.progress.stage("Sampling", 0.05, 0.6))
        work.publish(run)
    _judge(work, asked.metrics, work.progress.stage("Judging", 0.6, 1.0))


def evaluate(work: Work) -> None:
    """Judge a run again, for example by metrics that were not asked for at first."""
    asked = Judging.model_validate(work.job.arguments)
    _judge(work, asked.metrics, work.progress.stage("Judging", 0.0, 1.0))


TASKS: dict[str, Callable[[Work], None]] = {task.__name__: task for task in (train, sample, evaluate)}


def _draw(work: Work, generator: Generator, run: Run, report: Report) -> None:
    begun = time.monotonic()
    chunks = generator.chunks(run.rows, report=report, seed=run.seed)
    tables.write(work.folder / "synthetic.duckdb", chunks, run.schema)
    run.sample_seconds = time.monotonic() - begun


def _judge(work: Work, names: list[str] | None, report: Report) -> None:
    run = work.workspace.run(work.job.run_id)
    report(0.0, "Reading the tables")
    judged = Tables(
        train=work.workspace.real_table(run.id, "train"),
        holdout=work.workspace.real_table(run.id, "holdout"),
        synthetic=work.workspace.synthetic_table(run.id),
        schema=run.schema,
        target=run.schema.target,
        seed=run.seed,
    )
    work.workspace.keep_scores(run, metrics.evaluate(judged, names, report))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
