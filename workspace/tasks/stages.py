"""A job in the hands of its worker, and the stages it goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synth import GENERATORS, Model
from workspace.catalog.rows import Job, Run
from workspace.jobs.estimate import Measurement, quantities, stage_cost, stage_name
from workspace.jobs.meter import ResourceMeter, cpu_seconds, held_mb, peak_mb
from workspace.jobs.progress import Progress, Stage
from workspace.storage.files import RunFiles
from workspace.workspace import Workspace

TITLES = {"start": "Reading", "fit": "Training", "draw": "Sampling", "judge": "Evaluating"}


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

    @property
    def files(self) -> RunFiles:
        """The scratch folder as that of the run in the making."""
        return RunFiles(self.folder)


class Stages:
    """The stages of a job: each has the share of the progress that its expected time has, and leaves a measurement."""

    def __init__(self, work: Work, run: Run, names: tuple[str, ...], begin: float = 0.0):
        self.work, self.run, self.names, self.begin = work, run, names, begin
        self.shape = work.workspace.datasets.shape(run.dataset_id)
        # A table can be scored without its generator: it was made elsewhere, or its plugin is gone.
        self._kind = GENERATORS.get(run.model)
        self._params = (
            self._kind.Params.model_validate(run.params, extra="ignore") if self._kind and names != ("judge",) else None
        )
        prices, known = work.workspace.measurements.cost_model(), (self._kind, self._params, self.shape, run.rows)
        expected = {name: stage_cost(prices, name, *known)[0] for name in names}
        self._shares = {name: max(expected[name], 0.02 * sum(expected.values()), 1e-3) for name in names}

    @property
    def generator(self) -> type[Model]:
        """The run's generator. Raises ValueError when it is not installed any more."""
        if self._kind is None:
            raise ValueError(
                f"The generator {self.run.model!r} is not here any more. Install its plugin again, or train another."
            )
        return self._kind

    @contextmanager
    def stage(self, name: str, *, typical: bool = True) -> Iterator[Stage]:
        """Do the work of one stage; yields its report. What is not `typical` leaves no measurement."""
        before = sum(self._shares[earlier] for earlier in self.names[: self.names.index(name)])
        report = self.work.progress.stage(TITLES[name], self._place(before), self._place(before + self._shares[name]))
        meter = ResourceMeter()
        report(0.0)
        yield report
        self.work.progress.flush()
        polished = name == "draw" and self._params is not None and self._params.polish
        if typical and not polished and self.work.job.attempts == 1:
            self._keep(name, meter, report.reached)

    def _place(self, seconds: float) -> float:
        """Where in the job's progress this is, of the seconds the stages should take."""
        return self.begin + (1 - self.begin) * seconds / sum(self._shares.values())

    def _keep(self, name: str, meter: ResourceMeter, reached: dict[str, float]) -> None:
        seconds, taken, kept = meter.busy_seconds, meter.taken_mb, meter.kept_mb
        if name == "start":
            # With what the interpreter and its imports took.
            seconds, taken, kept = cpu_seconds(), peak_mb(), held_mb()
        passes = 1.0
        if self._kind is not None and self._params is not None:
            passes = reached.get("epoch", self._kind.passes(self._params, self.shape.rows))
        stage = stage_name(name, self._kind, self._params)
        amounts = quantities(name, self.shape, passes, self.run.rows)
        self.work.workspace.measurements.keep([Measurement(stage, amounts, seconds, taken, kept)])
