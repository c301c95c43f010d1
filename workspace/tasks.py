"""What jobs do: plain functions over a workspace, each named in `TASKS`. A worker process calls one of them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

import metrics
from metrics import Tables
from synth import GENERATORS, Generator
from workspace import tables
from workspace.catalog import Job, Run, new_id
from workspace.estimate import Measured, Prices, estimate, passes, quantities, speed, stage_name
from workspace.meter import Meter, cpu_seconds, peak_mb
from workspace.progress import Progress, Stage
from workspace.talks import converse

if TYPE_CHECKING:
    from workspace.workspace import Workspace


TITLES = {"start": "Reading", "fit": "Training", "draw": "Sampling", "judge": "Judging"}


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
    if work.job.run_id is not None:
        _judge(work, asked.metrics, Stages(work, work.workspace.run(work.job.run_id), ("judge",)))
        return
    dataset = work.workspace.dataset(work.job.dataset_id)
    run = _new_run(
        work,
        dataset_id=dataset.id,
        model=asked.model,
        params=asked.params,
        seed=asked.seed,
        rows=asked.rows or dataset.train_rows,
        schema=dataset.schema.released,
        split=dataset.split,
    )
    stages = Stages(work, run, ("start", "fit", "draw", "judge"))
    with stages.stage("start"):
        table = work.workspace.real_part(dataset.id, run.split, run.schema, "train")
    with stages.stage("fit") as report:
        begun = time.monotonic()
        generator = stages.kind(stages.params, run.seed).fit(table, run.schema, report)
        run.fit_seconds = time.monotonic() - begun
    generator.save(work.folder / "model")
    _draw(work, generator, run, stages)
    work.publish(run)
    _judge(work, asked.metrics, stages)


def sample(work: Work) -> None:
    """Draw another table from a run's model and publish it as a run of its own, then judge it."""
    asked = Drawing.model_validate(work.job.arguments)
    if work.job.run_id is not None:
        _judge(work, asked.metrics, Stages(work, work.workspace.run(work.job.run_id), ("judge",)))
        return
    parent = work.workspace.run(asked.parent)
    run = _new_run(
        work,
        dataset_id=parent.dataset_id,
        model=parent.model,
        params=parent.params,
        seed=asked.seed,
        rows=asked.rows,
        schema=parent.schema,
        split=parent.split,
        parent_id=parent.id,
        fit_seconds=parent.fit_seconds,
    )
    stages = Stages(work, run, ("draw", "judge"))
    # Hard links: the model's bytes are shared, and stay until the last run that uses them is deleted.
    shutil.copytree(parent.folder / "model", work.folder / "model", copy_function=_link)
    _draw(work, stages.kind.load(work.folder / "model"), run, stages)
    work.publish(run)
    _judge(work, asked.metrics, stages)


def evaluate(work: Work) -> None:
    """Judge a run again, for example by metrics that were not asked for at first."""
    asked = Judging.model_validate(work.job.arguments)
    _judge(work, asked.metrics, Stages(work, work.workspace.run(work.job.run_id), ("judge",)))


TASKS: dict[str, Callable[[Work], None]] = {task.__name__: task for task in (train, sample, evaluate, converse)}


class Stages:
    """The stages of a job: each has the share of the progress that its expected time has, and leaves a measurement."""

    def __init__(self, work: Work, run: Run, names: tuple[str, ...]):
        self.work, self.run, self.names = work, run, names
        self.kind = GENERATORS[run.model]
        self.params = self.kind.Params.model_validate(run.params)
        self.shape = work.workspace.shape(work.workspace.dataset(run.dataset_id))
        prices = Prices(work.workspace.measured(), speed())
        expected = estimate(prices, self.kind, self.params, self.shape, run.rows).stages
        self._shares = {name: max(expected[name], 0.02 * sum(expected.values()), 1e-3) for name in names}

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """Do the work of one stage; yields its report."""
        before = sum(self._shares[earlier] for earlier in self.names[: self.names.index(name)])
        whole = sum(self._shares.values())
        report = self.work.progress.stage(TITLES[name], before / whole, (before + self._shares[name]) / whole)
        meter = Meter()
        report(0.0)
        yield report
        self.work.progress.flush()
        if self.work.job.attempts == 1:
            self._keep(name, meter.busy_seconds, report.reached.get("epoch", passes(self.params)))

    def _keep(self, name: str, seconds: float, passed: float) -> None:
        if name == "start":
            seconds = cpu_seconds()  # with what the interpreter and its imports took
        amounts = quantities(name, self.shape, passed, self.run.rows)
        measured = Measured(stage_name(name, self.run.model), amounts, round(seconds, 4), round(peak_mb(), 1))
        self.work.workspace.keep_measured([measured])


def _new_run(work: Work, **about: Any) -> Run:
    return Run(id=new_id(), job_id=work.job.id, owner=work.job.owner, **about)


def _draw(work: Work, generator: Generator, run: Run, stages: Stages) -> None:
    with stages.stage("draw") as report:
        begun = time.monotonic()
        chunks = generator.chunks(run.rows, report=report, seed=run.seed)
        tables.write(work.folder / "synthetic.duckdb", chunks, run.schema)
        run.sample_seconds = time.monotonic() - begun


def _judge(work: Work, names: list[str] | None, stages: Stages) -> None:
    workspace, run = work.workspace, work.workspace.run(work.job.run_id)
    with stages.stage("judge") as report:
        judged = Tables(
            train=workspace.real_table(run.id, "train"),
            holdout=workspace.real_table(run.id, "holdout"),
            synthetic=workspace.synthetic_table(run.id),
            schema=run.schema,
            target=run.schema.target,
            seed=run.seed,
        )
        scores = metrics.evaluate(judged, names, report)
    workspace.keep_scores(run, scores)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
