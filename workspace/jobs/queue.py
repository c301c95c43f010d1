"""The queue: job states, the processes behind them, and the dispatcher that keeps the two in step.

The row is the truth. Every change of state is one guarded UPDATE, so of two servers on one workspace, or of a
worker that finishes while somebody cancels it, exactly one wins.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import psutil
from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, aliased

from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import ENDED, UNFINISHED, Dependency, Event, Job, NotFound, Row, Run, new_id, now
from workspace.settings import HOST, ROOT, Settings

log = logging.getLogger(__name__)

POLL_S = 0.2
THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
START_S = 30
"""A claimed job whose worker has not shown itself after this long never started."""
SILENT_S = 60
"""A worker on another machine that says nothing for this long is gone."""


@dataclass(frozen=True)
class Process:
    """A process of this machine, told from later ones of the same id by when it was born."""

    pid: int
    born: float

    @classmethod
    def current(cls) -> Self:
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Self:
        return cls(pid, psutil.Process(pid).create_time())

    @property
    def alive(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            process = self._found()
            return process is not None and process.status() != psutil.STATUS_ZOMBIE
        return False

    def end_group(self, sign: signal.Signals) -> None:
        """Signal this process and all it started, or what is left of them when it is gone itself."""
        if psutil.pid_exists(self.pid) and self._found() is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, sign)

    def _found(self) -> psutil.Process | None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            # Two seconds of tolerance: Linux derives the time of birth from a clock that may be set meanwhile.
            if abs(process.create_time() - self.born) < 2:
                return process
        return None


def job_environment(settings: Settings) -> dict[str, str]:
    """The variables a job's process starts with: the settings, and its share of the threads."""
    return {
        **os.environ,
        **settings.environment(),
        **dict.fromkeys(THREAD_LIMITS, str(settings.threads_per_job)),
        # Waiting threads sleep: spinning ones slow two trainings on two cores eightfold.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
    }


class Processes:
    """Runs jobs as worker processes of this machine."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, job: Job) -> Process:
        """Start the worker of a claimed job: its own session, its share of the threads, its output in its log.

        A clean interpreter, because multiprocessing's spawn would import `__main__` again, which is the server.
        """
        folder = self.settings.workspace / "jobs" / job.id
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("ab") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "workspace.tasks.worker", job.id],
                cwd=ROOT,
                env=job_environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[worker.pid] = worker
        return Process.of(worker.pid)

    def reap(self) -> dict[int, int]:
        """Collect workers that ended, and end what they started and left; their exit codes by process id."""
        codes = {pid: child.poll() for pid, child in self._children.items()}
        ended = {pid: code for pid, code in codes.items() if code is not None}
        for pid in ended:
            del self._children[pid]
            Process(pid, born=0.0).end_group(signal.SIGKILL)
        return ended


class Queue:
    """Jobs in the catalog, and the only ways from one state to the next."""

    def __init__(self, catalog: Catalog, settings: Settings):
        self.catalog = catalog
        self.settings = settings
        self.changed = threading.Event()
        """Set when there may be something for a dispatcher of this process to do at once."""
        self.to_measure: dict[str, bool] = {}
        """Generators whose price on this machine somebody asked for, and whether it was measured already."""

    def measure(self, model: str) -> None:
        """Have a dispatcher of this process measure a generator, once."""
        if self.settings.calibrate:
            self.to_measure.setdefault(model, False)

    def submit(
        self,
        kind: str,
        arguments: dict[str, Any],
        *,
        owner: str,
        dataset_id: str | None = None,
        run_id: str | None = None,
    ) -> Job:
        job = Job(
            id=new_id(),
            kind=kind,
            arguments=arguments,
            owner=owner,
            dataset_id=dataset_id,
            run_id=run_id,
            state="queued",
            created=now(),
        )
        held = _HELD.get()
        if held is None:
            self._add([job])
        else:
            held.append(job)
        return job

    @contextmanager
    def together(self) -> Iterator[list[Row]]:
        """Jobs submitted within the block come into the list, and into the queue at its end: all of it, or nothing."""
        rows: list[Row] = []
        token = _HELD.set(rows)
        try:
            yield rows
        finally:
            _HELD.reset(token)
        self._add(rows)

    def _add(self, rows: Sequence[Row]) -> None:
        try:
            with self.catalog.session() as session:
                session.add_all(row for row in rows if isinstance(row, Job))
                session.flush()  # jobs first: dependencies refer to them
                session.add_all(rows)
        except IntegrityError as error:
            raise NotFound("The table was deleted while this was asked for.") from error
        self.changed.set()

    def claim(self) -> Job | None:
        """Take the job that has waited longest, if a slot of this machine is free. Two servers never get the same.

        A job that depends on another is passed over until that one has ended.
        """
        taken = select(func.count()).where(Job.state == "running", Job.host == HOST).scalar_subquery()
        ready = (Job.state == "queued", ~_depends(_OTHER.state.in_(UNFINISHED)))
        oldest = select(Job.id).where(*ready).order_by(Job.created, Job.id).limit(1).scalar_subquery()
        with self.catalog.session() as session:
            if session.get_bind().dialect.name == "postgresql":
                # SQLite has one writer at a time; here two servers could count the same free slot.
                session.execute(text("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE"))
            return session.scalar(
                update(Job)
                .where(Job.id == oldest, Job.state == "queued", taken < self.settings.slots)
                .values(
                    state="running",
                    host=HOST,
                    pid=None,
                    born=None,
                    started=now(),
                    heard=now(),
                    attempts=Job.attempts + 1,
                )
                .returning(Job)
            )

    def give_up(self) -> None:
        """End the queued jobs whose dependencies did not end well: they can never start."""
        failed = Dependency.well & or_(_OTHER.id.is_(None), _OTHER.state.in_(ENDED) & (_OTHER.state != "done"))
        with self.catalog.session() as session:
            session.execute(
                update(Job)
                .where(Job.state == "queued", _depends(failed))
                .values(state="cancelled", finished=now(), error="An operation that it depends on did not end well.")
                .execution_options(synchronize_session=False)
            )

    def running(self) -> Sequence[Job]:
        with self.catalog.session() as session:
            return session.scalars(select(Job).where(Job.state == "running")).all()

    def attach(self, job_id: str, process: Process) -> Job | None:
        """Say which process works on a claimed job; None when the job is not to be worked on any more."""
        return self.change(
            job_id,
            Job.state == "running",
            Job.host == HOST,
            or_(Job.pid.is_(None), Job.pid == process.pid),
            pid=process.pid,
            born=process.born,
        )

    def change(self, job_id: str, *conditions: ColumnElement[bool], **values: Any) -> Job | None:
        """Change a job if it meets the conditions; the job as it is then, or None when it did not meet them."""
        with self.catalog.session() as session:
            return changed(session, job_id, *conditions, **values)

    def end(
        self, job_id: str, state: str, error: str = "", *conditions: ColumnElement[bool], **values: Any
    ) -> Job | None:
        """Put a running job into a final state, note on its run what that means for it, and clear its scratch."""
        with self.catalog.session() as session:
            job = changed(
                session,
                job_id,
                Job.state == "running",
                *conditions,
                state=state,
                error=error,
                finished=now(),
                ends=None,
                **values,
            )
            if job is not None:
                session.add(Event(job_id=job.id, progress=job.progress, stage=job.stage, note=error))
                if job.run_id and state != "done":
                    why = error or {"cancelled": "It was cancelled.", "interrupted": "It was interrupted."}[state]
                    session.execute(update(Run).where(Run.id == job.run_id).values(note=f"{job.stage} ended: {why}"))
        if job is not None:
            self.clear_scratch(job.id)
            if state in ("done", "cancelled"):
                shutil.rmtree(self.checkpoint(job.id), ignore_errors=True)
        return job

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end. A queued one ends here and now, a running one is signalled and has its grace period."""
        job = self.change(job_id, Job.state == "queued", state="cancelled", finished=now())
        if job is None:
            job = self.change(
                job_id, Job.state == "running", cancel_asked=func.coalesce(Job.cancel_asked, now())
            ) or self.catalog.get(Job, job_id)
            if job.state == "running" and (process := process_of(job)):
                process.end_group(signal.SIGTERM)
        self.changed.set()
        return job

    def retry(self, job_id: str) -> Job:
        """Put a job that failed, was cancelled or interrupted back into the queue.

        Raises ValueError when it is queued, running or done.
        """
        with self.catalog.session() as session:
            job = changed(
                session,
                job_id,
                Job.state.in_(("failed", "cancelled", "interrupted")),
                state="queued",
                error="",
                progress=0.0,
                stage="",
                note="",
                started=None,
                finished=None,
                ends=None,
                cancel_asked=None,
                enough_asked=False,
                pid=None,
                born=None,
            )
        if job is None:
            raise ValueError(
                f"Job {job_id} is {self.catalog.get(Job, job_id).state}; only a job that failed, was "
                "cancelled or interrupted can be tried again."
            )
        self.changed.set()
        return job

    def folder(self, job_id: str) -> Path:
        return self.settings.workspace / "jobs" / job_id

    def scratch(self, job_id: str) -> Path:
        """Where a job writes what is not complete yet."""
        return self.folder(job_id) / "work"

    def checkpoint(self, job_id: str) -> Path:
        """Where a job keeps what a second attempt can go on from."""
        return self.folder(job_id) / "checkpoint"

    def clear_scratch(self, job_id: str) -> None:
        shutil.rmtree(self.scratch(job_id), ignore_errors=True)


_HELD: ContextVar[list[Row] | None] = ContextVar("held", default=None)
_OTHER = aliased(Job)


def _depends(on: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a job depends on another of which this holds."""
    query = select(Dependency.job_id).outerjoin(_OTHER, _OTHER.id == Dependency.needs)
    return query.where(Dependency.job_id == Job.id, on).correlate(Job).exists()


def changed(session: Session, job_id: str, *conditions: ColumnElement[bool], **values: Any) -> Job | None:
    return session.scalar(update(Job).where(Job.id == job_id, *conditions).values(**values).returning(Job))


def process_of(job: Job) -> Process | None:
    """The process that works on a job, if it is one of this machine."""
    return Process(job.pid, job.born) if job.pid and job.born and job.host == HOST else None


class Dispatcher(threading.Thread):
    """Starts queued jobs while slots are free, and sees to it that no job is `running` without a process.

    It adopts what it finds: a worker that outlived its server is watched like one of its own.
    """

    def __init__(self, queue: Queue, chores: Sequence[Callable[[], None]] = ()):
        super().__init__(name="dispatcher", daemon=True)
        self.queue = queue
        self.chores = chores
        """What else is to be looked after, by the way."""
        self.processes = Processes(queue.settings)
        self._calibration: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    def run(self) -> None:
        while not self._closing.is_set():
            try:
                self.step()
            except (OperationalError, OSError) as error:
                # A full disk, a database that is away, no process to be had: the next round finds things as they are.
                log.warning("Jobs could not be looked after; trying again. (%s)", type(error).__name__)
            self.queue.changed.wait(POLL_S)
            self.queue.changed.clear()

    def step(self) -> None:
        codes = self.processes.reap()
        for job in self.queue.running():
            self._watch(job, codes)
        self.queue.give_up()
        while job := self.queue.claim():
            self.queue.attach(job.id, self.processes.start(job))
        self._calibrate()
        for chore in self.chores:
            chore()

    def close(self) -> None:
        """Stop dispatching. Workers go on; the next dispatcher adopts them."""
        self._closing.set()
        self.queue.changed.set()
        if self.is_alive():
            self.join()
        if self._calibration is not None:
            self._calibration.kill()
            self._calibration.wait()

    def _calibrate(self) -> None:
        """Measure one generator at a time, behind everything else this machine does."""
        if self._calibration is not None and self._calibration.poll() is None:
            return
        model = next((model for model, measured in self.queue.to_measure.items() if not measured), None)
        if model is not None:
            self.queue.to_measure[model] = True
            self._calibration = subprocess.Popen(
                [sys.executable, "-m", "workspace.tasks.calibrate", "--here", model],
                cwd=ROOT,
                env=job_environment(self.queue.settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def _watch(self, job: Job, codes: dict[int, int]) -> None:
        process = process_of(job)
        if job.host != HOST:
            if _past(job.heard, SILENT_S):
                self.queue.end(job.id, "interrupted", f"Nothing was heard from its machine, {job.host}. Try again.")
        elif process is None:
            if _past(job.started, START_S):
                self.queue.end(job.id, "interrupted", "Its process never started. Try again.", Job.pid.is_(None))
        elif not process.alive:
            process.end_group(signal.SIGKILL)
            if job.cancel_asked:
                self.queue.end(job.id, "cancelled")
            else:
                self.queue.end(job.id, "interrupted", _last_words(codes.get(process.pid)))
        elif _past(job.cancel_asked, self.queue.settings.cancel_grace_s):
            process.end_group(signal.SIGKILL)


def _past(moment: Any, seconds: float) -> bool:
    return moment is not None and now() - moment > timedelta(seconds=seconds)


def _last_words(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "Its process was killed, as the system does when memory runs out. Try again, perhaps with fewer rows."
    return "Its process ended before the work was done. Try again."
