"""The process of one job: `python -m workspace.worker JOB`, started by the dispatcher in a session of its own."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import time
import traceback
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from sqlalchemy.orm import Session

from synth import Report, Stopped
from workspace.catalog import Event, Job, Run, now
from workspace.jobs import ROOT, Process, changed
from workspace.settings import Settings
from workspace.store import size_of
from workspace.tasks import TASKS, Work
from workspace.workspace import Workspace

CURVE_POINTS = 25
"""Most curve points stored at once; more in one interval are thinned evenly."""


class Progress:
    """Writes what a task reports into the catalog, a few times a second at most, and learns what was asked of it."""

    def __init__(self, workspace: Workspace, job: Job, process: Process):
        self.workspace, self.job, self.process = workspace, job, process
        self.stopping = False
        """Set when the job was cancelled: the next report raises Stopped."""
        self._enough = job.enough_asked
        self._begun = self._written = self._asked = time.monotonic()
        self._stage = ""
        self._waiting: list[Event] = []

    def stage(self, name: str, start: float, end: float) -> Report:
        """The report of the stage that takes the job from `start` to `end` (0 to 1)."""
        return _Stage(self, name, start, end)

    def say(self, stage: str, progress: float, note: str, curve: dict[str, float]) -> None:
        """Take a report; write it and those before it when the last writing is long enough ago.

        Raises Stopped when the job was cancelled or taken away.
        """
        if self.stopping:
            raise Stopped
        if self._waiting and not self._waiting[-1].curve:
            self._waiting.pop()
        progress = min(max(progress, 0.0), 1.0)
        self._waiting.append(
            Event(job_id=self.job.id, at=now(), progress=progress, stage=stage, note=note, curve=curve)
        )
        if stage != self._stage or time.monotonic() - self._written >= self._interval:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        last, waiting = self._waiting[-1], self._waiting
        with self.workspace.catalog.session() as session:
            job = self._change(
                session, progress=last.progress, stage=last.stage, note=last.note, heard=now(), ends=self._ends(last)
            )
            if job is not None:
                session.add_all(_thinned(waiting))
        self._waiting, self._stage, self._written = [], last.stage, time.monotonic()
        self._heed(job)

    @property
    def enough(self) -> bool:
        """Whether somebody asked to stop training and keep what is trained."""
        if not self._enough and time.monotonic() - self._asked > 0.5:
            with self.workspace.catalog.session() as session:
                self._heed(self._change(session, heard=now()))
        return self._enough

    def _change(self, session: Session, **values: Any) -> Job | None:
        return changed(session, self.job.id, Job.state == "running", Job.pid == self.process.pid, **values)

    def _heed(self, job: Job | None) -> None:
        self._asked = time.monotonic()
        if job is None or job.cancel_asked:
            self.stopping = True
            raise Stopped
        self._enough = job.enough_asked

    @property
    def _interval(self) -> float:
        """Seconds between writings. They grow with the job, so that a day's work leaves thousands of events, not more."""
        return min(max((time.monotonic() - self._begun) / 200, 0.25), 5.0)

    def _ends(self, last: Event) -> datetime | None:
        elapsed = time.monotonic() - self._begun
        if last.progress < 0.02 or elapsed < 0.5:
            return None
        return now() + timedelta(seconds=elapsed * (1 - last.progress) / last.progress)


class _Stage(Report):
    """One stage's share of a job's progress."""

    def __init__(self, whole: Progress, name: str, start: float, end: float):
        self.whole, self.name, self.start, self.end = whole, name, start, end

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        self.whole.say(self.name, self.start + (self.end - self.start) * done, note, curve)

    @property
    def enough(self) -> bool:
        return self.whole.enough


def _thinned(events: list[Event]) -> list[Event]:
    if len(events) <= CURVE_POINTS:
        return events
    return [events[round(i * (len(events) - 1) / (CURVE_POINTS - 1))] for i in range(CURVE_POINTS)]


class Attempt:
    """One worker's try at a job: whatever ends the block, the job's row says so afterwards."""

    def __init__(self, workspace: Workspace, job: Job, process: Process):
        self.workspace, self.job, self.process = workspace, job, process
        self.progress = Progress(workspace, job, process)
        self.scratch = workspace.queue.scratch(job.id)
        self._publishing = False

    def __enter__(self) -> Work:
        signal.signal(signal.SIGTERM, self._stop)
        self.workspace.queue.clear_scratch(self.job.id)
        self.scratch.mkdir(parents=True)
        return Work(self.workspace, self.job, self.progress, self.scratch, self._publish)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if error is None:
            self._end("done", progress=1.0)
        elif isinstance(error, Stopped):
            self._end("cancelled")
        else:
            print("".join(traceback.format_tb(trace)) + kind.__name__, file=sys.stderr, flush=True)
            self._end("failed", in_words(error))
        return True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.progress.stopping = True
        if not self._publishing:
            raise Stopped

    def _end(self, state: str, error: str = "", **values: float) -> None:
        self.workspace.queue.end(
            self.job.id,
            state,
            error,
            Job.pid == self.process.pid,
            cpu_seconds=sum(os.times()[:4]),
            peak_mb=peak_mb(),
            **values,
        )

    def _publish(self, run: Run) -> None:
        run.cpu_seconds, run.peak_mb = sum(os.times()[:4]), peak_mb()
        run.size_bytes = size_of(self.scratch)
        self.progress.flush()
        self._publishing = True
        with self.workspace.catalog.session() as session:
            session.add(run)
            if not changed(session, self.job.id, Job.state == "running", Job.pid == self.process.pid, run_id=run.id):
                raise Stopped
            # Last before the commit: a folder without its row is cleared away at the next start.
            self.scratch.replace(self.workspace.run_folder(run.id))
        self.job.run_id = run.id
        self.scratch.mkdir()
        self._publishing = False


def in_words(error: BaseException) -> str:
    """What went wrong, for the person who started the job. Only sentences of our own; a library's text stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = Path(frames[-1].filename) if frames else Path()
    if isinstance(error, MemoryError):
        return "Memory ran out. Try again with fewer rows or a smaller model."
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full. Free some space and try again; nothing half-written was kept."
    ours = where.is_relative_to(ROOT) and not where.is_relative_to(sys.prefix)
    if ours and isinstance(error, ValueError | LookupError) and not isinstance(error, KeyError | IndexError):
        return str(error)
    return f"An unexpected problem ({type(error).__name__} in {where.stem}). The job's log shows where."


def peak_mb() -> float:
    """The most memory this process ever held, in megabytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage: its maximum survives exec, and would be the server's that started this process.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(job_id: str) -> None:
    process = Process.current()
    workspace = Workspace(Settings())
    job = workspace.queue.attach(job_id, process)
    if job is None or job.cancel_asked:
        return
    with Attempt(workspace, job, process) as work:
        TASKS[job.kind](work)


if __name__ == "__main__":
    main(sys.argv[1])
