"""The queue: the states of jobs, and the only ways from one to the next.

The row is the truth. Every change of state is one guarded UPDATE, so of two servers on one workspace, or of a
worker that finishes while somebody cancels it, exactly one wins.
"""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from synth.errors import Invalid
from workspace.arguments import Arguments
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import ENDED, UNFINISHED, Dependency, Event, Job, NotFound, Row, Run, new_id, now
from workspace.jobs.kinds import secrets_of, with_secrets
from workspace.jobs.process import process_of
from workspace.jobs.retries import wait_s
from workspace.process import Process
from workspace.settings import HOST, Settings
from workspace.storage.files import Files


@dataclass(frozen=True)
class Draft:
    """A job that is not in the queue yet."""

    arguments: Arguments
    owner: str
    dataset_id: str | None = None
    run_id: str | None = None
    rows: tuple[Row, ...] = ()
    """What comes into the catalog together with the job, such as the conversation set it is to write."""
    id: str = field(default_factory=new_id)
    """The id that the job will have."""

    def job(self, **more: Any) -> Job:
        """The row of the job; `more` are further columns of it."""
        return Job(
            id=self.id,
            kind=self.arguments.kind,
            arguments=self.arguments.model_dump(mode="json", by_alias=True, exclude={"kind"}),
            owner=self.owner,
            dataset_id=self.dataset_id,
            run_id=self.run_id,
            **{"state": "queued", "created": now()} | more,
        )


class Queue:
    """Jobs in the catalog, and the only ways from one state to the next."""

    def __init__(self, catalog: Catalog, files: Files, settings: Settings):
        self.catalog, self.files, self.settings = catalog, files, settings
        self.changed = threading.Event()
        """Set when there may be something for a dispatcher of this process to do at once."""
        self.to_measure: dict[str, bool] = {}
        """Generators whose price on this machine somebody asked for, and whether it was measured already."""

    def measure(self, model: str) -> None:
        """Have a dispatcher of this process measure a generator, once."""
        if self.settings.calibrate:
            self.to_measure.setdefault(model, False)

    def submit(self, draft: Draft) -> Job:
        """Put a job into the queue, and what belongs to it into the catalog. Raises NotFound when its table is gone."""
        job = draft.job()
        self.add([job, *draft.rows])
        return job

    def add(self, rows: Sequence[Row]) -> None:
        """Put jobs and what belongs to them into the catalog: all of it, or nothing. Raises NotFound."""
        try:
            with self.catalog.session() as session:
                session.add_all(row for row in rows if isinstance(row, Job))
                session.flush()  # jobs first: dependencies refer to them
                session.add_all(rows)
        except IntegrityError as error:
            raise NotFound("The dataset was deleted in the meantime.") from error
        self.changed.set()

    def claim(self) -> Job | None:
        """Take the job that has waited longest, if a slot of this machine is free. Two servers never get the same.

        A job that depends on another is passed over until that one has ended, and for good if it had to end well.
        """
        taken = select(func.count()).where(Job.state == "running", Job.host == HOST).scalar_subquery()
        due = or_(Job.not_before.is_(None), Job.not_before <= now())
        ready = (Job.state == "queued", due, ~_depends(_OTHER.state.in_(UNFINISHED) | _IN_VAIN))
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
                    process_started=None,
                    started=now(),
                    last_heard=now(),
                    not_before=None,
                    error="",
                    attempts=Job.attempts + 1,
                )
                .returning(Job)
            )

    def give_up(self) -> None:
        """End the queued jobs whose dependencies did not end well: they can never start."""
        why = "An operation that it depends on did not finish."
        with self.catalog.session() as session:
            vain = session.scalars(select(Job.id).where(Job.state == "queued", _depends(_IN_VAIN))).all()
            ended = [
                changed(session, id, Job.state == "queued", state="cancelled", finished=now(), error=why) for id in vain
            ]
        for job in filter(None, ended):
            self._forget_bytes(job)

    def forget_secrets(self) -> None:
        """Take the secrets out of jobs that have ended: those of before, which kept them."""
        with self.catalog.session() as session:
            ended = session.scalars(select(Job).where(Job.state.in_(ENDED), Job.kind.in_(with_secrets()))).all()
            forgot = [job.id for job in ended if forget_secrets(job)]
        if forgot:
            self.catalog.forget_deleted()

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
            process_started=process.born,
        )

    def change(self, job_id: str, *conditions: ColumnElement[bool], **values: Any) -> Job | None:
        """Change a job if it meets the conditions; the job as it is then, or None when it did not meet them."""
        return self.catalog.lasting(lambda session: changed(session, job_id, *conditions, **values))

    def end(
        self, job_id: str, state: str, error: str = "", *conditions: ColumnElement[bool], **values: Any
    ) -> Job | None:
        """Put a running job into a final state, note on its run what that means for it, and clear its scratch."""

        def write(session: Session) -> Job | None:
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
            return job

        job = self.catalog.lasting(write)
        if job is not None:
            self.clear_scratch(job.id)
            run = self.files.run(job.run_id or "")
            if state == "cancelled" and job.run_id and job.kind != "self_test" and run.folder.is_dir():
                run.stopped("evaluation").touch()
            if state in ("done", "cancelled"):
                shutil.rmtree(self.files.job(job.id).checkpoint, ignore_errors=True)
            self._forget_bytes(job)
        return job

    def cancel(self, job_id: str) -> Job:
        """Ask a job to end. A queued one ends here and now, a running one is signalled and has its grace period."""
        job = self.change(job_id, Job.state == "queued", state="cancelled", not_before=None, finished=now())
        if job is not None:
            self._forget_bytes(job)
        else:
            job = self.change(
                job_id, Job.state == "running", cancel_asked=func.coalesce(Job.cancel_asked, now())
            ) or self.catalog.get(Job, job_id)
            if job.state == "running" and (process := process_of(job)):
                process.end_group(signal.SIGTERM)
        self.changed.set()
        return job

    def interrupt(self, job: Job, why: str, *conditions: ColumnElement[bool]) -> Job | None:
        """Have a job whose work was broken off from outside wait for its next try, or set it aside after the last."""
        pause_s = wait_s(job.attempts, self.settings.retry_s)
        # Of one who cancels meanwhile, and of another server that saw it too, exactly one wins.
        conditions = (Job.attempts == job.attempts, Job.cancel_asked.is_(None), *conditions)
        if pause_s is None:
            tried = f" It was tried {job.attempts} times." if job.attempts > 1 else ""
            return self.end(job.id, "interrupted", f"{why}{tried} See its log, and try again.", *conditions)
        again = {"pid": None, "process_started": None, "started": None, "ends": None, "progress": 0.0}
        again |= {"state": "queued", "error": why, "not_before": now() + timedelta(seconds=pause_s)}
        found = self.change(job.id, Job.state == "running", *conditions, **again)
        if found is not None:
            self.clear_scratch(job.id)
        return found

    def retry(self, job_id: str, arguments: dict[str, Any] | None = None) -> Job:
        """Put a job that failed, was cancelled or interrupted back into the queue, with other `arguments` if given.

        Raises Invalid when it is queued, running or done.
        """
        with self.catalog.session() as session:
            job = changed(
                session,
                job_id,
                or_(Job.state.in_(("failed", "cancelled", "interrupted")), Job.not_before.is_not(None)),
                Job.state != "running",
                state="queued",
                attempts=0,
                not_before=None,
                error="",
                progress=0.0,
                stage="",
                note="",
                started=None,
                finished=None,
                ends=None,
                cancel_asked=None,
                stop_early_asked=False,
                pid=None,
                process_started=None,
                **({} if arguments is None else {"arguments": arguments}),
            )
        if job is None:
            raise Invalid(
                f"Job {job_id} is {self.catalog.get(Job, job_id).state}; only a job that failed, was "
                "cancelled or interrupted can be tried again."
            )
        self.changed.set()
        return job

    def _forget_bytes(self, job: Job) -> None:
        """Overwrite what an ended job's secrets left in the catalog's log of changes."""
        if job.kind in with_secrets():
            self.catalog.forget_deleted()

    def clear_scratch(self, job_id: str) -> None:
        files = self.files.job(job_id)
        for folder in (files.scratch, files.temporary):
            shutil.rmtree(folder, ignore_errors=True)


_OTHER = aliased(Job)
_IN_VAIN = Dependency.must_succeed & or_(_OTHER.id.is_(None), _OTHER.state.in_(ENDED) & (_OTHER.state != "done"))
"""Of a dependency: what must have ended well did not, or is gone."""


def _depends(on: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a job depends on another of which this holds."""
    query = select(Dependency.job_id).outerjoin(_OTHER, _OTHER.id == Dependency.needs)
    return query.where(Dependency.job_id == Job.id, on).correlate(Job).exists()


def changed(session: Session, job_id: str, *conditions: ColumnElement[bool], **values: Any) -> Job | None:
    """The job after a change, or None when it did not meet the conditions. One that has ended keeps no secret."""
    job = session.scalar(update(Job).where(Job.id == job_id, *conditions).values(**values).returning(Job))
    if job is not None and job.ended:
        forget_secrets(job)
    return job


def forget_secrets(job: Job) -> bool:
    """Take the secrets out of a job's arguments; whether there were any."""
    secrets = [name for name in secrets_of(job) if name in job.arguments]
    if secrets:
        job.arguments = {name: value for name, value in job.arguments.items() if name not in secrets}
    return bool(secrets)
