"""Synthetic tables: paging through them, the real rows they are compared with, their scores and their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, update

from synth.atomic import write_atomic
from synth.schema import Column
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import Run, new_id
from workspace.services.datasets import Datasets
from workspace.settings import LOCAL
from workspace.storage.damage import read_whole
from workspace.storage.files import Files, RunFiles, Stage, size_of

# A worker needs a run before it needs pandas, DuckDB and the metrics: each is imported by who reads.
if TYPE_CHECKING:
    import pandas as pd

    from metrics import Score, Tables
    from workspace.tuning_space import Trial

EXTERNAL = "elsewhere"
"""Stands for the generator of an external table."""


@dataclass(frozen=True)
class Stale:
    """A change of the dataset that came after a run's scores, in a sentence."""

    text: str
    again: bool = False
    """Whether scoring again takes it into account; otherwise only another training does."""


STOPPED: dict[Stage, str] = {"training": "training stopped early", "evaluation": "evaluation cancelled"}
"""What is said of a run that somebody stopped by hand."""


class Runs:
    """The synthetic tables of a workspace. A run is one table, with its model, and its scores."""

    def __init__(self, catalog: Catalog, files: Files, datasets: Datasets):
        self.catalog, self.files, self.datasets = catalog, files, datasets

    def find(self, dataset_id: str | None = None, *, owner: str | None = None) -> Sequence[Run]:
        """All runs, newest first; those of one dataset, or of one owner."""
        return self.catalog.listed(Run, dataset_id=dataset_id, owner=owner)

    def get(self, run_id: str) -> Run:
        """One run. Raises NotFound."""
        return self.catalog.get(Run, run_id)

    def add(self, dataset_id: str, path: Path, name: str, *, owner: str = LOCAL) -> Run:
        """Take a synthetic table that was made outside Understudy, to be scored like our own.

        Raises ReadError, and Invalid when it lacks a column or holds values that the real table's kinds do not allow.
        """
        dataset = self.datasets.get(dataset_id)
        schema = dataset.schema.released
        with self.files.incoming() as folder:
            table = RunFiles(folder).synthetic
            read = self.datasets.readers.ingest(path, name, table)
            self.datasets.check_fit(table, read.schema, schema, name)
            run = Run(
                id=new_id(),
                dataset_id=dataset.id,
                owner=owner,
                model=EXTERNAL,
                params={},
                seed=0,
                rows=read.rows,
                schema=schema,
                split=dataset.split,
                size_bytes=size_of(folder),
            )
            with self.catalog.session() as session:
                session.add(run)
                session.flush()
                folder.replace(self.files.run(run.id).folder)
        return self.get(run.id)

    def delete(self, run_id: str) -> None:
        """Delete a run: its model, its synthetic table, its scores."""
        run = self.get(run_id)
        with self.catalog.session() as session:
            session.execute(delete(Run).where(Run.id == run.id))
        self.files.remove(self.files.run(run.id).folder)
        self.catalog.forget_deleted()

    def rows(self, run_id: str, offset: int = 0, limit: int = 100) -> pd.DataFrame:
        """One page of a synthetic table."""
        from workspace.tables import duckdb_file

        return duckdb_file.rows(self.files.run(self.get(run_id).id).synthetic, offset, limit)

    def synthetic_table(
        self, run_id: str, rows: int | None = None, seed: int = 0, *, keep_cells: bool = False
    ) -> pd.DataFrame:
        """A synthetic table, or a random `rows` of it; with `keep_cells` as its synthesizer drew it."""
        from workspace.tables import duckdb_file

        run = self.get(run_id)
        return duckdb_file.read(
            self.files.run(run.id).synthetic, run.schema, sample=rows, seed=seed, keep_cells=keep_cells
        )

    def train_table(self, run_id: str, rows: int | None = None, seed: int = 0) -> pd.DataFrame:
        """The real rows that a run learned from, or a random `rows` of them.

        They have the synthetic table's columns, and the kinds and the split of the time of training.
        """
        run = self.get(run_id)
        return self.datasets.train_part(run.dataset_id, run.split, run.schema, rows, seed)

    def target_of(self, run: Run) -> str | None:
        """The column to predict: the dataset's target of today where the run learned it, else that of its training."""
        today = self.datasets.get(run.dataset_id).schema.target
        return today if today in run.schema.modelled.names else run.schema.target

    def stale(self, run: Run) -> list[Stale]:
        """What changed in the dataset after a run was trained or scored; its scores are of the time before."""
        today, then = self.datasets.get(run.dataset_id), run.schema
        found = []
        if run.scores:
            file = self.files.run(run.id).scored_target
            scored = json.loads(file.read_bytes()) if file.is_file() else then.target
            if (now := self.target_of(run)) != scored:
                found.append(
                    Stale(f"Scored with {_target(scored)}, and now the dataset has {_target(now)}.", again=True)
                )
        released = {column.name: _nature(column) for column in today.schema.released}
        learned = {column.name: _nature(column) for column in then}
        changed = [name for name in {**learned, **released} if released.get(name) != learned.get(name)]
        if changed:
            found.append(Stale(f"The kind or role of {_listed(changed)} changed after this table was made."))
        if today.schema.released.rules != then.rules and run.model != EXTERNAL:
            found.append(Stale("The rules between columns changed after this table was made."))
        if today.split != run.split:
            found.append(
                Stale("The held-out rows changed after this table was made; its scores are against the earlier ones.")
            )
        return found

    def same_as(self, runs: Sequence[Run]) -> dict[str, str]:
        """Of runs of one data, settings and seed, whose rows are the same: the id of the oldest, by those of the others."""
        by_id, oldest, found = {run.id: run for run in runs}, {}, {}

        def origin(run: Run) -> Any:
            replaced = self.files.run(run.id).replaced
            parent = by_id.get(run.parent_id or "")
            return [
                run.dataset_id,
                run.model,
                run.params,
                run.seed,
                run.rows,
                run.schema.model_dump(mode="json"),
                run.split.model_dump(mode="json"),
                run.conditions,
                origin(parent) if parent else run.parent_id,
                json.loads(replaced.read_bytes())["rows"] if replaced.is_file() else None,
            ]

        for run in sorted(runs, key=lambda run: (run.created, run.id)):
            if run.model != EXTERNAL and "training" not in run.stopped:
                first = oldest.setdefault(json.dumps(origin(run), sort_keys=True, default=str), run.id)
                if first != run.id:
                    found[run.id] = first
        return found

    def holdout_table(self, run_id: str, rows: int | None = None, seed: int = 0) -> pd.DataFrame | None:
        """The real rows that a run never saw, as `train_table` has the others; None when none were held out."""
        run = self.get(run_id)
        return self.datasets.holdout_part(run.dataset_id, run.split, run.schema, rows, seed)

    def scored_tables(self, run: Run, options: dict[str, Any] | None = None) -> Tables:
        """What a run is scored on: all rows, with `options` for single metrics or those the run was made with."""
        from metrics import Tables

        return Tables(
            train=self.train_table(run.id),
            holdout=self.holdout_table(run.id),
            synthetic=self.synthetic_table(run.id),
            schema=run.schema,
            target=self.target_of(run),
            seed=run.seed,
            options=(run.options if options is None else options) or {},
        )

    def keep_scores(
        self, run: Run, scores: dict[str, Score], options: dict[str, Any] | None = None, note: str = ""
    ) -> None:
        """Store a run's scores beside those it has, and the options of metrics that are new."""
        kept = {name: score.model_dump(mode="json") for name, score in {**run.scores, **scores}.items()}
        files = self.files.run(run.id)
        write_atomic(files.scores, json.dumps(kept, ensure_ascii=False))
        write_atomic(files.scored_target, json.dumps(self.target_of(run), ensure_ascii=False))
        files.stopped("evaluation").unlink(missing_ok=True)
        chosen = {} if options is None else {"options": options}
        changed = update(Run).where(Run.id == run.id).values(note=note, **chosen)
        self.catalog.lasting(lambda session: session.execute(changed))

    def trials(self, run_id: str) -> list[Trial]:
        """What was tried before a tuned run; empty for one that was not tuned."""
        from workspace.tuning_space import Trial

        file = self.files.run(self.get(run_id).id).trials
        with read_whole("The list of what was tried"):
            tried = json.loads(file.read_bytes()) if file.is_file() else []
            return [Trial.model_validate(trial, extra="ignore") for trial in tried]

    def formula_cells(self, run_id: str) -> int:
        """How many cells of a synthetic table as CSV a spreadsheet would run as formulas; headers count too."""
        from workspace.tables.exports import formula_cells

        run = self.get(run_id)
        return formula_cells(self.files.run(run.id).synthetic, run.schema)

    def export(self, run_id: str, format: str = "csv", *, spreadsheet_safe: bool = False) -> Path:
        """A synthetic table as a file, written once and kept beside the run."""
        from workspace.tables.exports import export

        run = self.get(run_id)
        files = self.files.run(run.id)
        target = files.exports / f"synthetic{'-safe' if spreadsheet_safe else ''}.{format}"
        if not target.is_file():
            target.parent.mkdir(exist_ok=True)
            with self.files.incoming() as folder:
                file = folder / target.name
                export(files.synthetic, run.schema, format, file, spreadsheet_safe=spreadsheet_safe)
                file.replace(target)
        return target


def _nature(column: Column) -> tuple[str, str]:
    """What a training makes of a column; whether it is the target concerns the scores alone."""
    return column.kind, "feature" if column.role == "target" else column.role


def _target(name: str | None) -> str:
    return f"the target {name}" if name else "no target"


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
