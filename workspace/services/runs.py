"""Synthetic tables: paging through them, the real rows they are compared with, their scores and their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import TypeAdapter
from sqlalchemy import delete, update

from metrics import METRICS, THRESHOLDS, Score, Tables, Threshold
from workspace.catalog.rows import Run, new_id
from workspace.ingest import ingest as tables
from workspace.services import reports
from workspace.services.datasets import Datasets, check_fit
from workspace.storage.files import LOCAL, size_of

_THRESHOLDS = TypeAdapter(list[Threshold])

EXTERNAL = "elsewhere"
"""Stands for the generator of a table that was made elsewhere."""


class Runs(Datasets):
    """What a workspace does with synthetic tables."""

    def runs(self, dataset_id: str | None = None, *, owner: str | None = None) -> Sequence[Run]:
        """All runs, newest first."""
        return self.listed(Run, dataset_id=dataset_id, owner=owner)

    def run(self, run_id: str) -> Run:
        return self.catalog.get(Run, run_id)

    def add_run(self, dataset_id: str, path: Path, name: str, *, owner: str = LOCAL) -> Run:
        """Take a synthetic table that was made elsewhere, to be judged like our own.

        Raises ReadError, and ValueError when it lacks a column or holds values that the real table's kinds do not allow.
        """
        dataset = self.dataset(dataset_id)
        schema = dataset.schema.released
        with self.incoming() as folder:
            read = tables.ingest(path, name, folder / "synthetic.duckdb")
            check_fit(folder / "synthetic.duckdb", read.schema, schema, name)
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
                folder.replace(self.run_folder(run.id))
        return self.run(run.id)

    def delete_run(self, run_id: str) -> None:
        """Delete a run: model, synthetic table, scores."""
        run = self.run(run_id)
        with self.catalog.session() as session:
            session.execute(delete(Run).where(Run.id == run.id))
        self.remove(run.folder)

    def synthetic_rows(self, run_id: str, offset: int = 0, limit: int = 100) -> pd.DataFrame:
        """One page of a synthetic table."""
        return tables.rows(self.run(run_id).folder / "synthetic.duckdb", offset, limit)

    def synthetic_table(self, run_id: str, rows: int | None = None, seed: int = 0) -> pd.DataFrame:
        """A synthetic table, or a random `rows` of it."""
        run = self.run(run_id)
        return tables.read(run.folder / "synthetic.duckdb", run.schema, sample=rows, seed=seed)

    def real_table(
        self, run_id: str, part: Literal["train", "holdout"], rows: int | None = None, seed: int = 0
    ) -> pd.DataFrame | None:
        """The real rows a run is compared with: `train`, those it learned from, or `holdout`, those it never saw.

        They have the synthetic table's columns, and the kinds and the split of the time of training.
        """
        run = self.run(run_id)
        return self.real_part(run.dataset_id, run.split, run.schema, part, rows, seed)

    def judged_tables(self, run: Run, options: dict[str, Any] | None = None) -> Tables:
        """What a run is judged on: all rows, with `options` for single metrics or those the run was made with."""
        return Tables(
            train=self.real_table(run.id, "train"),
            holdout=self.real_table(run.id, "holdout"),
            synthetic=self.synthetic_table(run.id),
            schema=run.schema,
            target=run.schema.target,
            seed=run.seed,
            options=(run.options if options is None else options) or {},
        )

    def keep_scores(
        self, run: Run, scores: dict[str, Score], options: dict[str, Any] | None = None, note: str = ""
    ) -> None:
        """Store how a run was judged, beside what was measured of it before, and by which new options."""
        kept = {name: score.model_dump(mode="json") for name, score in {**run.scores, **scores}.items()}
        with self.incoming() as folder:
            file = folder / "scores.json"
            file.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
            file.replace(run.folder / "scores.json")
        with self.catalog.session() as session:
            chosen = {} if options is None else {"options": options}
            session.execute(update(Run).where(Run.id == run.id).values(note=note, **chosen))

    def thresholds(self, dataset_id: str) -> list[Threshold]:
        """What a synthetic table of a dataset must meet before it leaves the house."""
        file = self._thresholds_file(dataset_id)
        chosen = _THRESHOLDS.validate_json(file.read_bytes()) if file.is_file() else THRESHOLDS
        return [threshold for threshold in chosen if threshold.metric in METRICS]

    def set_thresholds(self, dataset_id: str, thresholds: Sequence[Threshold] | None) -> None:
        """Keep the owner's thresholds; None: those of a careful owner again. Raises ValueError for an unknown metric."""
        if unknown := {threshold.metric for threshold in thresholds or ()} - set(METRICS):
            raise ValueError(f"There is no metric {', '.join(sorted(unknown))}. There are {', '.join(METRICS)}.")
        target = self._thresholds_file(dataset_id)
        with self.incoming() as folder:
            file = folder / target.name
            file.write_bytes(_THRESHOLDS.dump_json(list(THRESHOLDS if thresholds is None else thresholds)))
            file.replace(target)

    def _thresholds_file(self, dataset_id: str) -> Path:
        return self.dataset_folder(self.dataset(dataset_id).id) / "thresholds.json"

    def export(self, run_id: str, format: str = "csv", *, spreadsheet_safe: bool = False) -> Path:
        """A synthetic table as a file, written once and kept beside the run."""
        run = self.run(run_id)
        target = run.folder / "export" / f"synthetic{'-safe' if spreadsheet_safe else ''}.{format}"
        if not target.is_file():
            target.parent.mkdir(exist_ok=True)
            with self.incoming() as folder:
                file = folder / target.name
                tables.export(
                    run.folder / "synthetic.duckdb", run.schema, format, file, spreadsheet_safe=spreadsheet_safe
                )
                file.replace(target)
        return target

    def report(self, run_id: str, format: str = "html") -> Path:
        """The report on a run in one of `workspace.services.reports.FORMATS`, kept until it or its thresholds change.

        Raises NoImages when "zip" is asked for and no browser is installed to draw the charts.
        """
        run = self.run(run_id)
        target = run.folder / "export" / f"report.{format}"
        told = [run.folder / "scores.json", self._thresholds_file(run.dataset_id)]
        changed = max((file.stat().st_mtime for file in told if file.is_file()), default=0)
        if not target.is_file() or target.stat().st_mtime < changed:
            target.parent.mkdir(exist_ok=True)
            with self.incoming() as folder:
                file = folder / target.name
                reports.FORMATS[format](reports.report_on(self, run), file)
                file.replace(target)
        return target
