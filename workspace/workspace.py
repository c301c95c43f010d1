"""The workspace: a folder of tables, models and runs, its catalog, its queue, and the services on them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self

from workspace.access.idempotency import IdempotencyStore
from workspace.access.keys import Access
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import ConversationSet, Dataset, Event, Job, NotFound, Run
from workspace.ingest.process import Readers
from workspace.jobs.dispatcher import Dispatcher
from workspace.jobs.queue import Queue
from workspace.plugins import load_plugins
from workspace.services.batches import Batches
from workspace.services.bin import Bin
from workspace.settings import Settings
from workspace.storage.files import ORPHAN_S, Files
from workspace.telemetry.journal import Journal

# A worker needs few services, and they bring pandas, DuckDB and the metrics: each is imported when it is asked for.
if TYPE_CHECKING:
    from workspace.services.bugs import Bugs
    from workspace.services.conversations import Conversations
    from workspace.services.datasets import Datasets
    from workspace.services.jobs import Jobs
    from workspace.services.measurements import Measurements
    from workspace.services.releases import Releases
    from workspace.services.reports import Reports
    from workspace.services.runs import Runs
    from workspace.services.sessions import Sessions
    from workspace.services.thresholds import Thresholds
    from workspace.services.training import Training

__all__ = ["ConversationSet", "Dataset", "Event", "Job", "NotFound", "Run", "Workspace"]


class Workspace:
    """Everything a person can do here, which the pages and the API both call: `workspace.datasets.add(...)`.

    Any number of processes may open one workspace. Those that called `start` run its jobs.
    """

    def __init__(self, settings: Settings | None = None, *, patience_s: float = 0.0):
        self.settings = settings or Settings()
        self.folder = self.settings.workspace
        self.files = Files(self.folder)
        load_plugins(self.settings.plugins)
        self.readers = Readers(self.files, self.settings)
        self.catalog = Catalog(self.settings.catalog_url, self.folder, patience_s, self.files.set_strays_aside)
        self.queue = Queue(self.catalog, self.files, self.settings)
        self.journal = Journal(self.settings)
        self.access = Access(self.catalog, self.settings)
        self.idempotency = IdempotencyStore(self.catalog, self.settings)
        self.batches = Batches(self.catalog, self.queue)
        self.bin = Bin(self.catalog, self.files, self.queue, self.settings)
        self._dispatcher: Dispatcher | None = None

    def start(self) -> Self:
        """Run this workspace's jobs from this process; clears away first what a crash left behind."""
        if self._dispatcher is None:
            self.clean_up()
            self._dispatcher = Dispatcher(self.queue, [self.sessions.expire, self.bin.expire], self.access.told)
            self._dispatcher.start()
            self.readers.warm()
        return self

    def close(self) -> None:
        """Stop running jobs from this process, and end reading. Jobs that run go on; the next to `start` adopts them."""
        if self._dispatcher is not None:
            self._dispatcher.close()
            self._dispatcher = None
            self.bin.empty()
        for part in (self.readers, self.catalog, self.journal):
            part.close()

    def clean_up(self, orphan_s: float = ORPHAN_S) -> None:
        """Clear away what a crash left: folders of processes that are gone, and folders that no row names."""
        self.files.clear_abandoned()
        self.bin.recover()
        for name, row in (("datasets", Dataset), ("runs", Run), ("talks", ConversationSet), ("jobs", Job)):
            self.files.remove(*self.files.orphans(name, self.catalog.ids(row), orphan_s))

    @cached_property
    def datasets(self) -> Datasets:
        from workspace.services.datasets import Datasets

        return Datasets(self.catalog, self.files, self.settings, self.readers)

    @cached_property
    def runs(self) -> Runs:
        from workspace.services.runs import Runs

        return Runs(self.catalog, self.files, self.datasets)

    @cached_property
    def training(self) -> Training:
        from workspace.services.training import Training

        return Training(self.queue, self.datasets, self.runs, self.measurements, self.settings)

    @cached_property
    def jobs(self) -> Jobs:
        from workspace.services.jobs import Jobs

        return Jobs(self.catalog, self.files, self.queue, self.settings)

    @cached_property
    def measurements(self) -> Measurements:
        from workspace.services.measurements import Measurements

        return Measurements(self.catalog, self.settings)

    @cached_property
    def thresholds(self) -> Thresholds:
        from workspace.services.thresholds import Thresholds

        return Thresholds(self.files, self.datasets)

    @cached_property
    def releases(self) -> Releases:
        from workspace.services.releases import Releases

        return Releases(self.files, self.queue, self.runs, self.training)

    @cached_property
    def reports(self) -> Reports:
        from workspace.services.reports import Reports

        return Reports(self.files, self.datasets, self.runs, self.thresholds)

    @cached_property
    def conversations(self) -> Conversations:
        from workspace.services.conversations import Conversations

        return Conversations(self.catalog, self.files, self.queue, self.datasets, self.access)

    @cached_property
    def sessions(self) -> Sessions:
        from workspace.services.sessions import Sessions

        return Sessions(self.catalog, self.datasets, self.bin, self.settings)

    @cached_property
    def bugs(self) -> Bugs:
        from workspace.services.bugs import Bugs

        return Bugs(self.catalog, self.journal)
