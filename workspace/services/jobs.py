"""Jobs: listed, followed, cancelled, tried again, deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, tuple_

from synth.errors import Invalid, given_by_the_asker
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import UNFINISHED, Event, Job
from workspace.jobs.kinds import KINDS
from workspace.jobs.process import end_at_once
from workspace.jobs.queue import Draft, Queue
from workspace.settings import LOCAL, Settings
from workspace.storage.files import Files


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, catalog: Catalog, files: Files, queue: Queue, settings: Settings):
        self.catalog, self.files, self.queue, self.settings = catalog, files, queue, settings

    def submit(
        self,
        kind: str,
        arguments: dict[str, Any],
        *,
        dataset_id: str | None = None,
        run_id: str | None = None,
        owner: str = LOCAL,
    ) -> Job:
        """Queue a job of a kind that is offered to all, such as a plugin's.

        Raises Invalid, in words, when there is no such kind, or its arguments do not fit.
        """
        offered = [name for name, known in KINDS.items() if known.offered]
        if kind not in offered:
            raise Invalid(
                f"There is no kind of job {kind!r} to start this way. There are {', '.join(offered) or 'none'}."
            )
        with given_by_the_asker():
            asked = KINDS[kind].arguments.model_validate(arguments | {"kind": kind}, extra="forbid")
        return self.queue.submit(Draft(asked, owner, dataset_id, run_id))

    def find(
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
            last = self.get(after)
            query = query.where(tuple_(Job.created, Job.id) < (last.created, last.id))
        with self.catalog.session() as session:
            return session.scalars(query).all()

    def get(self, job_id: str) -> Job:
        """One job. Raises NotFound."""
        return self.catalog.get(Job, job_id)

    def unfinished(self, owner: str) -> int:
        """How many of somebody's jobs wait or run."""
        query = select(func.count()).where(Job.owner == owner, Job.state.in_(UNFINISHED))
        with self.catalog.session() as session:
            return session.scalar(query) or 0

    def unfinished_by_state(self) -> dict[str, int]:
        """How many jobs of all wait, and how many run."""
        query = select(Job.state, func.count()).where(Job.state.in_(UNFINISHED)).group_by(Job.state)
        counts = dict.fromkeys(map(str, UNFINISHED), 0)
        with self.catalog.session() as session:
            for state, jobs in session.execute(query):
                counts[state] = jobs
        return counts

    def events(self, job_id: str, after: int = 0) -> Sequence[Event]:
        """What a job reported, oldest first; `after` is the `seq` of the last one already seen."""
        self.get(job_id)
        with self.catalog.session() as session:
            return session.scalars(
                select(Event).where(Event.job_id == job_id, Event.seq > after).order_by(Event.seq)
            ).all()

    def log_tail(self, job_id: str, lines: int = 50) -> str:
        """The last lines a job wrote; empty before it started."""
        file = self.files.job(self.get(job_id).id).log
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
        job = self.queue.change(job_id, Job.state == "running", stop_early_asked=True)
        return job or self.get(job_id)

    def retry(self, job_id: str) -> Job:
        """Queue a job that failed, was cancelled or interrupted once more; for one that writes conversations see there."""
        return self.queue.retry(job_id)

    def delete(self, job_id: str) -> None:
        """Delete a job, its events and its log; end it first if it runs. Its run stays."""
        job = self.get(job_id)
        with self.catalog.session() as session:
            session.execute(delete(Job).where(Job.id == job_id))
        end_at_once([job], self.settings.cancel_grace_s)
        self.files.remove(self.files.job(job_id).folder)
        self.catalog.forget_deleted()

    def wait(self, job_id: str, timeout_s: float = 600) -> Job:
        """Wait until a job has ended. Raises TimeoutError."""
        end = time.monotonic() + timeout_s
        while not (job := self.get(job_id)).ended:
            if time.monotonic() > end:
                raise TimeoutError(f"Job {job_id} is still {job.state} after {timeout_s:g} seconds.")
            time.sleep(0.05)
        return job
