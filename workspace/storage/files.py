"""The workspace's folder: what its files are called, how they arrive complete, and how they vanish."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Literal

from workspace.process import Process
from workspace.settings import HOST
from workspace.storage.uploads import Uploads

log = logging.getLogger(__name__)

ORPHAN_S = 600
"""A folder that no row has named for this long was left by a crash."""
Stage = Literal["training", "evaluation"]
"""What of a run can be stopped by hand."""
ABANDONED_S = 24 * 3600
"""Another machine's temporary folder is abandoned when nothing was written there for this long."""


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@dataclass(frozen=True)
class DatasetFiles:
    """What the folder of a dataset holds."""

    folder: Path

    @property
    def table(self) -> Path:
        return self.folder / "table.duckdb"

    @property
    def profiles(self) -> Path:
        return self.folder / "profiles.json"

    @property
    def thresholds(self) -> Path:
        return self.folder / "thresholds.json"

    def held_out(self, name: str) -> Path:
        """The held-out rows, or which rows of the table they are: `Split.file` has the name."""
        return self.folder / name


@dataclass(frozen=True)
class RunFiles:
    """What the folder of a run holds."""

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def synthetic(self) -> Path:
        return self.folder / "synthetic.duckdb"

    @property
    def scores(self) -> Path:
        return self.folder / "scores.json"

    @property
    def trials(self) -> Path:
        return self.folder / "trials.json"

    @property
    def replaced(self) -> Path:
        return self.folder / "replaced.json"

    @property
    def self_test(self) -> Path:
        return self.folder / "selftest.json"

    @property
    def scored_target(self) -> Path:
        """The column that was the target when the run was scored."""
        return self.folder / "target.json"

    def stopped(self, stage: Stage) -> Path:
        """Is there when somebody stopped this stage by hand."""
        return self.folder / f"stopped-{stage}"

    @property
    def exports(self) -> Path:
        return self.folder / "export"


@dataclass(frozen=True)
class ConversationFiles:
    """What the folder of a conversation set holds."""

    folder: Path

    @property
    def dialogues(self) -> Path:
        return self.folder / "set.jsonl"

    @property
    def scores(self) -> Path:
        return self.folder / "judged.json"

    @property
    def exports(self) -> Path:
        return self.folder / "export"


@dataclass(frozen=True)
class JobFiles:
    """What the folder of a job holds."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def model_log(self) -> Path:
        """What the small language model of this machine wrote while it served the job."""
        return self.folder / "model.txt"

    @property
    def scratch(self) -> Path:
        """Where a job writes what is not complete yet."""
        return self.folder / "work"

    @property
    def temporary(self) -> Path:
        """What libraries write for a moment while a job runs."""
        return self.folder / "tmp"

    @property
    def checkpoint(self) -> Path:
        """Where a job keeps what a second attempt can go on from."""
        return self.folder / "checkpoint"


@dataclass(frozen=True)
class BinFiles:
    """What the folder of an entry of the bin holds, beside the folders that were moved there."""

    folder: Path

    @property
    def rows(self) -> Path:
        return self.folder / "rows.json"

    @property
    def restoring(self) -> Path:
        """Is there while the entry is being put back."""
        return self.folder / "restoring"


class Files:
    """A workspace's folder. Any number of processes may work in it."""

    KINDS = ("datasets", "runs", "talks", "jobs")
    """Folders with one folder for each dataset, run, conversation set and job."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in (*self.KINDS, "tmp", "bin"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def dataset(self, dataset_id: str) -> DatasetFiles:
        return DatasetFiles(self.folder / "datasets" / dataset_id)

    def run(self, run_id: str) -> RunFiles:
        return RunFiles(self.folder / "runs" / run_id)

    def conversations(self, set_id: str) -> ConversationFiles:
        return ConversationFiles(self.folder / "talks" / set_id)

    def job(self, job_id: str) -> JobFiles:
        return JobFiles(self.folder / "jobs" / job_id)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """A folder for what is not complete yet; its name says which process it belongs to."""
        folder = self.folder / "tmp" / self._own_name()
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def uploads(self) -> Uploads:
        """The files that visitors of the pages of this process chose and did not add yet."""
        return Uploads(self.incoming)

    def remove(self, *folders: Path) -> None:
        """Delete folders. Each is moved out of sight first, so that a crash in between leaves no half of it."""
        with self.incoming() as trash:
            for folder in folders:
                if folder.exists():
                    folder.replace(trash / token_hex(8))

    def clear_abandoned(self) -> None:
        """Delete the temporary folders of processes that are gone."""
        for folder in (self.folder / "tmp").iterdir():
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)

    def new_in_bin(self) -> BinFiles:
        """A new entry of the bin; its name says which process it belongs to."""
        entry = BinFiles(self.folder / "bin" / self._own_name())
        entry.folder.mkdir()
        return entry

    def in_bin(self, entry_id: str) -> BinFiles:
        return BinFiles(self.folder / "bin" / Path(entry_id).name)

    def all_in_bin(self) -> list[BinFiles]:
        return [BinFiles(folder) for folder in (self.folder / "bin").iterdir()]

    def own_in_bin(self) -> list[BinFiles]:
        """The entries of this process."""
        own = self._own_name().rpartition("~")[0]
        return [entry for entry in self.all_in_bin() if entry.folder.name.rpartition("~")[0] == own]

    def abandoned_in_bin(self) -> list[BinFiles]:
        """The entries of processes that are gone."""
        return [entry for entry in self.all_in_bin() if _is_abandoned(entry.folder)]

    def _own_name(self) -> str:
        return f"{HOST}~{self._process.pid}~{self._process.born}~{token_hex(8)}"

    def set_strays_aside(self) -> None:
        """Move what is there already into `strays/datasets/ID` and the like, where no clean-up deletes it.

        For a catalog that was just made, and knows none of it: the one before is lost, or was moved aside.
        """
        moved = 0
        for kind in self.KINDS:
            for folder in (self.folder / kind).iterdir():
                aside = self.folder / "strays" / kind / folder.name
                aside.parent.mkdir(parents=True, exist_ok=True)
                folder.replace(aside)
                moved += 1
        if moved:
            log.warning(
                "The catalog is new: %s folders that it does not know are in %s now.", moved, self.folder / "strays"
            )

    def orphans(self, kind: str, known: set[str], older_than_s: float) -> list[Path]:
        """Folders of a kind that no row names, left by a crash; younger ones may be about to be listed."""
        return [
            folder
            for folder in (self.folder / kind).iterdir()
            if folder.name not in known and time.time() - folder.stat().st_ctime > older_than_s
        ]

    @cached_property
    def _process(self) -> Process:
        return Process.current()


def link_or_copy(source: str, target: str) -> None:
    """The same bytes under a second name, or a copy where the disk has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _is_abandoned(folder: Path) -> bool:
    host, pid, born, _ = folder.name.rsplit("~", 3)
    if host == HOST:
        return not Process(int(pid), float(born)).alive
    return time.time() - folder.stat().st_mtime > ABANDONED_S
