"""Everything a person can do here, in one class that the pages and the API both call."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Self

from sqlalchemy import delete, func, select, tuple_

from metrics import METRICS, OPTIONS
from synth import GENERATORS, Model, Params
from synth.sampling.conditions import Conditions
from workspace.access.idempotency import IdempotencyStore
from workspace.access.keys import Keys
from workspace.catalog.rows import UNFINISHED, ConversationSet, Dataset, Event, Job, NotFound, Run
from workspace.ingest.ingest import ReadError
from workspace.jobs.estimate import Estimate, Shape, estimate
from workspace.jobs.queue import Dispatcher
from workspace.services.batches import Batches
from workspace.services.bugs import Bugs
from workspace.services.conversations import Talks
from workspace.services.releases import Releases
from workspace.services.runs import EXTERNAL
from workspace.services.sessions import Sessions
from workspace.storage.files import LOCAL
from workspace.tables.exports import FORMATS
from workspace.tasks.train import EvaluateArguments, SampleArguments, TrainArguments
from workspace.tasks.tune import Trial, TuneArguments, knobs, objectives

__all__ = ["ConversationSet", "Dataset", "Event", "Job", "NotFound", "ReadError", "Run", "Workspace"]


class Workspace(Talks, Releases, Sessions, Batches, IdempotencyStore, Bugs, Keys):
    """A folder of tables, models and runs, its catalog, and the queue of its jobs.

    Any number of processes may open one workspace. Those that called `start` run its jobs.
    """

    _dispatcher: Dispatcher | None = None

    def start(self) -> Self:
        """Run this workspace's jobs from this process; clears away first what a crash left behind."""
        if self._dispatcher is None:
            self.clean_up()
            self._dispatcher = Dispatcher(self.queue, chores=[self.expire_sessions])
            self._dispatcher.start()
        return self

    def close(self) -> None:
        """Stop running jobs from this process. Those that run go on; the next to `start` adopts them."""
        if self._dispatcher is not None:
            self._dispatcher.close()
            self._dispatcher = None
        self.catalog.close()
        self.journal.close()

    # Work ------------------------------------------------------------------------------------------------------

    def estimate(
        self, dataset_id: str, model: str, params: dict[str, Any] | None = None, rows: int | None = None
    ) -> Estimate:
        """What training a generator would take, told before it starts. Raises ValueError as `train` does."""
        dataset = self.dataset(dataset_id)
        kind, chosen = self._chosen(model, params or {})
        expected = estimate(self.prices(), kind, chosen, self.shape(dataset), rows or dataset.train_rows)
        if not expected.measured_here:
            self.queue.measure(model)
        return expected

    def shape(self, dataset: Dataset) -> Shape:
        """The size of a dataset as a generator meets it."""
        levels = {profile.name: profile.distinct for profile in self.profiles(dataset.id)}
        return Shape.of(dataset.train_rows, dataset.schema, levels)

    def train(
        self,
        dataset_id: str,
        model: str,
        params: dict[str, Any] | None = None,
        rows: int | None = None,
        seed: int = 0,
        metrics: list[str] | None = None,
        *,
        conditions: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        format: str | None = None,
        owner: str = LOCAL,
    ) -> Job:
        """Train a generator, draw `rows` rows (default: as many as it learns from), and judge them.

        `conditions` is what the rows must fulfil (`synth.sampling.conditions.Conditions`), `metrics` names what they are
        judged by (default: all), `options` are choices for single metrics (`metrics.OPTIONS`), `format` is the file to
        write of the rows. Raises ValueError, in words, when any of it does not fit, or when memory would run out.
        """
        _, chosen = self._chosen(model, params or {})
        _check_rows(rows)
        training = TrainArguments(
            model=model,
            params=chosen.model_dump(mode="json"),
            rows=rows,
            seed=seed,
            conditions=_checked(conditions),
            **_judging(metrics, options, format),
        )
        self._check_memory(self.estimate(dataset_id, model, params, rows))
        return self.queue.submit("train", training.model_dump(), dataset_id=dataset_id, owner=owner)

    def tune(
        self,
        dataset_id: str,
        model: str,
        params: dict[str, Any] | None = None,
        *,
        search: list[str] | None = None,
        trials: int = 20,
        budget_s: float | None = None,
        objective: str = "fidelity",
        rows: int | None = None,
        seed: int = 0,
        metrics: list[str] | None = None,
        options: dict[str, Any] | None = None,
        format: str | None = None,
        owner: str = LOCAL,
    ) -> Job:
        """Search for the parameters that score best, and train a run with them.

        `params` are tried first and hold for all that is not searched; `search` names the parameters to vary
        (default: all that the generator declares tunable). The search ends after `trials`, or before `budget_s`
        seconds are over. `objective` is `fidelity`, `utility`, `privacy`, or the name of a metric.
        """
        kind, chosen = self._chosen(model, params or {})
        _check_rows(rows)
        tunable = knobs(kind)
        search = list(tunable) if search is None else search
        if not search or not set(search) <= set(tunable):
            raise ValueError(
                f"{kind.title} cannot be tuned by {', '.join(search) or 'nothing'}; "
                f"it can by {', '.join(tunable) or 'nothing, since it has no parameter to search'}."
            )
        if objective not in objectives():
            raise ValueError(f"There is nothing to tune for called {objective!r}. There are {', '.join(objectives())}.")
        if trials < 1 or (budget_s is not None and budget_s <= 0):
            raise ValueError("Tuning takes at least one trial and a budget of more than 0 seconds.")
        tuning = TuneArguments(
            model=model,
            params=chosen.model_dump(mode="json"),
            search=search,
            trials=trials,
            budget_s=budget_s,
            objective=objective,
            rows=rows,
            seed=seed,
            **_judging(metrics, options, format),
        )
        self._check_memory(self.estimate(dataset_id, model, params, rows))
        return self.queue.submit("tune", tuning.model_dump(), dataset_id=dataset_id, owner=owner)

    def trials(self, run_id: str) -> list[Trial]:
        """What was tried before a tuned run; empty for one that was not tuned."""
        file = self.run(run_id).folder / "trials.json"
        return [Trial.model_validate(trial) for trial in json.loads(file.read_bytes())] if file.is_file() else []

    def sample(
        self,
        run_id: str | None,
        rows: int,
        seed: int = 0,
        metrics: list[str] | None = None,
        *,
        of: Job | None = None,
        conditions: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        format: str | None = None,
        owner: str = LOCAL,
    ) -> Job:
        """Draw another table from a run's model, under conditions or not: a run of its own, without training.

        `of` is the job that will have made the run, where there is none yet.
        """
        run = None if of else self.run(run_id)
        if run is not None and run.model == EXTERNAL:
            raise ValueError("This table was made elsewhere: there is no model to draw from. Train one.")
        dataset_id = of.dataset_id if of else run.dataset_id
        _check_rows(rows)
        drawing = SampleArguments(
            parent=run_id,
            parent_job=of and of.id,
            rows=rows,
            seed=seed,
            conditions=_checked(conditions),
            **_judging(metrics, options, format),
        )
        return self.queue.submit("sample", drawing.model_dump(), dataset_id=dataset_id, owner=owner)

    def evaluate(
        self,
        run_id: str | None,
        metrics: list[str] | None = None,
        *,
        of: Job | None = None,
        options: dict[str, Any] | None = None,
        owner: str = LOCAL,
    ) -> Job:
        """Judge a run again, by `metrics` (default: all), with new `options` for them or those it was made with.

        `of` is the job that will have made the run, where there is none yet.
        """
        dataset_id = of.dataset_id if of else self.run(run_id).dataset_id
        judging = EvaluateArguments(of_job=of and of.id, **_judging(metrics, options))
        return self.queue.submit("evaluate", judging.model_dump(), dataset_id=dataset_id, run_id=run_id, owner=owner)

    def jobs(
        self,
        state: str | None = None,
        dataset_id: str | None = None,
        limit: int = 100,
        after: str | None = None,
        *,
        owner: str | None = None,
    ) -> Sequence[Job]:
        """Jobs, newest first; `after` is the id of the last one already seen."""
        query = select(Job).order_by(Job.created.desc(), Job.id.desc()).limit(limit)
        for column, value in ((Job.state, state), (Job.dataset_id, dataset_id), (Job.owner, owner)):
            if value is not None:
                query = query.where(column == value)
        if after is not None:
            last = self.job(after)
            query = query.where(tuple_(Job.created, Job.id) < (last.created, last.id))
        with self.catalog.session() as session:
            return session.scalars(query).all()

    def unfinished(self, owner: str) -> int:
        """How many of somebody's jobs wait or run."""
        query = select(func.count()).where(Job.owner == owner, Job.state.in_(UNFINISHED))
        with self.catalog.session() as session:
            return session.scalar(query)

    def job(self, job_id: str) -> Job:
        return self.catalog.get(Job, job_id)

    def events(self, job_id: str, after: int = 0) -> Sequence[Event]:
        """What a job reported, oldest first; `after` is the `seq` of the last one already seen."""
        self.job(job_id)
        with self.catalog.session() as session:
            return session.scalars(
                select(Event).where(Event.job_id == job_id, Event.seq > after).order_by(Event.seq)
            ).all()

    def log_tail(self, job_id: str, lines: int = 50) -> str:
        """The last lines a job wrote; empty before it started."""
        file = self.queue.folder(self.job(job_id).id) / "log.txt"
        if not file.is_file():
            return ""
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - 400 * lines))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end; it does so within the grace period and a moment. An ended job stays as it is."""
        return self.queue.cancel(job_id)

    def stop_early(self, job_id: str) -> Job:
        """Ask a running job to stop training, keep what is trained, and go on with it."""
        job = self.queue.change(job_id, Job.state == "running", enough_asked=True)
        return job or self.job(job_id)

    def retry(self, job_id: str) -> Job:
        """Queue a job that failed, was cancelled or interrupted once more."""
        return self.queue.retry(job_id)

    def delete_job(self, job_id: str) -> None:
        """Delete a job, its events and its log; end it first if it runs. Its run stays."""
        job = self.job(job_id)
        with self.catalog.session() as session:
            session.execute(delete(Job).where(Job.id == job_id))
        self.end_at_once([job])
        self.remove(self.queue.folder(job_id))

    def wait(self, job_id: str, timeout_s: float = 600) -> Job:
        """Wait until a job has ended. Raises TimeoutError."""
        end = time.monotonic() + timeout_s
        while not (job := self.job(job_id)).ended:
            if time.monotonic() > end:
                raise TimeoutError(f"Job {job_id} is still {job.state} after {timeout_s:g} seconds.")
            time.sleep(0.05)
        return job

    def _chosen(self, model: str, params: dict[str, Any]) -> tuple[type[Model], Params]:
        """A generator and its parameters, the device that the settings name among them. Raises ValueError."""
        if model not in GENERATORS:
            raise ValueError(f"There is no generator {model!r}. There are {', '.join(GENERATORS)}.")
        kind = GENERATORS[model]
        if not kind.available():
            needs = " ".join(kind.needs)
            raise ValueError(f"{kind.title} needs packages that are absent. Install them: pip install {needs}")
        usual = {"device": self.settings.device} if "device" in kind.Params.model_fields else {}
        return kind, kind.Params.model_validate(usual | params)

    def _check_memory(self, expected: Estimate) -> None:
        if expected.memory_mb > self.settings.memory_share * expected.free_mb:
            raise ValueError(
                f"This is expected to take {expected.memory_mb / 1000:.1f} GB of memory, and "
                f"{expected.free_mb / 1000:.1f} GB are free. Upload fewer rows, leave out columns with many levels, "
                "ask for fewer rows, or choose a smaller model."
            )


def _judging(metrics: list[str] | None, options: dict[str, Any] | None, format: str | None = None) -> dict[str, Any]:
    """The fields of `Judging`. Raises ValueError when a name is unknown."""
    formats = None if format is None else [format]
    for what, known, named in (
        ("metric", METRICS, metrics),
        ("option", OPTIONS, options),
        ("format", FORMATS, formats),
    ):
        if unknown := sorted(set(named or ()) - set(known)):
            raise ValueError(f"There is no {what} {', '.join(unknown)}. There are {', '.join(known)}.")
    return {"metrics": metrics, "options": options, "format": format}


def _check_rows(rows: int | None) -> None:
    if rows is not None and rows < 1:
        raise ValueError(f"{rows} rows were asked for. Ask for at least 1.")


def _checked(conditions: dict[str, Any] | None) -> dict[str, Any] | None:
    return Conditions.of(conditions).model_dump(mode="json", by_alias=True) if conditions else None
