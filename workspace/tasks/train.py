"""Training a generator, drawing from it, and judging what was drawn."""

from __future__ import annotations

import logging
import os
import shutil
import time
from typing import Any

import pandas as pd

import metrics
from metrics import Card
from synth import Stopped, Synthesizer
from workspace.catalog.rows import Run, new_id
from workspace.ingest import ingest as tables
from workspace.tasks.stages import Arguments, Stages, Work
from workspace.telemetry.failures import for_the_log, in_words

log = logging.getLogger(__name__)


class JudgingArguments(Arguments):
    metrics: list[str] | None = None
    """Names of the metrics to judge by; None: all."""
    options: dict[str, Any] | None = None
    """Choices for single metrics, as `metrics.OPTIONS` lists them; None: those of the run."""
    format: str | None = None
    """The file to write of the rows when they are judged; None: none before somebody asks."""


class TrainArguments(JudgingArguments):
    model: str
    params: dict[str, Any]
    rows: int | None = None
    """Rows to draw; None: as many as it learns from."""
    seed: int = 0
    conditions: dict[str, Any] | None = None
    """What the rows to draw must fulfil, as `synth.sampling.conditions.Conditions` has it."""


class SampleArguments(JudgingArguments):
    parent: str | None
    """The run whose model draws."""
    parent_job: str | None = None
    """The job that made the run, where there was none when the drawing was ordered."""
    rows: int
    seed: int
    conditions: dict[str, Any] | None = None


class EvaluateArguments(JudgingArguments):
    of_job: str | None = None
    """The job that made the run to judge, where there was none when the judging was ordered."""


def train(work: Work) -> None:
    """Fit a generator on the training rows, draw a table from it, publish both as a run, then judge it.

    The run is published before it is judged: whatever ends the judging early, the table is there. A second
    attempt at a job that got that far only judges.
    """
    asked = TrainArguments.model_validate(work.job.arguments)
    if work.job.run_id is not None:
        judge_again(work, asked)
        return
    dataset = work.workspace.dataset(work.job.dataset_id)
    run = new_run(
        work,
        dataset_id=dataset.id,
        model=asked.model,
        params=asked.params,
        seed=asked.seed,
        rows=asked.rows or dataset.train_rows,
        schema=dataset.schema.released,
        split=dataset.split,
        conditions=asked.conditions,
        options=asked.options,
    )
    stages = Stages(work, run, ("start", "fit", "draw", "judge"))
    with stages.stage("start"):
        table = work.workspace.real_part(dataset.id, run.split, run.schema, "train")
    make(work, run, table, stages)
    judge(work, asked, stages)


def sample(work: Work) -> None:
    """Draw another table from a run's model and publish it as a run of its own, then judge it."""
    asked = SampleArguments.model_validate(work.job.arguments)
    if work.job.run_id is not None:
        judge_again(work, asked)
        return
    parent = work.workspace.run(asked.parent or work.workspace.job(asked.parent_job).run_id)
    run = child_of(parent, work, seed=asked.seed, rows=asked.rows, conditions=asked.conditions, options=asked.options)
    stages = Stages(work, run, ("draw", "judge"))
    # Hard links: the model's bytes are shared, and stay until the last run that uses them is deleted.
    shutil.copytree(parent.folder / "model", work.folder / "model", copy_function=link_or_copy)
    _draw(work, Synthesizer.load(work.folder / "model"), run, stages)
    work.publish(run)
    judge(work, asked, stages)


def evaluate(work: Work) -> None:
    """Judge a run again, for example by metrics that were not asked for at first."""
    asked = EvaluateArguments.model_validate(work.job.arguments)
    if work.job.run_id is None:
        work.job.run_id = work.workspace.job(asked.of_job).run_id
        work.workspace.queue.change(work.job.id, run_id=work.job.run_id)
    judge_again(work, asked)


def new_run(work: Work, **about: Any) -> Run:
    """A run in the making."""
    return Run(id=new_id(), job_id=work.job.id, owner=work.job.owner, **about)


INHERITED = ("dataset_id", "model", "params", "schema", "split", "options", "fit_seconds")


def child_of(parent: Run, work: Work, **about: Any) -> Run:
    """A run in the making whose rows come from another one's model; it differs in `about`."""
    return new_run(work, parent_id=parent.id, **({name: getattr(parent, name) for name in INHERITED} | about))


def make(work: Work, run: Run, table: pd.DataFrame, stages: Stages) -> None:
    """Fit the run's generator on `table`, draw the run's rows, and publish both."""
    with stages.stage("fit") as report:
        begun = time.monotonic()
        synthesizer = Synthesizer(stages.kind(stages.params, run.seed), run.schema).fit(table, report)
        run.fit_seconds = time.monotonic() - begun
    synthesizer.save(work.folder / "model")
    _draw(work, synthesizer, run, stages)
    work.publish(run)


def judge_again(work: Work, asked: JudgingArguments) -> None:
    """Judge the run that the job made or was asked to judge."""
    judge(work, asked, Stages(work, work.workspace.run(work.job.run_id), ("judge",)))


def _draw(work: Work, synthesizer: Synthesizer, run: Run, stages: Stages) -> None:
    with stages.stage("draw", typical=not run.conditions) as report:
        begun = time.monotonic()
        chunks = synthesizer.chunks(run.rows, conditions=run.conditions, report=report, seed=run.seed)
        tables.write(work.folder / "synthetic.duckdb", chunks, run.schema)
        run.rules = synthesizer.rule_report
        run.sample_seconds = time.monotonic() - begun


def judge(work: Work, asked: JudgingArguments, stages: Stages) -> None:
    """Judge the published run against the rows it was trained on and those held out from it.

    A measure that fails says so in its score's note, and the log says where; the other scores are kept. The job fails
    only when none is left.
    """
    workspace, run = work.workspace, work.workspace.run(work.job.run_id)
    failures: dict[str, Exception] = {}

    def explain(card: Card, error: BaseException) -> str | None:
        if isinstance(error, Stopped) or not isinstance(error, Exception):
            return None
        log.error("%s failed.\n%s", card.title, for_the_log(error))
        failures[card.title] = error
        return f"It failed. {in_words(error)}"

    with stages.stage("judge", typical=asked.metrics is None) as report:
        judged = workspace.judged_tables(run, asked.options)
        scores = metrics.evaluate(judged, asked.metrics, report, explain)
        if failures and len(failures) == len(scores):
            raise next(iter(failures.values()))
    note = f"Not measured, because it failed: {', '.join(failures)}. The job's log says where." if failures else ""
    workspace.keep_scores(run, scores, asked.options, note)


def link_or_copy(source: str, target: str) -> None:
    """The same bytes under a second name, or a copy where the disk has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
