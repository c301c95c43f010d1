"""Batches: operations ordered together, side by side or one after another, some of them waiting for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import select

from synth.errors import Invalid, InWords
from workspace.arguments import Arguments
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import Batch, Dependency, Job, new_id, now
from workspace.jobs.queue import Draft, Queue


@dataclass(frozen=True)
class Operation:
    """One operation of a batch."""

    name: str
    kind: str
    draft: Callable[[Draft | None], Draft]
    """Drafts its job; is given the draft of the operation it is `of`. Raises InWords."""
    after: Sequence[str] = ()
    """Operations that must succeed before it starts."""
    of: str | None = None
    """The operation whose run it works on; it starts after that one."""


class Batches:
    """The batches of a workspace. A batch is no more than its jobs: the queue keeps them in order."""

    def __init__(self, catalog: Catalog, queue: Queue):
        self.catalog, self.queue = catalog, queue

    def add(self, operations: Sequence[Operation], owner: str, *, in_order: bool = False) -> Batch:
        """Queue the jobs of all operations, all at once. One that cannot be started is a failed job beside the others.

        With `in_order`, each starts when the one before has ended, whether it succeeded or not. Raises Invalid when names are
        given twice, are unknown, or depend on themselves; then nothing is queued.
        """
        order = _in_order(operations)
        batch = Batch(id=new_id(), owner=owner, created=now(), operations={})
        drafts: dict[str, Draft] = {}
        jobs: dict[str, Job] = {}
        for one in order:
            try:
                drafts[one.name] = one.draft(drafts[one.of] if one.of else None)
                jobs[one.name] = drafts[one.name].job(batch_id=batch.id)
            except InWords as error:
                drafts[one.name] = Draft(Arguments(kind=one.kind), owner)
                failed = {"state": "failed", "error": str(error), "finished": now()}
                jobs[one.name] = drafts[one.name].job(batch_id=batch.id, **failed)
        batch.operations = {one.name: jobs[one.name].id for one in operations}
        needed = {(one.name, needs): True for one in operations for needs in _needs(one)}
        if in_order:
            for earlier, later in pairwise(operations):
                needed.setdefault((later.name, earlier.name), False)
        waits = [
            Dependency(job_id=jobs[name].id, needs=jobs[needs].id, must_succeed=must_succeed)
            for (name, needs), must_succeed in needed.items()
        ]
        beside = [row for draft in drafts.values() for row in draft.rows]
        self.queue.add([*jobs.values(), *beside, *waits, batch])
        return batch

    def find(self, owner: str | None = None) -> Sequence[Batch]:
        """All batches, newest first."""
        return self.catalog.listed(Batch, owner=owner)

    def get(self, batch_id: str) -> Batch:
        """One batch. Raises NotFound."""
        return self.catalog.get(Batch, batch_id)

    def jobs_of(self, *batches: Batch) -> dict[str, Job]:
        """The jobs of batches, by id; those that were deleted since are absent."""
        ids = [batch.id for batch in batches]
        with self.catalog.session() as session:
            return {job.id: job for job in session.scalars(select(Job).where(Job.batch_id.in_(ids)))}

    def cancel(self, batch_id: str) -> None:
        """Cancel what has not ended, the last operation first, so that none starts meanwhile."""
        jobs = self.jobs_of(self.get(batch_id))
        for job_id in reversed([id for id, job in jobs.items() if not job.ended]):
            self.queue.cancel(job_id)


def _needs(operation: Operation) -> set[str]:
    return {*operation.after, *([operation.of] if operation.of else [])}


def _in_order(operations: Sequence[Operation]) -> list[Operation]:
    """The operations, each after those it needs. Raises Invalid."""
    names = [one.name for one in operations]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Invalid(f"Two operations are called {', '.join(twice)}. Name each differently.")
    for one in operations:
        if unknown := sorted(_needs(one) - set(names)):
            raise Invalid(f"Operation {one.name!r} waits for {', '.join(unknown)}, which is not in this batch.")
    ordered: list[Operation] = []
    while len(ordered) < len(operations):
        done = {one.name for one in ordered}
        ready = [one for one in operations if one.name not in done and _needs(one) <= done]
        if not ready:
            raise Invalid(f"Operations wait for one another in a circle: {', '.join(sorted(set(names) - done))}.")
        ordered += ready
    return ordered
