"""A job in the hands of its worker, and the stages it goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import synth
from synth.errors import Invalid
from workspace.access.handover import Handover
from workspace.catalog.rows import Dataset, Job, Run
from workspace.jobs.estimate import Measurement, quantities, stage_name
from workspace.jobs.kinds import KINDS
from workspace.jobs.meter import ResourceMeter, cpu_seconds, held_mb, peak_mb
from workspace.jobs.progress import Progress, Stage
from workspace.storage.files import RunFiles
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from synth import Model

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
    told: Handover
    """What the server told this worker alone: the job's secrets."""
    resumed: bool = False
    """Whether an earlier attempt left a checkpoint, from which this one goes on."""

    @property
    def dataset(self) -> Dataset:
        """The dataset that the job works on. Raises NotFound."""
        return self.workspace.datasets.get(self.job.dataset_id or "")

    @property
    def run(self) -> Run:
        """The run that the job made or works on. Raises NotFound."""
        return self.workspace.runs.get(self.job.run_id or "")

    def made_by(self, job_id: str | None) -> Run:
        """The run that another job made. Raises NotFound."""
        return self.workspace.runs.get(self.workspace.jobs.get(job_id or "").run_id or "")

    @property
    def files(self) -> RunFiles:
        """The scratch folder as that of the run in the making."""
        return RunFiles(self.folder)


class Stages:
    """The stages of a job: each has the share of the progress that its expected time has, and leaves a measurement."""

    def __init__(
        self,
        work: Work,
        run: Run,
        expected: Mapping[str, float],
        *,
        names: tuple[str, ...] | None = None,
        begin: float = 0.0,
    ):
        """The stages of the job's kind, or those `names` of them that are left to do, from `begin` (0 to 1) on."""
        names = KINDS[work.job.kind].stages if names is None else names
        self.work, self.run, self.names, self.begin = work, run, names, begin
        # What was ordered before its time was known, as a drawing from a run that was not made yet, counts each stage alike.
        seconds = {name: expected.get(name, 1.0) for name in names}
        self._shares = {name: max(seconds[name], 0.02 * sum(seconds.values()), 1e-3) for name in names}

    @property
    def generator(self) -> type[Model]:
        """The run's generator. Raises Invalid when it is not installed any more."""
        kind = synth.GENERATORS.get(self.run.model)
        if kind is None:
            raise Invalid(
                f"The generator {self.run.model!r} is no longer installed. Install its plugin again, or train another."
            )
        return kind

    @contextmanager
    def stage(self, name: str, *, typical: bool = True) -> Iterator[Stage]:
        """Do the work of one stage; yields its report. What is not `typical` leaves no measurement."""
        before = sum(self._shares[earlier] for earlier in self.names[: self.names.index(name)])
        report = self.work.progress.stage(TITLES[name], self._place(before), self._place(before + self._shares[name]))
        meter = ResourceMeter()
        report(0.0)
        yield report
        self.work.progress.flush()
        if typical and self.work.job.attempts == 1 and not self.work.resumed:
            self._keep(name, meter, report.reached)

    def _place(self, seconds: float) -> float:
        """Where in the job's progress this is, of the seconds the stages should take."""
        return self.begin + (1 - self.begin) * seconds / sum(self._shares.values())

    def _keep(self, name: str, meter: ResourceMeter, reached: dict[str, float]) -> None:
        seconds, taken, kept = meter.busy_seconds, meter.taken_mb, meter.kept_mb
        if name == "start":
            # With what the interpreter and its imports took.
            seconds, taken, kept = cpu_seconds(), peak_mb(), held_mb()
        # Scoring takes no generator: the table was made outside Understudy, or its plugin is gone.
        kind = self.generator if name in ("fit", "draw") else None
        params = kind.Params.model_validate(self.run.params, extra="ignore") if kind is not None else None
        if name == "draw" and params is not None and params.polish:
            return
        shape = self.work.workspace.datasets.shape(self.run.dataset_id)
        passes = (
            reached.get("epoch", kind.passes(params, shape.rows)) if kind is not None and params is not None else 1.0
        )
        amounts = quantities(name, shape, passes, self.run.rows)
        measured = Measurement(stage_name(name, kind, params), amounts, seconds, taken, kept)
        self.work.workspace.measurements.keep([measured])
