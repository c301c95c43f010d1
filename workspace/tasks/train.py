"""Training a generator, drawing from it, and scoring what was drawn."""

from __future__ import annotations

import logging
import shutil
import time
from typing import TYPE_CHECKING, Any

import metrics
from synth.report import Stopped
from workspace.arguments import EvaluateArguments, SampleArguments, ScoringArguments, TrainArguments
from workspace.catalog.rows import Run, new_id
from workspace.jobs.kinds import job
from workspace.storage.damage import read_whole
from workspace.storage.files import link_or_copy
from workspace.tasks.stages import Stages, Work
from workspace.telemetry.failures import for_the_log, in_words

# Before its table is read a worker holds the catalog and little more: what reads and learns is imported by who does.
if TYPE_CHECKING:
    import pandas as pd

    from synth import Synthesizer

log = logging.getLogger(__name__)


@job("Train", TrainArguments, stages=("start", "fit", "draw", "judge"), offered=False, place=10)
def train(work: Work, asked: TrainArguments) -> None:
    """Fit a generator on the training rows, draw a table from it, publish both as a run, then score it.

    The run is published before it is scored: whatever ends the scoring early, the table is there. A second
    attempt at a job that got that far only scores.
    """
    if work.job.run_id is not None:
        score_again(work, asked)
        return
    dataset = work.dataset
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
    stages = Stages(work, run, asked.expected)
    with stages.stage("start"):
        table = work.workspace.datasets.train_part(dataset.id, run.split, run.schema, keep_cells=True)
    make(work, run, table, stages)
    score(work, asked, stages)


@job("Generate more rows", SampleArguments, stages=("draw", "judge"), offered=False, place=20)
def sample(work: Work, asked: SampleArguments) -> None:
    """Draw another table from a run's model and publish it as a run of its own, then score it."""
    from synth import Synthesizer

    if work.job.run_id is not None:
        score_again(work, asked)
        return
    workspace = work.workspace
    parent = workspace.runs.get(asked.parent) if asked.parent else work.made_by(asked.parent_job)
    run = child_of(parent, work, seed=asked.seed, rows=asked.rows, conditions=asked.conditions, options=asked.options)
    stages = Stages(work, run, asked.expected)
    with read_whole("The model of this run"):
        take_model(work, parent)
        synthesizer = Synthesizer.load(work.files.model)
    _draw(work, synthesizer, run, stages)
    work.publish(run)
    score(work, asked, stages)


@job("Evaluate", EvaluateArguments, stages=("judge",), offered=False, place=30)
def evaluate(work: Work, asked: EvaluateArguments) -> None:
    """Score a run again, for example by metrics that were not asked for at first."""
    if work.job.run_id is None:
        work.job.run_id = work.made_by(asked.of_job).id
        work.workspace.queue.change(work.job.id, run_id=work.job.run_id)
    score_again(work, asked)


def new_run(work: Work, **about: Any) -> Run:
    """A run in the making."""
    return Run(id=new_id(), job_id=work.job.id, owner=work.job.owner, **about)


INHERITED = ("dataset_id", "model", "params", "schema", "split", "options", "fit_seconds")


def child_of(parent: Run, work: Work, **about: Any) -> Run:
    """A run in the making whose rows come from another one's model; it differs in `about`."""
    return new_run(work, parent_id=parent.id, **({name: getattr(parent, name) for name in INHERITED} | about))


def take_model(work: Work, parent: Run) -> None:
    """Give a run in the making its parent's model, and with it the mark of a training that was stopped."""
    files = work.workspace.files.run(parent.id)
    # Hard links: the model's bytes are shared, and stay until the last run that uses them is deleted.
    shutil.copytree(files.model, work.files.model, copy_function=link_or_copy)
    if "training" in parent.stopped:
        work.files.stopped("training").touch()


def make(work: Work, run: Run, table: pd.DataFrame, stages: Stages) -> None:
    """Fit the run's generator on `table`, draw the run's rows, and publish both."""
    from synth import Synthesizer

    with stages.stage("fit") as report:
        begun = time.monotonic()
        kind = stages.generator
        params = kind.Params.model_validate(run.params, extra="ignore")
        synthesizer = Synthesizer(kind(params, run.seed), run.schema).fit(table, report)
        run.fit_seconds = time.monotonic() - begun
        stopped = kind.stops_early and report.stop_early
    if stopped:
        work.files.stopped("training").touch()
    synthesizer.save(work.files.model)
    _draw(work, synthesizer, run, stages)
    work.publish(run)


def score_again(work: Work, asked: ScoringArguments) -> None:
    """Score the run that the job made or was asked to score; this takes no generator."""
    score(work, asked, Stages(work, work.run, asked.expected, names=("judge",)))


def _draw(work: Work, synthesizer: Synthesizer, run: Run, stages: Stages) -> None:
    from workspace.tables import duckdb_file

    with stages.stage("draw", typical=not run.conditions) as report:
        begun = time.monotonic()
        chunks = synthesizer.chunks(run.rows, conditions=run.conditions, report=report, seed=run.seed)
        duckdb_file.write(work.files.synthetic, chunks, run.schema)
        run.rules = synthesizer.rule_report
        run.sample_seconds = time.monotonic() - begun


def score(work: Work, asked: ScoringArguments, stages: Stages) -> None:
    """Score the published run against the rows it was trained on and those held out from it.

    A metric that fails says so in its score's note, and the log says where; the other scores are kept. The job fails
    only when none is left.
    """

    runs = work.workspace.runs
    run = work.run
    failures: dict[str, Exception] = {}

    def explain(card: metrics.Card, error: BaseException) -> str | None:
        if isinstance(error, Stopped) or not isinstance(error, Exception):
            return None
        log.error("%s failed.\n%s", card.title, for_the_log(error))
        failures[card.title] = error
        return f"It failed. {in_words(error)}"

    with stages.stage("judge", typical=asked.metrics is None) as report:
        tables = runs.scored_tables(run, asked.options)
        scores = metrics.evaluate(tables, asked.metrics, report, explain)
        if failures and len(failures) == len(scores):
            raise next(iter(failures.values()))
    note = f"Not computed, because it failed: {', '.join(failures)}. The job's log says where." if failures else ""
    runs.keep_scores(run, scores, asked.options, note)
