"""How a job says how far it is: reports of a task, written to the catalog a few times a second at most.

While the catalog is away the work goes on: what it reports is thinned, and written when the catalog is back.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from synth import Report, Stopped
from workspace.catalog.outages import CatalogAway
from workspace.catalog.rows import Event, Job, now
from workspace.jobs.queue import Queue, changed
from workspace.process import Process

log = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0
"""Seconds for which a catalog that is away is left alone, the first time and at most."""
CURVE_POINTS = 25
"""Most curve points stored at once; more in one interval are thinned evenly."""


class Progress:
    """Writes what a task reports into the catalog, a few times a second at most, and learns what was asked of it."""

    def __init__(self, queue: Queue, job: Job, process: Process):
        self.queue, self.job, self.process = queue, job, process
        self.stopping = False
        """Set when the job was cancelled: the next report raises Stopped."""
        self._enough = job.stop_early_asked
        self._begun = self._written = self._asked = time.monotonic()
        self._stage = ""
        self._waiting: list[Event] = []
        self._lost_until, self._wait_s = 0.0, FIRST_WAIT_S

    def stage(self, name: str, start: float, end: float) -> Stage:
        """The report of the stage that takes the job from `start` to `end` (0 to 1)."""
        return Stage(self, name, start, end)

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
        if time.monotonic() < self._lost_until:
            return
        last, self._waiting = self._waiting[-1], _thinned(self._waiting)
        try:
            with self.queue.catalog.session(patience_s=0) as session:
                job = self._change(
                    session,
                    progress=last.progress,
                    stage=last.stage,
                    note=last.note,
                    last_heard=now(),
                    ends=self._ends(last),
                )
                if job is not None:
                    session.add_all(self._copies())
        except CatalogAway:
            self._lose()
            return
        if last.stage != self._stage:
            log.info("%s", last.stage)
        self._waiting, self._stage, self._written = [], last.stage, time.monotonic()
        self._wait_s = FIRST_WAIT_S
        self._heed(job)

    @property
    def stop_early(self) -> bool:
        """Whether somebody asked to stop training and keep what is trained."""
        if not self._enough and time.monotonic() - self._asked > 0.5 and time.monotonic() >= self._lost_until:
            try:
                with self.queue.catalog.session(patience_s=0) as session:
                    job = self._change(session, last_heard=now())
            except CatalogAway:
                self._lose()
            else:
                self._heed(job)
        return self._enough

    def _lose(self) -> None:
        """Leave the catalog, which is away, alone for a while: the work does not wait for it."""
        self._lost_until = time.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def _copies(self) -> list[Event]:
        """What waits, as rows of a transaction that may fail."""
        columns = ("job_id", "at", "progress", "stage", "note", "curve")
        return [Event(**{name: getattr(event, name) for name in columns}) for event in self._waiting]

    def _change(self, session: Session, **values: Any) -> Job | None:
        return changed(session, self.job.id, Job.state == "running", Job.pid == self.process.pid, **values)

    def _heed(self, job: Job | None) -> None:
        self._asked = time.monotonic()
        if job is None or job.cancel_asked:
            self.stopping = True
            raise Stopped
        self._enough = job.stop_early_asked

    @property
    def _interval(self) -> float:
        """Seconds between writings. They grow with the job, so that a day's work leaves thousands of events, not more."""
        return min(max((time.monotonic() - self._begun) / 200, 0.25), 5.0)

    def _ends(self, last: Event) -> datetime | None:
        elapsed = time.monotonic() - self._begun
        if last.progress < 0.02 or elapsed < 0.5:
            return None
        return now() + timedelta(seconds=elapsed * (1 - last.progress) / last.progress)


class Stage(Report):
    """One stage's share of a job's progress."""

    def __init__(self, whole: Progress, name: str, start: float, end: float):
        self.whole, self.name, self.start, self.end = whole, name, start, end
        self.reached: dict[str, float] = {}
        """The last curve point, such as the epoch it came to."""

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        self.reached = curve or self.reached
        self.whole.say(self.name, self.start + (self.end - self.start) * done, note, curve)

    @property
    def stop_early(self) -> bool:
        return self.whole.stop_early

    @property
    def checkpoint(self) -> Path:
        return self.whole.queue.files.job(self.whole.job.id).checkpoint


def _thinned(events: list[Event]) -> list[Event]:
    if len(events) <= CURVE_POINTS:
        return events
    return [events[round(i * (len(events) - 1) / (CURVE_POINTS - 1))] for i in range(CURVE_POINTS)]
