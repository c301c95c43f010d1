"""The workspace's folder and catalog: where things lie, how they arrive complete, and how they vanish."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import select

from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import ConversationSet, Dataset, Job, MeasurementRow, Run, new_id
from workspace.jobs.estimate import CostModel, Measurement, machine, shipped
from workspace.jobs.queue import Process, Queue, process_of
from workspace.settings import HOST, Settings
from workspace.telemetry.journal import Journal

LOCAL = "local"
"""The owner where nobody signs in."""
MEASUREMENTS_READ = 1000
ORPHAN_S = 600
"""A folder that no row has named for this long was left by a crash."""


class Store:
    """A folder and its catalog, open. Any number of processes may open the same one."""

    def __init__(self, settings: Settings | None = None):
        self.settings = settings or Settings()
        self.folder = self.settings.workspace
        for name in ("datasets", "runs", "talks", "jobs", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for plugin in self.settings.plugins:
            import_module(plugin)
        self.catalog = Catalog(self.settings.catalog_url, self.folder)
        self.queue = Queue(self.catalog, self.settings)
        self.journal = Journal(self.settings)

    def dataset_folder(self, dataset_id: str) -> Path:
        return self.folder / "datasets" / dataset_id

    def run_folder(self, run_id: str) -> Path:
        return self.folder / "runs" / run_id

    def talk_folder(self, talk_id: str) -> Path:
        return self.folder / "talks" / talk_id

    def clean_up(self, orphan_s: float = ORPHAN_S) -> None:
        """Clear away what a crash left: folders of processes that are gone, and folders that no row names."""
        for folder in (self.folder / "tmp").iterdir():
            if _abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
        for name, kind in (("datasets", Dataset), ("runs", Run), ("talks", ConversationSet), ("jobs", Job)):
            with self.catalog.session() as session:
                known = set(session.scalars(select(kind.id)))
            for folder in (self.folder / name).iterdir():
                # Another server may be between moving a folder into place and listing it.
                if folder.name not in known and time.time() - folder.stat().st_ctime > orphan_s:
                    self.remove(folder)

    def measured(self) -> list[Measurement]:
        """What jobs and calibrations took on machines like this one, the latest first."""
        here = machine(self.settings.threads_per_job)
        query = select(MeasurementRow).where(MeasurementRow.machine == here).order_by(MeasurementRow.id.desc())
        with self.catalog.session() as session:
            rows = session.scalars(query.limit(MEASUREMENTS_READ)).all()
        return [Measurement(row.stage, row.quantities, row.seconds, row.taken_mb, row.kept_mb) for row in rows]

    def prices(self) -> CostModel:
        """What work costs here, as far as is known."""
        return CostModel([*self.measured(), *shipped()])

    def keep_measured(self, measured: Sequence[Measurement]) -> None:
        """Store what stages took, for the estimates to come."""
        here = machine(self.settings.threads_per_job)
        with self.catalog.session() as session:
            for one in measured:
                row = MeasurementRow(machine=here, stage=one.stage, quantities=one.quantities)
                row.seconds, row.taken_mb, row.kept_mb = one.seconds, one.taken_mb, one.kept_mb
                session.add(row)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder for what is not complete yet. Its name says whose it is, so that a crash's can be told."""
        process = Process.current()
        folder = self.folder / "tmp" / f"{HOST}~{process.pid}~{process.born}~{new_id()}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self, *folders: Path) -> None:
        """Delete folders. Moved out of sight first, so that a crash in between leaves nothing half there."""
        with self.incoming() as trash:
            for folder in folders:
                if folder.exists():
                    folder.replace(trash / new_id())
        self.catalog.forget_deleted()

    def listed(self, kind: type[Any], **having: str | None) -> Sequence[Any]:
        query = select(kind).order_by(kind.created.desc(), kind.id)
        for column, value in having.items():
            if value is not None:
                query = query.where(getattr(kind, column) == value)
        with self.catalog.session() as session:
            return session.scalars(query).all()

    def end_at_once(self, jobs: Sequence[Job]) -> None:
        """End the processes of jobs whose rows are gone, and wait until they are."""
        processes = [process for job in jobs if job.state == "running" and (process := process_of(job))]
        for sign, patience_s in ((signal.SIGTERM, self.settings.cancel_grace_s), (signal.SIGKILL, 5.0)):
            for process in processes:
                process.end_group(sign)
            end = time.monotonic() + patience_s
            while any(process.alive for process in processes) and time.monotonic() < end:
                time.sleep(0.02)


def _abandoned(folder: Path) -> bool:
    """Whether the process that made this folder for what it had not completed is gone."""
    host, pid, born, _ = folder.name.rsplit("~", 3)
    if host == HOST:
        return not Process(int(pid), float(born)).alive
    return time.time() - folder.stat().st_mtime > 24 * 3600


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
