"""Ordering work on tables: training, tuning, drawing again and evaluating, each a job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate, Generic, ParamSpec

from metrics import METRICS, OPTIONS
from synth import GENERATORS, Model, Params
from synth.errors import Invalid, given_by_the_asker
from synth.sampling.conditions import Conditions
from workspace.arguments import EvaluateArguments, SampleArguments, TrainArguments, TuneArguments
from workspace.catalog.rows import Job, Run
from workspace.jobs.estimate import Estimate, estimate
from workspace.jobs.queue import Draft, Queue
from workspace.services.datasets import Datasets
from workspace.services.measurements import Measurements
from workspace.services.runs import EXTERNAL, Runs
from workspace.settings import LOCAL, Settings
from workspace.tables.exports import FORMATS
from workspace.tuning_space import knobs, objectives

P = ParamSpec("P")


class Submitting(Generic[P]):
    """The method that puts into the queue what `draft` drafts; the service has a `queue`."""

    def __init__(self, draft: Callable[Concatenate[Any, P], Draft]):
        self.draft = draft

    def __get__(self, service: Any, owner: type) -> Callable[P, Job]:
        @wraps(self.draft)
        def submit(*args: P.args, **kwargs: P.kwargs) -> Job:
            return service.queue.submit(self.draft(service, *args, **kwargs))

        return submit


class Training:
    """Orders jobs that train generators, draw from models and evaluate runs.

    Each order comes as a draft too, for those who submit several together: `draft_train` checks as `train` does, and
    nothing is queued.
    """

    def __init__(self, queue: Queue, datasets: Datasets, runs: Runs, measurements: Measurements, settings: Settings):
        self.queue, self.datasets, self.runs, self.measurements = queue, datasets, runs, measurements
        self.settings = settings

    def estimate(
        self, dataset_id: str, model: str, params: dict[str, Any] | None = None, rows: int | None = None
    ) -> Estimate:
        """What training a generator would take, told before it starts. Raises Invalid as `train` does."""
        dataset = self.datasets.get(dataset_id)
        kind, chosen = self._chosen(model, params or {})
        shape = self.datasets.shape(dataset_id)
        expected = estimate(self.measurements.cost_model(), kind, chosen, shape, rows or dataset.train_rows)
        if not expected.measured_here:
            self.queue.measure(model)
        return expected

    def draft_train(
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
    ) -> Draft:
        """Train a generator, draw `rows` rows (default: as many as it learns from), and score them.

        `conditions` is what the rows must meet (`synth.sampling.conditions.Conditions`), `metrics` names what they
        are scored by (default: all), `options` are choices for single metrics (`metrics.OPTIONS`), `format` is the
        file to write of the rows. Raises Invalid, in words, when any of it does not fit, or when memory would run
        out.
        """
        _, chosen = self._chosen(model, params or {})
        _check_rows(rows)
        expected = self.estimate(dataset_id, model, params, rows)
        self._check_memory(expected)
        asked = TrainArguments(
            model=model,
            params=chosen.model_dump(mode="json"),
            rows=rows,
            seed=seed,
            conditions=self._checked(conditions, dataset_id, rows=rows or self.datasets.get(dataset_id).train_rows),
            expected=expected.stages,
            **_scoring(metrics, options, format),
        )
        return Draft(asked, owner, dataset_id)

    def draft_tune(
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
    ) -> Draft:
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
            raise Invalid(
                f"{kind.title} cannot be tuned by {', '.join(search) or 'nothing'}; "
                f"it can by {', '.join(tunable) or 'nothing, since it has no parameter to search'}."
            )
        if objective not in objectives():
            raise Invalid(f"There is nothing to tune for called {objective!r}. There are {', '.join(objectives())}.")
        if trials < 1 or (budget_s is not None and budget_s <= 0):
            raise Invalid("Tuning takes at least one trial and a budget of more than 0 seconds.")
        expected = self.estimate(dataset_id, model, params, rows)
        self._check_memory(expected)
        asked = TuneArguments(
            model=model,
            params=chosen.model_dump(mode="json"),
            search=search,
            trials=trials,
            budget_s=budget_s,
            objective=objective,
            rows=rows,
            seed=seed,
            expected=expected.stages,
            **_scoring(metrics, options, format),
        )
        return Draft(asked, owner, dataset_id)

    def draft_sample(
        self,
        run_id: str | None,
        rows: int,
        seed: int = 0,
        metrics: list[str] | None = None,
        *,
        of: Draft | None = None,
        conditions: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        format: str | None = None,
        owner: str = LOCAL,
    ) -> Draft:
        """Draw another table from a run's model, under conditions or not: a run of its own, without training.

        `of` is the draft of the job that will make the run, where there is none yet.
        """
        run = self.runs.get(run_id) if run_id is not None else None
        if run is not None and run.model == EXTERNAL:
            raise Invalid(
                "This table was made outside Understudy: there is no model to sample from. Train a generator."
            )
        if run is not None and run.model not in GENERATORS:
            raise Invalid(
                f"The generator {run.model!r} is no longer installed. Install its plugin again, or train another."
            )
        _check_rows(rows)
        asked = SampleArguments(
            parent=run_id,
            parent_job=of.id if of else None,
            rows=rows,
            seed=seed,
            conditions=self._checked(conditions, self._dataset_of(run_id, of), run, rows),
            expected=self.expected("sample", run, rows) if run is not None else {},
            **_scoring(metrics, options, format),
        )
        return Draft(asked, owner, self._dataset_of(run_id, of))

    def draft_evaluate(
        self,
        run_id: str | None,
        metrics: list[str] | None = None,
        *,
        of: Draft | None = None,
        options: dict[str, Any] | None = None,
        owner: str = LOCAL,
    ) -> Draft:
        """Score a run again, by `metrics` (default: all), with new `options` for them or those it was made with.

        `of` is the draft of the job that will make the run, where there is none yet.
        """
        run = self.runs.get(run_id) if run_id is not None else None
        expected = self.expected("evaluate", run, run.rows) if run is not None else {}
        asked = EvaluateArguments(of_job=of.id if of else None, expected=expected, **_scoring(metrics, options))
        return Draft(asked, owner, self._dataset_of(run_id, of), run_id)

    train = Submitting(draft_train)
    tune = Submitting(draft_tune)
    sample = Submitting(draft_sample)
    evaluate = Submitting(draft_evaluate)

    def expected(self, kind_of_job: str, run: Run, rows: int) -> dict[str, float]:
        """Seconds that each stage should take of a job that works on a run and draws `rows` rows."""
        return self.measurements.expected(kind_of_job, run, self.datasets.shape(run.dataset_id), rows)

    def _checked(
        self, conditions: dict[str, Any] | None, dataset_id: str | None, run: Run | None = None, rows: int | None = None
    ) -> dict[str, Any] | None:
        """The conditions as they are stored. Raises Invalid where no row of the table's model could meet them."""
        if not conditions:
            return None
        try:
            checked = Conditions.of(conditions)
        except Invalid as error:
            raise Invalid(str(error), "conditions") from error
        if dataset_id is not None:
            from synth.sampling.feasibility import check_conditions

            schema = run.schema if run is not None else self.datasets.get(dataset_id).schema
            profiles = {profile.name: profile for profile in self.datasets.profiles(dataset_id)}
            check_conditions(checked, schema, profiles, partial(self.datasets.levels, dataset_id), rows)
        return checked.model_dump(mode="json", by_alias=True)

    def _dataset_of(self, run_id: str | None, of: Draft | None) -> str | None:
        if of is not None:
            return of.dataset_id
        if run_id is None:
            raise Invalid("Say which run: its id, or the draft of the job that makes it.")
        return self.runs.get(run_id).dataset_id

    def _chosen(self, model: str, params: dict[str, Any]) -> tuple[type[Model], Params]:
        """A generator and its parameters, the device that the settings name among them. Raises Invalid."""
        if model not in GENERATORS:
            raise Invalid(f"There is no generator {model!r}. There are {', '.join(GENERATORS)}.")
        kind = GENERATORS[model]
        if not kind.available():
            needs = " ".join(kind.needs)
            raise Invalid(f"{kind.title} needs packages that are absent. Install them: pip install {needs}")
        usual = {"device": self.settings.device} if "device" in kind.Params.model_fields else {}
        with given_by_the_asker():
            return kind, kind.Params.model_validate(usual | params)

    def _check_memory(self, expected: Estimate) -> None:
        if expected.memory_mb > self.settings.memory_share * expected.free_mb:
            raise Invalid(
                f"This is expected to take {expected.memory_mb / 1000:.1f} GB of memory, and "
                f"{expected.free_mb / 1000:.1f} GB are free. Upload fewer rows, leave out columns with many levels, "
                "ask for fewer rows, or choose a smaller model."
            )


def _scoring(metrics: list[str] | None, options: dict[str, Any] | None, format: str | None = None) -> dict[str, Any]:
    """The fields of `ScoringArguments`. Raises Invalid when a name is unknown."""
    formats = None if format is None else [format]
    for what, known, named in (
        ("metric", METRICS, metrics),
        ("option", OPTIONS, options),
        ("format", FORMATS, formats),
    ):
        if unknown := sorted(set(named or ()) - set(known)):
            raise Invalid(f"There is no {what} {', '.join(unknown)}. There are {', '.join(known)}.")
    return {"metrics": metrics, "options": options, "format": format}


def _check_rows(rows: int | None) -> None:
    if rows is not None and rows < 1:
        raise Invalid(f"{rows} rows were asked for. Ask for at least 1.")
