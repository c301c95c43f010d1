"""Tuning: the search for parameters whose tables score best, by Optuna over what generators declare tunable.

Trials learn most of the training rows and are scored against the rest of them. The holdout stays unseen until the
best parameters have been trained on all training rows: what was chosen by a score cannot be evaluated by it.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import metrics
import synth
from synth.errors import Invalid
from synth.report import Report
from synth.schema import Schema
from workspace.arguments import TuneArguments
from workspace.catalog.rows import Job
from workspace.jobs.kinds import job
from workspace.jobs.progress import Stage
from workspace.tasks.stages import Stages, Work
from workspace.tasks.train import make, new_run, score, score_again
from workspace.telemetry.failures import in_words

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from workspace.tuning_space import Trial, TrialState

log = logging.getLogger(__name__)

VALIDATION_SHARE = 0.2
LEAST_ROWS = 10
MOST_DRAWN = 50_000
PRUNE_STEPS = 20
"""At how many points of its training a trial is compared with those before it."""
STARTUP_TRIALS = 3
"""Trials that are never cut short, for the later ones to be compared with."""


@job("Tune", TuneArguments, stages=("fit", "draw", "judge"), offered=False, place=40)
def tune(work: Work, asked: TuneArguments) -> None:
    """Search for the best parameters, train them on all training rows, and publish and score that run."""
    if work.job.run_id is not None:
        score_again(work, asked)
        return
    dataset = work.dataset
    schema = dataset.schema.released
    table = work.workspace.datasets.train_part(dataset.id, dataset.split, schema, keep_cells=True)
    if len(table) < LEAST_ROWS:
        raise Invalid(f"Tuning needs at least {LEAST_ROWS} training rows, and there are {len(table)}.")
    share = asked.trials / (asked.trials + 1)
    search = _Search(work, asked, table, schema, work.progress.stage("Tuning", 0.0, share))
    best = search.run()
    run = new_run(
        work,
        dataset_id=dataset.id,
        model=asked.model,
        params=best,
        seed=asked.seed,
        rows=asked.rows or dataset.train_rows,
        schema=schema,
        split=dataset.split,
        options=asked.options,
    )
    stages = Stages(work, run, asked.expected, begin=share)
    work.files.trials.write_text(json.dumps(search.told()), encoding="utf-8")
    make(work, run, table, stages)
    score(work, asked, stages)


class _Search:
    """The trials of one job. They are kept in its checkpoint: a job tried again goes on where it was."""

    def __init__(self, work: Work, asked: TuneArguments, table: pd.DataFrame, schema: Schema, report: Stage):
        import numpy as np

        from workspace.tuning_space import knobs, metrics_of

        self.asked, self.schema, self.report = asked, schema, report
        # With all that a trial imports: the first would pass for the longest.
        self.kind, self.metrics = synth.GENERATORS[asked.model], metrics_of(asked.objective)
        self.knobs = [knobs(self.kind)[name] for name in asked.search]
        order = np.random.default_rng([asked.seed, 4]).permutation(len(table))
        cut = max(1, round(VALIDATION_SHARE * len(table)))
        self.validation = table.take(np.sort(order[:cut])).reset_index(drop=True)
        self.train = table.take(np.sort(order[cut:])).reset_index(drop=True)
        self.study = self._study(report.checkpoint, work.job)
        self.begun = time.monotonic()

    def _study(self, folder: Path, job: Job) -> optuna.Study:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        # A worker that was killed may have left its lock; nobody else writes here.
        (folder / "study.log.lock").unlink(missing_ok=True)
        storage = JournalStorage(JournalFileBackend(str(folder / "study.log")))
        study = optuna.create_study(study_name=job.id, storage=storage, direction="maximize", load_if_exists=True)
        for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        study.sampler = optuna.samplers.TPESampler(seed=self.asked.seed + len(study.trials))
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=PRUNE_STEPS // 5)
        if not study.trials:
            # The given parameters come first: the search never ends below them.
            study.enqueue_trial({knob.name: self.asked.params[knob.name] for knob in self.knobs})
        return study

    def run(self) -> dict[str, Any]:
        """Try until the trials, the budget or somebody's patience are used up; the best parameters.

        Raises Invalid when no trial came to a score.
        """
        while len(self.study.trials) < self.asked.trials and not self._over:
            self._try()
        if self._best is None:
            notes = {trial.note for trial in self.trials if trial.note}
            raise Invalid("No trial could be scored. " + " ".join(sorted(notes)))
        return self._params(self.study.best_trial.params)

    @property
    def trials(self) -> list[Trial]:
        from workspace.tuning_space import Trial

        states: dict[str, TrialState] = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}
        return [
            Trial(
                number=trial.number + 1,
                params=trial.params,
                state=states[trial.state.name],
                score=trial.value if trial.state.name == "COMPLETE" else None,
                seconds=trial.duration.total_seconds() if trial.duration else 0.0,
                note=trial.user_attrs.get("note", ""),
            )
            for trial in self.study.trials
            if trial.state.name in states
        ]

    def told(self) -> list[dict[str, Any]]:
        return [trial.model_dump(mode="json") for trial in self.trials]

    @property
    def _best(self) -> float | None:
        return max((trial.score for trial in self.trials if trial.score is not None), default=None)

    @property
    def _over(self) -> bool:
        """Whether to stop: somebody said it is enough, or one more trial and the last fit would burst the budget."""
        if self._best is None:
            return False
        longest = max(trial.seconds for trial in self.trials)
        spent = time.monotonic() - self.begun
        return self.report.stop_early or (self.asked.budget_s is not None and spent + 2 * longest > self.asked.budget_s)

    def _params(self, found: dict[str, Any]) -> dict[str, Any]:
        params = self.kind.Params.model_validate({**self.asked.params, **found}, extra="ignore")
        return params.model_dump(mode="json")

    def _try(self) -> None:
        import optuna

        trial = self.study.ask()
        state, score, note = optuna.trial.TrialState.COMPLETE, None, ""
        try:
            score = self._score(trial, {knob.name: knob.suggest(trial) for knob in self.knobs})
        except optuna.TrialPruned:
            state = optuna.trial.TrialState.PRUNED
        except ValueError as error:
            # Parameters that do not go together, or that drive the numbers out of bounds: the next may do better.
            state, note = optuna.trial.TrialState.FAIL, in_words(error)
        if state == optuna.trial.TrialState.COMPLETE and score is None:
            state, note = optuna.trial.TrialState.FAIL, f"{self.asked.objective} could not be computed."
        trial.set_user_attr("note", note)
        self.study.tell(trial, score, state)
        self._tell(trial.number, score)

    def _tell(self, number: int, score: float | None) -> None:
        best = self._best
        curve = {"trial": number + 1.0}
        curve |= {"score": score} if score is not None else {}
        curve |= {"best": best} if best is not None else {}
        said = "without a score" if score is None else f"{score:.4f}"
        self.report((number + 1) / self.asked.trials, f"Trial {number + 1} of {self.asked.trials}: {said}", **curve)

    def _score(self, trial: optuna.Trial, found: dict[str, Any]) -> float | None:
        from synth.schema.casting import conform
        from workspace.tuning_space import merit

        number, trials = trial.number, self.asked.trials
        part = self.report.part(number / trials, (number + 1) / trials)
        heard = _TrialReport(part, trial, f"Trial {number + 1} of {trials}", self._best is not None)
        params = self.kind.Params.model_validate({**self.asked.params, **found}, extra="ignore")
        synthesizer = synth.Synthesizer(self.kind(params, self.asked.seed), self.schema).fit(self.train, heard)
        drawn = synthesizer.sample(min(len(self.train), MOST_DRAWN), seed=self.asked.seed)
        train, validation, drawn = (conform(table, self.schema) for table in (self.train, self.validation, drawn))
        tables = metrics.Tables(
            train=train,
            holdout=validation,
            synthetic=drawn,
            schema=self.schema,
            target=self.schema.target,
            seed=self.asked.seed,
            options=self.asked.options or {},
        )
        scores = metrics.evaluate(tables, self.metrics)
        return merit(self.asked.objective, scores)


class _TrialReport(Report):
    """Passes on how far a trial is, and cuts it short when it does worse than half of those before it."""

    def __init__(self, whole: Report, trial: optuna.Trial, title: str, dispensable: bool):
        self.whole, self.trial, self.title, self.dispensable = whole, trial, title, dispensable
        self._step = -1

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        import optuna

        self.whole(0.9 * done, f"{self.title}: {note}" if note else self.title)
        if self.dispensable and self.whole.stop_early:
            raise optuna.TrialPruned
        # A quality is better high, a loss low; of two networks in contest the loss says nothing.
        value = curve.get("quality", -curve["loss"] if "loss" in curve else None)
        step = int(done * PRUNE_STEPS)
        if value is not None and step > self._step:
            self._step = step
            self.trial.report(value, step)
            if self.dispensable and self.trial.should_prune():
                raise optuna.TrialPruned
