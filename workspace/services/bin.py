"""The bin: what a person deleted on a page, to be taken back for ten minutes. Nothing lists it, and no call reads it.

An entry is a folder in the workspace that holds the rows (`rows.json`) and the folders of what was deleted. The order
of the steps makes a crash harmless: the rows are written down before they leave the catalog, and leave it before a
folder is moved, so that whatever is listed is whole.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from synth.atomic import write_atomic
from workspace.catalog.archive import Archived, put_back, take_out
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import (
    UNFINISHED,
    ConversationSet,
    Dataset,
    Dependency,
    Event,
    Job,
    NotFound,
    Row,
    Run,
    now,
)
from workspace.jobs.process import end_at_once
from workspace.jobs.queue import Queue
from workspace.settings import Settings
from workspace.storage.files import BinFiles, Files, size_of

KEPT_MINUTES = 10
LOOK_S = 2
"""Seconds between two looks for entries whose time is over."""
Deletable = Dataset | Run | ConversationSet | Job
KINDS: tuple[type[Row], ...] = (Dataset, Job, Dependency, Event, Run, ConversationSet)
"""What an entry may hold, each kind after those it refers to."""


@dataclass(frozen=True)
class Contents:
    """What goes along when something is deleted."""

    runs: int
    conversation_sets: int
    jobs: int
    active_jobs: int
    """Jobs that wait or run, and are cancelled."""
    size_bytes: int


@dataclass(frozen=True)
class Binned:
    """Something in the bin."""

    id: str
    kind: str
    name: str
    until: datetime


class Bin:
    """The bin of a workspace."""

    def __init__(self, catalog: Catalog, files: Files, queue: Queue, settings: Settings):
        self.catalog, self.files, self.queue, self.settings = catalog, files, queue, settings
        self._lock = threading.Lock()
        self._looked = 0.0

    def contents(self, row: Deletable) -> Contents:
        """What would be deleted with a dataset, a run, a conversation set or a job, that itself included."""
        with self.catalog.session() as session:
            found = {
                kind: session.scalars(select(kind).where(condition)).all()
                for kind, condition in _with(row).items()
                if kind in (Run, ConversationSet, Job)
            }
            active = session.scalars(select(Job.id).where(_works_on(row))).all()
        rows = [row, *(one for kind in found.values() for one in kind)]
        return Contents(
            runs=len(found.get(Run, ())),
            conversation_sets=len(found.get(ConversationSet, ())),
            jobs=len(found.get(Job, ())),
            active_jobs=len(active),
            size_bytes=sum(size_of(folder) for folder in {self._folder(type(one), one.id) for one in rows}),
        )

    def put(self, row: Deletable, name: str) -> Binned:
        """Delete a dataset, a run, a conversation set or a job with all that hangs on it, to be restored or forgotten.

        Jobs that work on it are cancelled first. Raises NotFound when it was deleted in the meantime.
        """
        self._end_jobs(row)
        with self._lock:
            entry = self.files.new_in_bin()
            try:
                moves = self._take(row, name, entry)
            except BaseException:
                self.files.remove(entry.folder)
                raise
            for folder in moves:
                if folder.exists():
                    target = entry.folder / folder.relative_to(self.files.folder)
                    target.parent.mkdir(exist_ok=True)
                    folder.replace(target)
        self.catalog.forget_deleted()
        return self._binned(entry)

    def restore(self, entry_id: str) -> None:
        """Put something back as it was: its rows with their ids, owners and times, and its files.

        Raises NotFound when its ten minutes are over.
        """
        entry = self.files.in_bin(entry_id)
        with self._lock:
            if not entry.rows.is_file():
                raise NotFound("It is no longer in the bin: what is deleted on a page is kept for ten minutes.")
            # From here on a crash is followed by the rest of the restoring, not by the emptying of the bin.
            entry.restoring.touch()
            self._finish_restoring(entry)
        self.queue.changed.set()

    def find(self, ids: Sequence[str]) -> list[Binned]:
        """Those of the entries that can still be restored."""
        entries = (self.files.in_bin(id) for id in ids)
        return [found for entry in entries if entry.rows.is_file() and (found := self._binned(entry)).until > now()]

    def expire(self) -> None:
        """Delete this process's entries whose time is over."""
        if time.monotonic() < self._looked + LOOK_S:
            return
        self._looked = time.monotonic()
        for entry in self.files.own_in_bin():
            if entry.rows.is_file() and self._binned(entry).until <= now():
                self._forget(entry)

    def empty(self) -> None:
        """Delete what this process put into the bin."""
        for entry in self.files.own_in_bin():
            self._forget(entry)

    def recover(self) -> None:
        """After a crash: finish what was being restored, and delete the other entries of processes that are gone."""
        for entry in self.files.abandoned_in_bin():
            with self._lock:
                if entry.restoring.exists():
                    self._finish_restoring(entry)
            self._forget(entry)

    def erase(self, session: str, owner: str) -> None:
        """Delete what the bin holds of an owner's session, which is being erased."""
        for entry in self.files.all_in_bin():
            if entry.rows.is_file():
                datasets = self._read(entry)["rows"].get(Dataset.__tablename__, [])
                if any((one["session"], one["owner"]) == (session, owner) for one in datasets):
                    self._forget(entry)

    def _take(self, row: Deletable, name: str, entry: BinFiles) -> list[Path]:
        """Write down the rows and take them out of the catalog; the folders that are to be moved."""
        with self.catalog.session() as session:
            taken = take_out(session, _with(row))
            itself = session.get(type(row), row.id)
            if itself is None:
                raise NotFound(f"There is no {row.word} {row.id!r} here. It may have been deleted.")
            folders = [
                self._folder(kind, one["id"])
                for kind in (Dataset, Job, Run, ConversationSet)
                for one in taken.get(kind.__tablename__, [])
            ]
            written = {
                "kind": row.word,
                "name": name,
                "at": now().isoformat(),
                "rows": taken,
                "folders": [str(folder.relative_to(self.files.folder)) for folder in folders],
            }
            write_atomic(entry.rows, json.dumps(written, ensure_ascii=False))
            session.delete(itself)
        return folders

    def _end_jobs(self, row: Deletable) -> None:
        with self.catalog.session() as session:
            jobs = session.scalars(select(Job).where(_works_on(row))).all()
        for job in jobs:
            self.queue.cancel(job.id)
        end_at_once(jobs, self.settings.cancel_grace_s)
        for job in jobs:
            self.queue.end(job.id, "cancelled")

    def _finish_restoring(self, entry: BinFiles) -> None:
        written = self._read(entry)
        for name in written["folders"]:
            moved = entry.folder / name
            if moved.exists():
                moved.replace(self.files.folder / name)
        with self.catalog.session() as session:
            put_back(session, KINDS, written["rows"])
        self.files.remove(entry.folder)

    def _forget(self, entry: BinFiles) -> None:
        with self._lock:
            folders = []
            if entry.rows.is_file():
                written = self._read(entry)
                # A crash may have come between the rows and the folders; what is still listed is left alone.
                folders = [self.files.folder / name for name in self._unlisted(written["rows"], written["folders"])]
            self.files.remove(*folders, entry.folder)

    def _unlisted(self, rows: Archived, folders: list[str]) -> Iterator[str]:
        with self.catalog.session() as session:
            for kind in (Dataset, Job, Run, ConversationSet):
                for one in rows.get(kind.__tablename__, []):
                    name = str(self._folder(kind, one["id"]).relative_to(self.files.folder))
                    if name in folders and session.get(kind, one["id"]) is None:
                        yield name

    def _read(self, entry: BinFiles) -> dict[str, Any]:
        return json.loads(entry.rows.read_bytes())

    def _binned(self, entry: BinFiles) -> Binned:
        written = self._read(entry)
        until = datetime.fromisoformat(written["at"]) + timedelta(minutes=KEPT_MINUTES)
        return Binned(entry.folder.name, written["kind"], written["name"], until)

    def _folder(self, kind: type[Row], id: str) -> Path:
        of = {Dataset: self.files.dataset, Run: self.files.run, ConversationSet: self.files.conversations}
        return of[kind](id).folder if kind in of else self.files.job(id).folder


def _with(row: Deletable) -> dict[type[Row], ColumnElement[bool]]:
    """The rows that are deleted with one, that itself included."""
    if not isinstance(row, Dataset):
        wanted: dict[type[Row], ColumnElement[bool]] = {type(row): type(row).id == row.id}
        if isinstance(row, Job):
            wanted |= {Dependency: Dependency.job_id == row.id, Event: Event.job_id == row.id}
        return wanted
    jobs = select(Job.id).where(Job.dataset_id == row.id)
    return {
        Dataset: Dataset.id == row.id,
        Job: Job.dataset_id == row.id,
        Dependency: Dependency.job_id.in_(jobs),
        Event: Event.job_id.in_(jobs),
        Run: Run.dataset_id == row.id,
        ConversationSet: ConversationSet.dataset_id == row.id,
    }


def _works_on(row: Deletable) -> ColumnElement[bool]:
    """Whether a job waits or runs that works on it."""
    of: ColumnElement[bool]
    if isinstance(row, Dataset):
        of = Job.dataset_id == row.id
    elif isinstance(row, Run):
        of = or_(Job.run_id == row.id, Job.arguments["parent"].as_string() == row.id)
    elif isinstance(row, ConversationSet):
        of = Job.id == row.job_id
    else:
        of = Job.id == row.id
    return of & Job.state.in_(UNFINISHED)
