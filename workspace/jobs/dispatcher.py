"""The dispatcher: starts queued jobs while slots are free, and keeps rows and processes in step."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from workspace.catalog.outages import CatalogAway
from workspace.catalog.rows import Job, now
from workspace.jobs.kinds import secrets_of
from workspace.jobs.process import Processes, job_environment, process_of
from workspace.jobs.queue import Queue
from workspace.settings import HOST, ROOT

log = logging.getLogger(__name__)

POLL_S = 0.2
START_S = 30
"""A claimed job whose worker has not shown itself after this long never started."""
SILENT_S = 60
"""A worker on another machine that says nothing for this long is gone."""


class Dispatcher(threading.Thread):
    """Starts queued jobs while slots are free, and sees to it that no job is `running` without a process.

    It adopts what it finds: a worker that outlived its server is watched like one of its own.
    """

    def __init__(
        self,
        queue: Queue,
        chores: Sequence[Callable[[], None]] = (),
        told: Callable[[dict[str, str]], bytes] = lambda hidden: b"",
    ):
        super().__init__(name="dispatcher", daemon=True)
        self.queue = queue
        self.chores = chores
        """What else is to be looked after, by the way."""
        self.told = told
        """What a worker is told at its start, given the encrypted secrets of its job."""
        self.processes = Processes(queue.files, queue.settings)
        self._calibration: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._heard_from = now()
        """Since when this process could hear of workers on other machines."""

    def run(self) -> None:
        swept = False
        while not self._closing.is_set():
            try:
                if not swept:
                    self.queue.forget_secrets()
                    swept = True
                self.step()
            except (CatalogAway, SQLAlchemyError, OSError) as error:
                # A full disk, a database that is away: the next round finds things as they are. Meanwhile no worker
                # was heard of, and silence counts from now on.
                log.warning("Jobs could not be looked after; trying again. (%s)", type(error).__name__)
                self._heard_from = now()
            self.queue.changed.wait(POLL_S)
            self.queue.changed.clear()

    def step(self) -> None:
        self.processes.reap()
        for job in self.queue.running():
            self._watch(job)
        self.queue.give_up()
        while job := self.queue.claim():
            self.queue.attach(job.id, self.processes.start(job, self.told(secrets_of(job))))
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
                [sys.executable, "-m", "workspace.calibrate", "--here", model],
                cwd=ROOT,
                env=job_environment(self.queue.settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def _watch(self, job: Job) -> None:
        process = process_of(job)
        if job.host != HOST:
            if job.last_heard and _past(max(job.last_heard, self._heard_from), SILENT_S):
                self.queue.interrupt(job, f"Its machine, {job.host}, no longer responds.")
        elif process is None:
            if child := self.processes.child_of(job.id):
                self.queue.attach(job.id, child)
            elif job.started and _past(max(job.started, self._heard_from), START_S):
                self.queue.interrupt(job, "Its process never started.", Job.pid.is_(None))
        elif not process.alive:
            process.end_group(signal.SIGKILL)
            if job.cancel_asked:
                self.queue.end(job.id, "cancelled")
            else:
                self.queue.interrupt(job, _last_words(self.processes.code_of(process)), Job.pid == process.pid)
        elif _past(job.cancel_asked, self.queue.settings.cancel_grace_s):
            process.end_group(signal.SIGKILL)


def _past(moment: Any, seconds: float) -> bool:
    return moment is not None and now() - moment > timedelta(seconds=seconds)


def _last_words(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "Its process was killed, as the system does when memory runs out; fewer rows take less."
    return "Its process ended before the work was done."
