"""A job in the hands of its worker, and the stages it goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from synth import GENERATORS
from synth.generators.bootstrap import Bootstrap
from workspace.catalog.rows import Job, Run
from workspace.jobs.estimate import Measurement, estimate, quantities, stage_name
from workspace.jobs.meter import ResourceMeter, cpu_seconds, held_mb, peak_mb
from workspace.jobs.progress import Progress, Stage

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
    """What a job was asked to do; kept in its row."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Stages:
    """The stages of a job: each has the share of the progress that its expected time has, and leaves a measurement."""

    def __init__(self, work: Work, run: Run, names: tuple[str, ...], begin: float = 0.0):
        self.work, self.run, self.names, self.begin = work, run, names, begin
        # A table that was made elsewhere is only judged, and that costs the same whatever made it.
        self.kind = GENERATORS.get(run.model, Bootstrap)
        self.params = self.kind.Params.model_validate(run.params)
        self.shape = work.workspace.shape(work.workspace.dataset(run.dataset_id))
        self._passes = self.kind.passes(self.params, self.shape.rows)
        expected = estimate(work.workspace.prices(), self.kind, self.params, self.shape, run.rows).stages
        self._shares = {name: max(expected[name], 0.02 * sum(expected.values()), 1e-3) for name in names}

    @contextmanager
    def stage(self, name: str, *, typical: bool = True) -> Iterator[Stage]:
        """Do the work of one stage; yields its report. What is not `typical` leaves no measurement."""
        before = sum(self._shares[earlier] for earlier in self.names[: self.names.index(name)])
        report = self.work.progress.stage(TITLES[name], self._place(before), self._place(before + self._shares[name]))
        meter = ResourceMeter()
        report(0.0)
        yield report
        self.work.progress.flush()
        polished = name == "draw" and self.params.polish
        if typical and not polished and self.work.job.attempts == 1:
            self._keep(name, meter, report.reached.get("epoch", self._passes))

    def _place(self, seconds: float) -> float:
        """Where in the job's progress this is, of the seconds the stages should take."""
        return self.begin + (1 - self.begin) * seconds / sum(self._shares.values())

    def _keep(self, name: str, meter: ResourceMeter, passed: float) -> None:
        seconds, taken, kept = meter.busy_seconds, meter.taken_mb, meter.kept_mb
        if name == "start":
            # With what the interpreter and its imports took.
            seconds, taken, kept = cpu_seconds(), peak_mb(), held_mb()
        stage = stage_name(name, self.kind, self.params)
        amounts = quantities(name, self.shape, passed, self.run.rows)
        self.work.workspace.keep_measured([Measurement(stage, amounts, seconds, taken, kept)])
